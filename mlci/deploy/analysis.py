"""When a canary goes on to more traffic, when it takes over, when it is taken back: pure functions of what was counted.

Two questions, asked again at every poll, each with a guarantee that holds however often it is asked:

* **Is it worse?** A canary whose odds of failure are no higher than the stable version's is ever taken back for that
  with a probability of at most 1 - confidence, shared equally by the metrics (`evalues.harm`).
* **May it go on?** Before its share of the traffic rises to w, the data must exclude that the total harm to callers
  would be more than the budget: that the canary fails more often than stable by budget / w. So a share of 25 % needs
  four times the budget excluded, and taking over needs the budget itself (`evalues.no_harm`). The claims are tested in
  their order, so each has the whole 1 - confidence (fixed-sequence testing), and a canary that harms more than its
  budget takes over with a probability of at most 1 - confidence. Without any failures that takes
  log(1 / (1 - confidence)) / budget canary requests in all: 921 at 0.99 and 0.5 %.

What a failure is: for errors, an answer of 5xx or none (its budget is the margin, and a rise below it is tolerated);
for latency, an answer of stable over its quantile, or one of the canary over that quantile and its margin (the budget
is the share of answers beyond the quantile). So the latency test asks for "not slower by more than the margin",
whatever the shape of the distribution.

Silence is not good news: no traffic leaves the evidence where it was until `timeout`, and so do missing counts until
`BLIND`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import Any, Literal

from mlci.config.model import Deploy
from mlci.deploy import evalues
from mlci.deploy.evalues import Table

BLIND = 10.0
"""Seconds without any counts after which a canary is taken back."""
LATENCY_FLOOR = 0.005
"""Seconds: a smaller difference is the machine's, not the version's (Envoy counts whole milliseconds)."""
STALL = math.log(3)
"""The most that one poll adds to the evidence for "slower": a stall of the machine makes many answers late at once."""
TAIL = 0.1
"""The largest share of late answers that counts as a budget, for quantiles near the middle."""


@dataclass(frozen=True)
class Plan:
    """What was asked for. Shares and rates are fractions of one, times seconds; `latency` is (quantile, margin)."""

    steps: tuple[float, ...]
    confidence: float
    margin: float
    latency: tuple[float, float] | None
    timeout: float

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("errors", "latency") if self.latency else ("errors",)

    @property
    def threshold(self) -> float:
        """The evidence (e-value) against the canary that takes it back."""
        return round(len(self.metrics) / (1 - self.confidence), 6)

    @property
    def needed(self) -> float:
        """The evidence (e-value) for the canary that lets it go on."""
        return round(1 / (1 - self.confidence), 6)

    def budgets(self, metric: str) -> tuple[float, ...]:
        """The excess rate of failure to exclude at each step, before the share rises to the next."""
        whole = self.margin if metric == "errors" else min(TAIL, 1 - self.latency[0])  # type: ignore[index]
        return tuple(min(0.99, whole / share) for share in (*self.steps[1:], 1.0))


@dataclass(frozen=True)
class Tally:
    """What one version did in one poll. `latency` counts its answers by bucket (see `Counts`), in whole answers."""

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()


@dataclass(frozen=True)
class Counts:
    """One poll of `seconds`: both versions over the same time, or None where nothing could be read.

    `bounds` are the upper bounds of the latency buckets in seconds, as many as a tally has.
    """

    seconds: float
    stable: Tally | None
    canary: Tally | None
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """One metric's evidence: `harm` by odds ratio and `clear` by step, as logarithms; the totals; the rise.

    The rise of the rate of failure is Mantel and Haenszel's (difference and weight summed over polls), which a base
    rate that drifts while the weights change does not bias.
    """

    harm: tuple[float, ...]
    clear: tuple[float, ...]
    total: Table
    difference: float = 0.0
    weight: float = 0.0

    @property
    def against(self) -> float:
        """The e-value that the canary is worse (infinite above 1e300)."""
        return _exp(evalues.log_mean(self.harm))

    @property
    def rise(self) -> float:
        return self.difference / self.weight if self.weight else 0.0


@dataclass(frozen=True)
class State:
    """All that a canary's decision rests on; `to_json` and `from_json` keep it over a restart."""

    step: int
    elapsed: float
    blind: float
    metrics: dict[str, Evidence]
    stable_latency: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> State:
        metrics = {
            name: Evidence(tuple(e["harm"]), tuple(e["clear"]), Table(**e["total"]), e["difference"], e["weight"])
            for name, e in raw["metrics"].items()
        }
        return cls(raw["step"], raw["elapsed"], raw["blind"], metrics, tuple(raw["stable_latency"]))


@dataclass(frozen=True)
class Decision:
    """What to do next, why, and the numbers: per metric the e-value `against` and the one `for` going on."""

    action: Literal["wait", "advance", "rollback", "promote"]
    reason: str
    evidence: dict[str, dict[str, float]]


def plan(deploy: Deploy) -> Plan:
    """The plan that an environment's `deploy` asks for; a step of 100 % is the end of every canary."""
    analysis = deploy.analysis
    budget = analysis.latency
    latency = (int(budget.quantile[1:]) / 100, budget.margin) if budget else None
    steps = tuple(step for step in deploy.steps if step < 1)
    return Plan(steps, analysis.confidence, analysis.errors.margin, latency, analysis.timeout)


