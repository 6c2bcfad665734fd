"""What the steps found, read with care: any key may be missing, null or of another kind, and then it is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mlci.evidence.receipt import Finding
from mlci.evidence.record import StepRecord
from mlci.report import words

_MOST = 1e300
_LOWER_IS_BETTER = ("loss", "error", "mae", "mse", "rmse", "mape", "brier", "deviance", "ece", "latency")


def number(value: Any) -> float | None:
    """A finite number that differences and sums do not overflow, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_MOST < value < _MOST:
        return None
    return float(value)


def mapping(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, (list, tuple)) else []


def text(value: Any) -> str:
    """A string; numbers are written out, null is empty."""
    return "" if value is None else str(value)


def of(step: StepRecord) -> dict[str, Any]:
    """The facts of a step; empty when it left no receipt."""
    return mapping(step.receipt.facts) if step.receipt else {}


def findings(step: StepRecord) -> list[Finding]:
    """What a step found, without the errors that the report draws from the facts."""
    found = step.receipt.findings if step.receipt else ()
    drawn = bool(of(step)) and words.known(step.name)
    return [one for one in found if not (drawn and one.level == "error")]


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """The width of the interval."""
        return self.high - self.low


def estimate(raw: Any) -> Estimate | None:
    """An estimate; without ends the interval is the value alone."""
    found = mapping(raw)
    value, low, high = (number(found.get(key)) for key in ("value", "low", "high"))
    if value is None:
        return None
    return Estimate(value, value if low is None else low, value if high is None else high)


@dataclass(frozen=True)
class Rule:
    """What a metric had to reach, and whether it did."""

    rule: str
    limit: float | None
    verdict: str
    reason: str


@dataclass(frozen=True)
class Metric:
    """One metric of the gate. `difference` is challenger minus champion."""

    name: str
    challenger: Estimate | None
    champion: Estimate | None
    difference: Estimate | None
    method: str
    rules: tuple[Rule, ...]
    verdict: str
    higher_is_better: bool
    detectable: float | None = None

    def limit(self, rule: str) -> float | None:
        """The limit of a rule, if it was asked for."""
        return next((r.limit for r in self.rules if r.rule == rule), None)


def metrics(facts: dict[str, Any]) -> list[Metric]:
    """The metrics of the gate."""
    return [_metric(raw) for raw in objects(facts.get("metrics"))]


def _metric(raw: dict[str, Any]) -> Metric:
    rules = tuple(
        Rule(text(r.get("rule")), number(r.get("limit")), text(r.get("verdict")), text(r.get("reason")))
        for r in objects(raw.get("rules"))
    )
    name = text(raw.get("name"))
    return Metric(
        name=name,
        challenger=estimate(raw.get("challenger")),
        champion=estimate(raw.get("champion")),
        difference=estimate(raw.get("difference")),
        method=text(raw.get("method")),
        rules=rules,
        verdict=text(raw.get("verdict")),
        higher_is_better=_higher_is_better(name, {r.rule for r in rules}, raw.get("better")),
        detectable=number(raw.get("detectable")),
    )


def _higher_is_better(name: str, rules: set[str], told: Any) -> bool:
    if told in ("higher", "lower"):
        return bool(told == "higher")
    if ("min" in rules) != ("max" in rules):
        return "min" in rules
    return not any(word in name.lower() for word in _LOWER_IS_BETTER)


@dataclass(frozen=True)
class Slice:
    """One group of rows; a positive gap is worse than all rows, and so surely that it `stands_out`."""

    by: str
    value: str
    rows: float | None
    metric: str
    estimate: Estimate | None
    gap: float | None
    verdict: str
    reason: str
    difference: Estimate | None = None
    champion: Estimate | None = None
    stands_out: bool = False


def slices(facts: dict[str, Any]) -> list[Slice]:
    """The groups of the gate, the worst first: by verdict, then by value."""
    level = 1 - (number(facts.get("confidence")) or 0.95)
    found = [
        Slice(
            by=text(raw.get("by")),
            value=text(raw.get("value")),
            rows=number(raw.get("rows")),
            metric=text(raw.get("metric")),
            estimate=estimate(raw.get("estimate")),
            gap=number(raw.get("gap")),
            verdict=text(raw.get("verdict")),
            reason=text(raw.get("reason")),
            difference=estimate(raw.get("difference")),
            champion=estimate(raw.get("champion")),
            stands_out=(number(raw.get("gap")) or 0) > 0 and _surely(raw.get("discovery"), level),
        )
        for raw in objects(facts.get("slices"))
    ]
    lower_is_better = {m.name for m in metrics(facts) if not m.higher_is_better}
    order = {"fail": 0, "inconclusive": 1, "pass": 2}

    def badness(one: Slice) -> tuple[float, float, str, str]:
        value = one.estimate.value if one.estimate else 0.0
        return order.get(one.verdict, 3), -value if one.metric in lower_is_better else value, one.by, one.value

    return sorted(found, key=badness)


def _surely(chance: Any, level: float) -> bool:
    found = number(chance)
    return found is not None and found <= level


@dataclass(frozen=True)
class Counts:
    """Requests that a version answered, and how many of them failed."""

    requests: float
    errors: float


@dataclass(frozen=True)
class Point:
    """One look at a deployment: seconds since its start, the new version's share, and what is known so far.

    `harm` is the evidence by metric that the new version is worse (`threshold` takes it back), `clear` that it may go
    on (`needed` lets it).
    """

    t: float
    phase: str
    weight: float | None
    stable: Counts
    canary: Counts
    harm: dict[str, float]
    threshold: float | None
    clear: dict[str, float]
    needed: float | None
    event: str


_DECIDED = {"switch": 1.0, "rollback": 0.0}
"""The new version's share from this phase on; the point of the decision itself still has the share of before."""


def timeline(facts: dict[str, Any]) -> list[Point]:
    """The looks at a deployment in the order of time."""
    points = sorted(_points(facts), key=lambda point: point.t)
    decided: float | None = None
    for n, point in enumerate(points):
        decided = _DECIDED.get(point.phase, decided)
        if decided is not None:
            points[n] = replace(point, weight=decided)
    return points


def _points(facts: dict[str, Any]) -> Iterator[Point]:
    for raw in objects(facts.get("timeline")):
        t = number(raw.get("t"))
        if t is None:
            continue
        yield Point(
            t=t,
            phase=text(raw.get("phase")),
            weight=number(raw.get("weight")),
            stable=_counts(raw.get("stable")),
            canary=_counts(raw.get("canary")),
            harm=numbers(raw.get("evidence")),
            threshold=number(raw.get("threshold")),
            clear=numbers(raw.get("clear")),
            needed=number(raw.get("needed")),
            event=text(raw.get("event")),
        )


def numbers(value: Any) -> dict[str, float]:
    """The finite numbers of an object."""
    found = {str(name): number(one) for name, one in mapping(value).items()}
    return {name: one for name, one in found.items() if one is not None}


def _counts(raw: Any) -> Counts:
    found = mapping(raw)
    return Counts(max(0.0, number(found.get("requests")) or 0.0), max(0.0, number(found.get("errors")) or 0.0))
