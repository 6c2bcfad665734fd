"""Where measurements lie that some noise has spoilt: the Hodges-Lehmann estimate and the interval of the signed ranks.

The median of the means of all pairs, and as bounds the means of pairs that Wilcoxon's signed-rank test would not refuse
(Hodges & Lehmann 1963; Hollander & Wolfe 1999, 3.1 to 3.3). One wild round moves it hardly at all. For a difference
whose sign is a fair coin's, as it is when two models that are equal take turns in an order drawn by chance, the test is
exact whatever the noise does: bursts, drift and dependence from round to round take nothing from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from mlci.gate.deciding.intervals import Estimate


def fewest(level: float) -> int:
    """So many values at least are needed for a bound at `level`: two to the minus them is not above it."""
    return math.ceil(-math.log2(level) - 1e-9)


def median(values: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate: the median of the means of all pairs, each value with itself too."""
    pairs = _pairs(values)
    middle = len(pairs) // 2
    return pairs[middle] if len(pairs) % 2 else (pairs[middle - 1] + pairs[middle]) / 2


def interval(values: Sequence[float], level: float) -> Estimate | None:
    """The estimate between its bounds, each missed with a chance of at most `level`; None for too few values."""
    cut = _cut(len(values), level)
    if cut is None:
        return None
    pairs = _pairs(values)
    return Estimate(median(values), pairs[cut], pairs[-1 - cut])


def _pairs(values: Sequence[float]) -> list[float]:
    import numpy as np

    given = np.asarray(values, float)
    left, right = np.triu_indices(len(given))
    return np.sort((given[left] + given[right]) / 2).tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=256)
def _cut(count: int, level: float) -> int | None:
    """The largest c for which the sum of the positive ranks is at most c with a chance of at most `level`."""
    import numpy as np

    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, count + 1):
        ways[rank:] = (ways[rank:] + ways[:-rank]) / 2
        ways[:rank] /= 2
    below = int(np.searchsorted(np.cumsum(ways), level * (1 + 1e-9), side="right"))
    return below - 1 if below else None