def begin(plan: Plan) -> State:
    """Before the first poll."""
    nothing = Evidence((0.0,) * len(evalues.ALTERNATIVES), (0.0,) * len(plan.steps), Table(0, 0, 0, 0))
    return State(0, 0.0, 0.0, dict.fromkeys(plan.metrics, nothing))


def observe(state: State, counts: Counts, plan: Plan) -> State:
    """Take in one poll."""
    elapsed = state.elapsed + counts.seconds
    stable, canary = counts.stable, counts.canary
    if stable is None or canary is None:
        return replace(state, elapsed=elapsed, blind=state.blind + counts.seconds)
    metrics = dict(state.metrics)
    table = Table(canary.requests, canary.errors, stable.requests, stable.errors)
    metrics["errors"] = _add(metrics["errors"], table, plan.budgets("errors"))
    if plan.latency and (slow := _slow(state.stable_latency, counts.bounds, stable, canary, plan.latency)):
        metrics["latency"] = _add(metrics["latency"], slow, plan.budgets("latency"), most=STALL)
    seen = state.stable_latency or (0,) * len(stable.latency)
    return State(state.step, elapsed, 0.0, metrics, tuple(map(sum, zip(seen, stable.latency, strict=True))))


def decide(state: State, plan: Plan) -> Decision:
    """The next action. The caller carries it out, and moves the state on with `advance`."""
    evidence = {
        name: {"against": found.against, "for": _exp(found.clear[state.step])} for name, found in state.metrics.items()
    }
    for name, found in state.metrics.items():
        if found.against >= plan.threshold and (name != "errors" or found.rise > plan.margin):
            return Decision("rollback", _worse(name, found, plan), evidence)
    if state.blind >= BLIND:
        return Decision("rollback", f"no counts from the proxy for {state.blind:.0f} s", evidence)
    if not state.blind and all(numbers["for"] >= plan.needed for numbers in evidence.values()):
        return _onward(state, plan, evidence)
    if state.elapsed >= plan.timeout:
        requests = state.metrics["errors"].total.canary
        reason = f"not enough evidence in {plan.timeout:g} s ({requests} requests to the canary)"
        return Decision("rollback", reason, evidence)
    return Decision("wait", "", evidence)


def advance(state: State) -> State:
    """After the canary was given the next share of the traffic."""
    return replace(state, step=state.step + 1)


def _onward(state: State, plan: Plan, evidence: dict[str, dict[str, float]]) -> Decision:
    total = state.metrics["errors"].total
    last = state.step + 1 == len(plan.steps)
    excluded = plan.budgets("errors")[state.step]
    reason = f"{total.canary_failed} of {total.canary} failed; a rise of {excluded:.2%} is ruled out"
    return Decision("promote" if last else "advance", reason, evidence)


def _worse(name: str, found: Evidence, plan: Plan) -> str:
    t = found.total
    carried = f"(e = {found.against:.3g} ≥ {plan.threshold:g})"
    if name == "errors" or plan.latency is None:
        rise = f"{t.canary_failed} of {t.canary} requests failed, {t.stable_failed} of {t.stable} at stable"
    else:
        p = f"p{100 * plan.latency[0]:.0f}"
        rise = f"{t.canary_failed} of {t.canary} answers were slower than stable's {p} and its margin, "
        rise += f"{t.stable_failed} of {t.stable} at stable slower than its {p}"
    return f"{name}: {rise} {carried}"


def _add(evidence: Evidence, table: Table, budgets: tuple[float, ...], most: float = math.inf) -> Evidence:
    expected = _expected(evidence.total)
    both = table.canary + table.stable
    difference = (table.canary_failed * table.stable - table.stable_failed * table.canary) / both if both else 0.0
    clear = (evalues.no_harm(table, expected=expected, excess=excess) for excess in budgets)
    t = evidence.total
    return Evidence(
        harm=tuple(old + min(most, new) for old, new in zip(evidence.harm, evalues.harm(table), strict=True)),
        clear=tuple(old + new for old, new in zip(evidence.clear, clear, strict=True)),
        total=Table(
            t.canary + table.canary,
            t.canary_failed + table.canary_failed,
            t.stable + table.stable,
            t.stable_failed + table.stable_failed,
        ),
        difference=evidence.difference + difference,
        weight=evidence.weight + (table.canary * table.stable / both if both else 0.0),
    )


def _expected(total: Table) -> tuple[float, float]:
    """The likely rates of failure of canary and stable: those so far, drawn towards the common one (200 requests)."""
    common = (total.canary_failed + total.stable_failed + 0.5) / (total.canary + total.stable + 200)
    pull = 200.0
    canary = (total.canary_failed + pull * common) / (total.canary + pull)
    stable = (total.stable_failed + pull * common) / (total.stable + pull)
    return canary, stable


def _slow(
    seen: tuple[int, ...], bounds: tuple[float, ...], stable: Tally, canary: Tally, latency: tuple[float, float]
) -> Table | None:
    """The poll's late answers. Stable's limit is its quantile in the polls before this one: no poll moves its own."""
    if not sum(seen):
        return None
    quantile, margin = latency
    limit = bisect_left(list(accumulate(seen)), quantile * sum(seen))
    allowed = max(bounds[limit] * (1 + margin), bounds[limit] + LATENCY_FLOOR)
    above = bisect_left(bounds, allowed)
    return Table(
        sum(canary.latency), sum(canary.latency[above + 1 :]), sum(stable.latency), sum(stable.latency[limit + 1 :])
    )


def _exp(value: float) -> float:
    return math.exp(min(value, 690.0))
