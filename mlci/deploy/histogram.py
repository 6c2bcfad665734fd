"""What each version answers, as its own servers count it: a histogram of their `/metrics`.

Counters only tell something as differences. Each server is read by itself, so one that was started again, whose
counters are smaller than before, is seen: that round counts nothing, and the next one begins from there.

Source: the Prometheus text format 0.0.4 (cumulative buckets by `le`, the last one `+Inf`).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlci.deploy.analysis import Counts
from mlci.deploy.drivers import Address
from mlci.deploy.envoy_config import Wiring
from mlci.deploy.sources import Asked, Unreadable, get, silent

EVERY = 1.0
"""Seconds between two rounds."""
MOST = 200
"""Buckets at most."""
_VALUE = r'"(?:[^"\\]|\\.)*"'
_LE = re.compile(rf"(?:^|,)\s*le=({_VALUE})")


@dataclass(frozen=True)
class Bins:
    """The upper bound of each bin, the last infinite, and the answers in it."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


def parse(text: str, name: str) -> Bins:
    """The histogram of this name, whatever its other labels are; raises Unreadable."""
    series = re.compile(rf"^{re.escape(name)}_bucket\{{((?:[^\"}}]|{_VALUE})*)\}}\s+(\S+)", re.MULTILINE)
    found: dict[float, float] = {}
    for labels, value in series.findall(text):
        le = _LE.search(labels)
        if le is None:
            raise Unreadable(f"a bucket of {name} has no `le`")
        bound = float(le[1][1:-1])
        found[bound] = found.get(bound, 0.0) + float(value)
    if not found:
        raise Unreadable(f"there is no histogram {name}")
    bounds = tuple(sorted(found))
    totals = [found[bound] for bound in bounds]
    if bounds[-1] != math.inf or len(bounds) > MOST:
        raise Unreadable(f"{name} has no bucket +Inf, or more than {MOST}")
    if not all(math.isfinite(total) and total >= 0 for total in totals) or totals != sorted(totals):
        raise Unreadable(f"the buckets of {name} are no counts")
    return Bins(bounds, tuple(round(b - a) for a, b in zip([0.0, *totals], totals, strict=False)))


class Histogram:
    """The predictions of both versions, from all of their servers (canary, stable)."""

    def __init__(self, name: str, servers: tuple[Sequence[Address], Sequence[Address]]) -> None:
        self._name, self._servers = name, servers
        self._before: dict[Address, Bins] = {}
        self._asked = Asked("predictions", EVERY, self._ask)
        self.start, self.stop = self._asked.start, self._asked.stop

    def add(self, counts: Counts, wiring: Wiring) -> Counts:
        """The answers by bin since the last look."""
        answers, why = self._asked.take()
        if answers and counts.canary is not None and counts.stable is not None:
            canary, stable = (tuple(map(sum, zip(*of, strict=True))) for of in zip(*answers, strict=True))
            counts = replace(
                counts,
                canary=replace(counts.canary, predictions=canary),
                stable=replace(counts.stable, predictions=stable),
            )
        return silent(counts, "predictions", why)

    def _ask(self, stop: threading.Event) -> tuple[tuple[int, ...], tuple[int, ...]]:
        now = {at: self._read(at, version) for version, at in self._each()}
        before, self._before = self._before, now
        if len({bins.bounds for bins in now.values()}) > 1:
            raise Unreadable("the versions have other buckets")
        new = {at: _difference(before.get(at, now[at]), now[at]) for at in now}
        canary, stable = (tuple(map(sum, zip(*(new[at] for at in of), strict=True))) for of in self._servers)
        return canary, stable

    def _each(self) -> list[tuple[str, Address]]:
        versions = zip(("canary", "stable"), self._servers, strict=True)
        return [(version, at) for version, servers in versions for at in servers]

    def _read(self, at: Address, version: str) -> Bins:
        try:
            return parse(get(f"http://{at[0]}:{at[1]}/metrics").decode(), self._name)
        except (Unreadable, ValueError) as error:
            raise Unreadable(f"{version}: {error}") from None


def _difference(old: Bins, new: Bins) -> tuple[int, ...]:
    if old.bounds != new.bounds or any(b < a for a, b in zip(old.counts, new.counts, strict=True)):
        raise Unreadable("the counters began anew")
    return tuple(b - a for a, b in zip(old.counts, new.counts, strict=True))
