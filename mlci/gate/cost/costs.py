"""What a model costs beside what it knows: from measurements in rounds to estimates, and when to stop measuring.

Each round measures the challenger and the champion in turn on one machine, in an order drawn by chance, and gives one
number of each model for each cost: the time until it is ready, the 95th percentile of so many requests, the peak of
its memory. Judged is the logarithm of their ratio over the rounds, by signed ranks (`mlci/gate/signed.py`): equal
models differ in a round by the machine's noise alone, whose sign the drawn order makes a fair coin. A burst in one
round, or a machine that gets slower, cannot decide; it widens the interval.

Measuring ends as soon as every rule is decided, and looking often must not make errors more frequent. Each of five
looks (after 8, 16, 32, 64 and 128 rounds at confidence 0.95) spends a tenth of 1 − confidence, the look at the end the
half that is left: by Bonferroni all looks together err no more often than one at 1 − confidence would.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlci.config.judging import Metric
from mlci.gate import words
from mlci.gate.cost import signed
from mlci.gate.deciding.decide import ALONE, Judged, Measured, Ruling, decide
from mlci.gate.deciding.intervals import Estimate

LOOKS = 5
MOST_ROUNDS = 256
_SPENT = 0.1
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
NAMES = {f"latency_{name}_ms" for name in QUANTILES} | {
    *("load_time_s", "memory_mb", "batch_time_s", "batch_memory_mb", "requirements")
}
"""What costs are called: in the unit that ends the name."""
METHOD = "Hodges-Lehmann over {} in turn, signed ranks"
Round = Mapping[str, tuple[float, float | None]]
"""Of each cost by its name the challenger's number and the champion's, of one round."""


@dataclass(frozen=True)
class Asked:
    """One cost to be judged: `max` in the unit that ends its name, `margin` as a share of the champion's."""

    name: str
    max: float | None = None
    margin: float | None = None
    untold: str = ""
    """Why no number of rounds like these can tell it."""


@dataclass(frozen=True)
class Cost:
    """A cost as it was measured, with its rule in its own unit; `untold`: why it has no interval."""

    measured: Measured
    rule: Metric
    untold: str = ""

    @property
    def judged(self) -> Judged:
        """An untold cost: no rule of it is decided, and why."""
        rule, found = self.rule, []
        if rule.max is not None:
            reason = f"{words.estimate(self.measured.challenger)}: {self.untold}"
            found.append(Ruling("max", rule.max, "inconclusive", reason, 0.0))
        if rule.margin is not None and self.measured.champion is not None:
            found.append(Ruling("margin", rule.margin, "inconclusive", self.untold, 0.0))
        elif rule.margin is not None:
            found.append(Ruling("margin", rule.margin, "pass", ALONE, math.inf))
        return Judged(self.measured, tuple(found))


@dataclass(frozen=True)
class Settled:
    """What all rounds say; `early`: a look decided before the time was used."""

    costs: tuple[Cost, ...]
    rounds: int
    early: bool

    def facts(self) -> dict[str, Any]:
        """For the receipt."""
        return {"rounds": self.rounds, "ended": "decided" if self.early else "time"}


def quantile(values: Sequence[float], share: float) -> float:
    """The value at rank share · (n + 1), between its neighbours (Weibull): right on average also for a few values."""
    ranked, place = sorted(values), share * (len(values) + 1) - 1
    low = min(max(math.floor(place), 0), len(ranked) - 1)
    high = min(low + 1, len(ranked) - 1)
    part = min(max(place - low, 0.0), 1.0)
    return ranked[low] + part * (ranked[high] - ranked[low])


def fewest_requests(share: float) -> int:
    """So many requests a round has at least for this quantile: fewer have none beyond it."""
    return max(4, math.ceil(1 / (1 - share) - 1e-9))


