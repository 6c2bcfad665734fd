"""From estimates to a verdict. Nothing here reads a clock, a file or the network.

Two kinds of rule, and three verdicts: `pass`, `fail`, and `inconclusive`, which says how many more rows would tell.

- *Absolute*: `min` and `max` are promises about the number itself. Pass when the bound on the bad side keeps them; fail
  when the value itself breaks them; inconclusive when the value keeps them but the bound does not.
- *Against the champion*: `margin` (not worse by more than it: non-inferiority) and `improve` (better by more than it:
  superiority) are claims about the difference on the same rows. Pass when the bound on the bad side proves the claim;
  fail when the test on the good side refutes it; inconclusive in between. The value alone cannot fail them: an
  equal model looks worse than the champion in half of all samples.

Many rules are many chances to err, in two ways. *Let a bad model through*: the gate passes only if every rule does, so
a model that breaks one passes all of them at most 5 % of the time at confidence 0.95, without a correction (the
intersection-union test: Berger 1982). *Stop a good one*: one refuted rule stops it, so the refutations are one family
under Holm's correction (Holm 1979), and a model that keeps all its rules against the champion is called worse by any
of them at most 5 % of the time. The p-value of a refutation comes from the interval's own half width on that side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlci.gate import words
from mlci.gate.deciding import student
from mlci.gate.deciding.intervals import Estimate
from mlci.gate.deciding.multiple import holm

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.metric.metrics import Better

Verdict = Literal["pass", "fail", "inconclusive"]
RuleName = Literal["min", "max", "margin", "improve"]

ALONE = "no champion yet: absolute rules only"
MOST_TIMES = 1e4
"""Nobody collects a hundred million times the rows."""


@dataclass(frozen=True)
class Measured:
    """What is known of one metric: both models, and challenger − champion.

    `freedom`: the degrees of freedom of the difference's interval. `detectable`: the smallest regression that is called
    worse in four of five holdouts like this one. `noisy`: it is measured in rounds of which no two say the same, not in
    rows: the value alone breaks no limit. `ratio`: the difference is a ratio times this number, less it, and claims are
    tested on the ratio's logarithm, on which its interval is even.
    """

    name: str
    better: Better
    rows: int
    challenger: Estimate
    champion: Estimate | None = None
    difference: Estimate | None = None
    method: str = ""
    freedom: float = math.inf
    detectable: float | None = None
    noisy: bool = False
    ratio: float | None = None


@dataclass(frozen=True)
class Ruling:
    """What one rule says. `slack`: by how many widths of the interval the value is on the good side of the limit.

    1 or more is certain; below 1 the interval reaches over the limit; below 0 the value is on the bad side. `chance` is
    Holm's adjusted p-value of the rule's refutation, for rules against the champion; `more` is about how many more
    rows would decide an inconclusive one, None where no number would.
    """

    rule: RuleName
    limit: float
    verdict: Verdict
    reason: str
    slack: float
    chance: float | None = None
    more: int | None = None


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
    """All metrics, in the order of the configuration; `family` is how many refutations Holm's correction spans."""

    metrics: tuple[Judged, ...]
    family: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst of all rules."""
        return worst(metric.verdict for metric in self.metrics)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that counts: a fail before an inconclusive before a pass."""
    found = set(verdicts)
    return "fail" if "fail" in found else "inconclusive" if "inconclusive" in found else "pass"


def decide(estimates: Sequence[Measured], rules: Mapping[str, Metric], *, confidence: float = 0.95) -> Decision:
    """Judge each metric by the rules of its name; a metric without an entry is only reported.

    `confidence` is that of the estimates' bounds; 1 − confidence is the family-wise level of the refutations.
    """
    asked = [_claims(one, rules[one.name]) if one.name in rules else () for one in estimates]
    raw = [_refuted(one, claim, confidence) for one, claims in zip(estimates, asked, strict=True) for claim in claims]
    adjusted = iter(holm(raw))
    out = []
    for one, claims in zip(estimates, asked, strict=True):
        found = [*_absolutes(one, rules[one.name])] if one.name in rules else []
        found += [_relative(one, claim, next(adjusted), 1 - confidence) for claim in claims]
        if one.name in rules and one.difference is None:
            found += _alone(rules[one.name])
        out.append(Judged(one, tuple(found)))
    return Decision(tuple(out), len(raw))


@dataclass(frozen=True)
class _Claim:
    """A claim about the difference, with the metric's bad direction taken out: `distance` above its limit, and by how
    much the bounds on the bad and on the good side lie above it.
    """

    rule: Literal["margin", "improve"]
    size: float
    limit: float
    distance: float
    bad: float
    good: float


