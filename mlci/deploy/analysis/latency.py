"""Latency: an answer fails that is late, so the tests for errors judge it, whatever the shape of the distribution.

Late is an answer of stable over its quantile, or one of the canary over that quantile and its margin. So the test asks
for "not slower by more than the margin", as near as the buckets are to it.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import log

from mlci.deploy.analysis.counts import Table, Tally

FLOOR = 0.005
"""Seconds: a smaller difference is the machine's, not the version's (Envoy counts whole milliseconds)."""
STALL = log(3)
"""The most that one poll adds to the evidence for "slower": a stall of the machine makes many answers late at once."""


def late(
    seen: tuple[int, ...], bounds: tuple[float, ...], stable: Tally, canary: Tally, quantile: float, margin: float
) -> Table | None:
    """The poll's late answers; None before stable has answered anything.

    Stable's limit is its quantile in the polls before this one (`seen`, by bucket): no poll moves its own. The
    canary's is the bucket bound nearest to that and its margin.
    """
    if not sum(seen):
        return None
    limit = bisect_left(list(accumulate(seen)), quantile * sum(seen))
    allowed = max(bounds[limit] * (1 + margin), bounds[limit] + FLOOR)
    above = nearest(bounds, allowed)
    return Table(
        sum(canary.latency), sum(canary.latency[above + 1 :]), sum(stable.latency), sum(stable.latency[limit + 1 :])
    )


def nearest(bounds: tuple[float, ...], value: float) -> int:
    """The place of the bound nearest to a value."""
    after = min(bisect_left(bounds, value), len(bounds) - 1)
    before = max(after - 1, 0)
    return before if value - bounds[before] < bounds[after] - value else after
