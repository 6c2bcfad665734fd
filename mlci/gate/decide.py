"""From estimates to a verdict. Nothing here reads a clock, a file or the network.

Two kinds of rule, and three verdicts: `pass`, `fail`, and `inconclusive`, which lets nothing through but says how many
more rows would tell.

- *Absolute*: `min` and `max` are promises about the number itself. Pass when the bound on the bad side keeps them; fail
  when the value itself breaks them; inconclusive when the value keeps them but the bound does not.
- *Against the champion*: `margin` (not worse by more than it: non-inferiority) and `improve` (better by more than it:
  superiority) are claims about the difference on the same rows. Pass when the bound on the bad side proves the claim;
  fail when the bound on the good side refutes it; inconclusive in between. The value alone cannot fail them: an
  equal model looks worse than the champion in half of all samples.

So at confidence 0.95 a model that breaks a rule passes it at most 5 % of the time, and one that keeps a rule against
the champion is failed by it at most 5 % of the time. The gate passes only if every rule does, so no correction for
many rules is due: a model that breaks one of them still passes all at most 5 % of the time (Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlci.gate import words
from mlci.gate.intervals import Estimate

if TYPE_CHECKING:
    from mlci.config.model import Metric
    from mlci.gate.metrics import Better

Verdict = Literal["pass", "fail", "inconclusive"]
RuleName = Literal["min", "max", "margin", "improve"]

ALONE = "no champion yet: absolute rules only"
MOST_TIMES = 1e4
"""Nobody collects a hundred million times the rows."""


@dataclass(frozen=True)
class Measured:
    """What is known of one metric: both models, and challenger − champion."""

    name: str
    better: Better
    rows: int
    challenger: Estimate
    champion: Estimate | None = None
    difference: Estimate | None = None
    method: str = ""


@dataclass(frozen=True)
class Ruling:
    """What one rule says. `slack`: by how many widths of the interval the value is on the good side of the limit.

    1 or more is certain; below 1 the interval reaches over the limit; below 0 the value is on the bad side.
    """

    rule: RuleName
    limit: float
    verdict: Verdict
    reason: str
    slack: float


@dataclass(frozen=True)
class Judged:
    """A metric with what its rules say. No rule at all: only reported."""

    measured: Measured
    rulings: tuple[Ruling, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its rules."""
        return worst(ruling.verdict for ruling in self.rulings)


@dataclass(frozen=True)
class Decision:
    """All metrics, in the order of the configuration."""

    metrics: tuple[Judged, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all rules."""
        return worst(metric.verdict for metric in self.metrics)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that counts: a fail before an inconclusive before a pass."""
    found = set(verdicts)
    return "fail" if "fail" in found else "inconclusive" if "inconclusive" in found else "pass"


def decide(estimates: Sequence[Measured], rules: Mapping[str, Metric]) -> Decision:
    """Judge each metric by the rules of its name; a metric without an entry is only reported."""
    return Decision(
        tuple(Judged(one, _rulings(one, rules[one.name]) if one.name in rules else ()) for one in estimates)
    )


def _rulings(one: Measured, rule: Metric) -> tuple[Ruling, ...]:
    out = []
    if rule.min is not None:
        out.append(_absolute(one, "min", rule.min))
    if rule.max is not None:
        out.append(_absolute(one, "max", rule.max))
    if rule.margin is not None:
        out.append(_relative(one, "margin", rule.margin))
    if rule.improve is not None:
        out.append(_relative(one, "improve", rule.improve))
    return tuple(out)


def _absolute(one: Measured, rule: Literal["min", "max"], limit: float) -> Ruling:
    seen = one.challenger
    sign = 1 if rule == "min" else -1
    bound = seen.low if rule == "min" else seen.high
    word, side = ("minimum", "above") if rule == "min" else ("maximum", "below")
    distance, half = sign * (seen.value - limit), abs(seen.value - bound)
    text = words.estimate(seen, limit)
    if distance < 0:
        other = "below" if rule == "min" else "above"
        return Ruling(rule, limit, "fail", f"{text} is {other} the {word} {words.plain(limit)}", _slack(distance, half))
    if sign * (bound - limit) >= 0:
        return Ruling(rule, limit, "pass", f"{text} keeps the {word} {words.plain(limit)}", _slack(distance, half))
    reason = f"{text} is {side} the {word} {words.plain(limit)}, but not surely: {_more(one.rows, distance, half)}"
    return Ruling(rule, limit, "inconclusive", reason, _slack(distance, half))


def _relative(one: Measured, rule: Literal["margin", "improve"], size: float) -> Ruling:
    seen = one.difference
    if seen is None:
        return Ruling(rule, size, "pass", ALONE, math.inf)
    sign = 1 if one.better == "higher" else -1
    bad, good = (seen.low, seen.high) if sign > 0 else (seen.high, seen.low)
    limit = -size if rule == "margin" else size
    distance = sign * seen.value - limit
    half = abs(seen.value - (bad if distance >= 0 else good))
    shown = f"(difference {words.difference(seen, sign * limit)})"
    claim = f"the champion by more than {words.plain(size)}" if size else "the champion"
    # `margin` holds on its limit, `improve` does not: equal to the champion is not worse by more than 0, nor better.
    proved = sign * bad >= limit if rule == "margin" else sign * bad > limit
    refuted = sign * good < limit if rule == "margin" else sign * good <= limit
    slack = _slack(distance, half)
    if proved:
        return Ruling(
            rule, size, "pass", f"{'not worse' if rule == 'margin' else 'better'} than {claim} {shown}", slack
        )
    if refuted:
        return Ruling(
            rule, size, "fail", f"{'worse' if rule == 'margin' else 'not better'} than {claim} {shown}", slack
        )
    reason = f"perhaps {'worse' if rule == 'margin' else 'not better'} than {claim} {shown}"
    return Ruling(rule, size, "inconclusive", f"{reason}: {_more(one.rows, distance, half)}", slack)


def _slack(distance: float, half: float) -> float:
    return distance / half if half > 0 else math.inf if distance >= 0 else -math.inf


def _more(rows: int, distance: float, half: float) -> str:
    """How many rows are missing, if the value stays where it is: an interval narrows with the root of the rows."""
    times = half / abs(distance) if distance else math.inf
    if times > MOST_TIMES:
        return "too close to the limit for any number of rows to decide"
    needed = rows * times**2
    return f"about {words.many(words.rough(max(1.0, needed - rows)), 'more row')} would decide"