def _claims(one: Measured, rule: Metric) -> tuple[_Claim, ...]:
    seen = one.difference
    if seen is None:
        return ()
    sign = 1 if one.better == "higher" else -1
    bad, good = (seen.low, seen.high) if sign > 0 else (seen.high, seen.low)
    limits: dict[Literal["margin", "improve"], float | None] = {"margin": rule.margin, "improve": rule.improve}
    out = []
    for name, size in limits.items():
        if size is not None:
            limit = size if name == "improve" else -size
            at = _tested(one, sign * limit)
            distances = (sign * (_tested(one, end) - at) for end in (seen.value, bad, good))
            out.append(_Claim(name, size, limit, *distances))
    return tuple(out)


def _tested(one: Measured, difference: float) -> float:
    """A difference on the scale on which it is tested."""
    if one.ratio is None:
        return difference
    return math.log1p(difference / one.ratio) if difference > -one.ratio else -math.inf


def _refuted(one: Measured, claim: _Claim, confidence: float) -> float:
    """The p-value of "the claim holds": at 1 − confidence exactly when the bound on the good side meets the limit."""
    reach, level = claim.good - claim.distance, 1 - confidence
    if reach <= 0:
        return 1.0 if claim.good > 0 or (claim.rule == "margin" and claim.good == 0) else 0.0
    chance = student.tail(-claim.distance / reach * student.quantile(confidence, one.freedom), one.freedom)
    # Rounding must not turn the bound's own answer around.
    return max(chance, math.nextafter(level, 1)) if claim.good > 0 else min(chance, level)


def _alone(rule: Metric) -> list[Ruling]:
    sizes: dict[RuleName, float | None] = {"margin": rule.margin, "improve": rule.improve}
    return [Ruling(name, size, "pass", ALONE, math.inf) for name, size in sizes.items() if size is not None]


def _absolutes(one: Measured, rule: Metric) -> Iterator[Ruling]:
    if rule.min is not None:
        yield _absolute(one, "min", rule.min)
    if rule.max is not None:
        yield _absolute(one, "max", rule.max)


def _absolute(one: Measured, rule: Literal["min", "max"], limit: float) -> Ruling:
    seen = one.challenger
    sign = 1 if rule == "min" else -1
    bound, other_end = (seen.low, seen.high) if rule == "min" else (seen.high, seen.low)
    word, side = ("minimum", "above") if rule == "min" else ("maximum", "below")
    distance = sign * (seen.value - limit)
    half = abs(seen.value - (other_end if one.noisy and distance < 0 else bound))
    text = words.estimate(seen, limit)
    other = "below" if rule == "min" else "above"
    if distance < 0 and (not one.noisy or sign * (other_end - limit) < 0):
        return Ruling(rule, limit, "fail", f"{text} is {other} the {word} {words.plain(limit)}", _slack(distance, half))
    if sign * (bound - limit) >= 0:
        return Ruling(rule, limit, "pass", f"{text} keeps the {word} {words.plain(limit)}", _slack(distance, half))
    more = missing(one.rows, distance, half)
    where = side if distance >= 0 else other
    reason = f"{text} is {where} the {word} {words.plain(limit)}, but not surely: {_more(more, one.noisy)}"
    return Ruling(rule, limit, "inconclusive", reason, _slack(distance, half), more=more)


def _relative(one: Measured, claim: _Claim, chance: float, level: float) -> Ruling:
    seen, rule, size = one.difference, claim.rule, claim.size
    assert seen is not None
    half = abs(claim.distance - (claim.bad if claim.distance >= 0 else claim.good))
    shown = f"(difference {words.difference(seen, claim.limit if one.better == 'higher' else -claim.limit)})"
    against = f"the champion by more than {words.plain(size)}" if size else "the champion"
    slack = _slack(claim.distance, half)
    # `margin` holds on its limit, `improve` does not: equal to the champion is not worse by more than 0, nor better.
    if claim.bad >= 0 if rule == "margin" else claim.bad > 0:
        reason = f"{'not worse' if rule == 'margin' else 'better'} than {against} {shown}"
        return Ruling(rule, size, "pass", reason, slack, chance)
    word = "worse" if rule == "margin" else "not better"
    if chance <= level:
        return Ruling(rule, size, "fail", f"{word} than {against} {shown}", slack, chance)
    more = missing(one.rows, claim.distance, half)
    reason = f"perhaps {word} than {against} {shown}: {_more(more, one.noisy)}"
    return Ruling(rule, size, "inconclusive", reason, slack, chance, more)


def _slack(distance: float, half: float) -> float:
    return distance / half if half > 0 else math.inf if distance >= 0 else -math.inf


def missing(rows: int, distance: float, half: float) -> int | None:
    """About how many rows are missing, if the value stays where it is: an interval narrows with the root of the rows.

    None: too close to the limit for any number of rows.
    """
    times = half / abs(distance) if distance else math.inf
    return None if times > MOST_TIMES else words.rough(max(1.0, rows * times**2 - rows))


def _more(more: int | None, noisy: bool) -> str:
    counted = "round" if noisy else "row"
    if more is None:
        return f"too close to the limit for any number of {counted}s to decide"
    return f"about {words.many(more, f'more {counted}')} would decide"