def requests_a_round(seconds: float, time: float, share: float) -> int:
    """How many requests to each model make a round, when one to each takes `seconds` and all rounds `time`.

    Twice what the quantile needs, or what leaves room for twelve rounds, but not less than it needs: unless six such
    rounds find no room either, and then it cannot be told. Always even, for two blocks.
    """
    needed = fewest_requests(share)
    fits = int(time / (12 * seconds)) if seconds > 0 else 2 * needed
    wanted = min(max(fits, needed), 2 * needed)
    if wanted * 6 * seconds > time:
        wanted = max(4, int(time / (6 * seconds)))
    return wanted + wanted % 2


def settle(rounds: Iterable[Round], asked: Sequence[Asked], confidence: float) -> Settled:
    """Take rounds until every rule is decided, or there are no more."""
    level = 1 - confidence
    first = signed.fewest(level * _SPENT)
    looks = {first << n for n in range(LOOKS)}
    kept: list[Round] = []
    for one in rounds:
        kept.append(one)
        if len(kept) in looks:
            found = estimates(kept, asked, level * _SPENT)
            if _decided(found, confidence):
                return Settled(found, len(kept), True)
        if len(kept) >= MOST_ROUNDS:
            break
    return Settled(estimates(kept, asked, level * (1 - _SPENT * LOOKS)), len(kept), False)


def _decided(costs: Sequence[Cost], confidence: float) -> bool:
    """Whether every rule that can be told is surely kept or surely broken."""
    told = [cost for cost in costs if not cost.untold]
    found = decide([one.measured for one in told], {one.measured.name: one.rule for one in told}, confidence=confidence)
    return all(ruling.verdict != "inconclusive" for one in found.metrics for ruling in one.rulings)


def estimates(rounds: Sequence[Round], asked: Sequence[Asked], level: float) -> tuple[Cost, ...]:
    """Each cost with bounds that are missed with a chance of at most `level`."""
    return tuple(_estimate([one[cost.name] for one in rounds], cost, level) for cost in asked)


def _estimate(pairs: Sequence[tuple[float, float | None]], asked: Asked, level: float) -> Cost:
    count = len(pairs)
    mine = [math.log(one) for one, _ in pairs]
    theirs = [math.log(other) for _, other in pairs if other is not None]
    method = METHOD.format(words.many(count, "round"))
    alone = _exp(mine, level)
    champion = _exp(theirs, level) if theirs else None
    untold = asked.untold or _too_few(count, level)
    difference = None
    if champion is not None and not untold:
        ratio = signed.interval([a - b for a, b in zip(mine, theirs, strict=True)], level)
        assert ratio is not None
        ends = (champion.value * math.expm1(end) for end in (ratio.value, ratio.low, ratio.high))
        difference = Estimate(*ends)
    measured = Measured(
        asked.name,
        "lower",
        count,
        alone,
        champion,
        difference,
        method,
        freedom=max(count - 1.0, 1.0),
        noisy=True,
        ratio=champion.value if champion else None,
    )
    return Cost(measured, _rule(asked, champion or alone), untold)


def _too_few(count: int, level: float) -> str:
    missing = signed.fewest(level) - count
    said = f"{words.many(count, 'round')} cannot tell: about {words.many(missing, 'more round')} would, in more `time`"
    return said if missing > 0 else ""


def _exp(logs: Sequence[float], level: float) -> Estimate:
    found = signed.interval(logs, level)
    found = found or Estimate(signed.median(logs), min(logs), max(logs))  # too few for bounds: all that was seen
    return Estimate(*(math.exp(end) for end in (found.value, found.low, found.high)))


def _rule(asked: Asked, beside: Estimate) -> Metric:
    """The rule in the cost's own unit: a share of the champion's number is three digits of that number."""
    margin = asked.margin
    if margin is not None:
        margin = float(f"{margin * beside.value:.3g}")
    return Metric(max=asked.max, margin=margin)


def exact(asked: Asked, challenger: float, champion: float | None) -> Cost:
    """A cost that is counted and not measured."""
    alone = Estimate(challenger, challenger, challenger)
    other = None if champion is None else Estimate(champion, champion, champion)
    apart = None if champion is None else Estimate(*(challenger - champion,) * 3)
    return Cost(Measured(asked.name, "lower", 1, alone, other, apart, "counted"), _rule(asked, other or alone))
