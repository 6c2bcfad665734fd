"""Poll by poll: take in the counts, and say what to do next.

Silence is not good news: no traffic leaves the evidence where it was until the ceiling of time, and so do missing
counts until `BLIND`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mlci.deploy.analysis.counts import Counts, Table
from mlci.deploy.analysis.errors import ALTERNATIVES, log_mean
from mlci.deploy.analysis.latency import STALL, late
from mlci.deploy.analysis.means import Mean, differences, e_value
from mlci.deploy.analysis.planning import Measure, Plan
from mlci.deploy.analysis.predictions import CALMER, Pairs, Shift
from mlci.deploy.analysis.rates import Evidence
from mlci.deploy.analysis.users import Users

BLIND = 10.0
"""Seconds without any counts after which a canary is taken back."""


@dataclass(frozen=True)
class State:
    """All that a canary's decision rests on; `to_json` and `from_json` keep it over a restart.

    `metrics` has the evidence by name, of errors always; of latency one for each quantile, as `latency 0.99`. `began`
    is the time and the canary's requests at the beginning of the step; `pending` are polls that are not judged yet;
    `silent` are the metrics that could not be read at the last poll, and why.
    """

    step: int
    elapsed: float
    blind: float
    metrics: dict[str, Any]
    stable_latency: tuple[int, ...] = ()
    began: tuple[float, int] = (0.0, 0)
    pending: Counts | None = None
    silent: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> Table:
        """Requests and errors in all, those included that are not judged yet."""
        judged: Table = self.metrics["errors"].total
        return judged + self.pending.table if self.pending else judged

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> State:
        """What `to_json` gave, after JSON made lists of its tuples."""
        metrics = {name: _read(found) for name, found in raw["metrics"].items()}
        began = (raw["began"][0], raw["began"][1])
        pending = Counts.from_json(raw["pending"]) if raw["pending"] else None
        latency, silent = tuple(raw["stable_latency"]), raw["silent"]
        return cls(raw["step"], raw["elapsed"], raw["blind"], metrics, latency, began, pending, silent)


@dataclass(frozen=True)
class Decision:
    """What to do next, why, and the numbers that carry it.

    Per metric: the e-values `against` the canary and `for` going on, the `rise` that was measured and the one that is
    `allowed`, in the metric's unit.
    """

    action: Literal["wait", "advance", "rollback", "promote"]
    reason: str
    evidence: dict[str, dict[str, float]]


def begin(plan: Plan) -> State:
    """Before the first poll."""
    metrics: dict[str, Any] = {"errors": Evidence.nothing(len(plan.steps))}
    if "latency" in plan.metrics and plan.latency:
        metrics |= {f"latency {q:g}": Evidence.nothing(len(plan.steps)) for q in plan.latency.quantiles}
    if "predictions" in plan.metrics and plan.predictions:
        metrics["predictions"] = Shift() if plan.predictions.kind == "bins" else Pairs()
    if plan.unit == "user":
        metrics["users"] = Users((0.0,) * len(ALTERNATIVES), ((0.0,) * len(CALMER),) * len(plan.steps))
        metrics["newcomers"] = Evidence.nothing(len(plan.steps))
    return State(0, 0.0, 0.0, metrics | {name: _mean(measure) for name, measure in plan.means.items()})


def observe(state: State, counts: Counts, plan: Plan) -> State:
    """Take in one poll.

    Polls are judged together until they hold enough requests of both versions (`Plan.together`): a single request has
    nothing beside it to be compared with. When that is does not depend on who answered them, or how, so the evidence
    stays exact as long as requests go to a version by chance, whatever the base rate does meanwhile.
    """
    elapsed = state.elapsed + counts.seconds
    if counts.stable is None or counts.canary is None:
        return replace(state, elapsed=elapsed, blind=state.blind + counts.seconds)
    both = state.pending + counts if state.pending else counts
    state = replace(state, elapsed=elapsed, blind=0.0, pending=both, silent=counts.silent)
    return _judge(state, plan) if both.table.canary + both.table.stable >= plan.together(state.step) else state


def _judge(state: State, plan: Plan) -> State:
    """The evidence after the polls that are pending."""
    counts = state.pending
    if counts is None or counts.stable is None or counts.canary is None:
        return state
    stable, canary = counts.stable, counts.canary
    metrics = dict(state.metrics)
    metrics["errors"] = metrics["errors"].add(counts.table, plan.budgets("errors"), plan.tolerated)
    for q in plan.latency.quantiles if plan.latency and "latency" in plan.metrics else ():
        slow = late(state.stable_latency, counts.bounds, stable, canary, q, plan.latency.margin)  # type: ignore[union-attr]
        if slow:
            name = f"latency {q:g}"
            metrics[name] = metrics[name].add(slow, plan.budgets("latency", q), most=STALL)
    if plan.predictions and "predictions" in metrics:
        metrics["predictions"] = _answered(metrics["predictions"], counts, plan.predictions.allowed)
    if "users" in metrics and counts.share and counts.share < 1:
        metrics["users"] = metrics["users"].add(
            canary.failed_users, stable.failed_users, counts.share, plan.tolerated, plan.ratios
        )
        first = Table(canary.users, canary.greeted_badly, stable.users, stable.greeted_badly)
        metrics["newcomers"] = metrics["newcomers"].add(first, plan.budgets("errors"))
    for name, measure in plan.means.items():
        worse = 1 if measure.better == "lower" else -1
        values = [worse * value for value in differences(*counts.values.get(name, ((), ())))]
        metrics[name] = metrics[name].add(values, 1 - plan.confidence)
    seen = state.stable_latency or (0,) * len(stable.latency)
    added = tuple(map(sum, zip(seen, stable.latency, strict=True)))
    return replace(state, metrics=metrics, stable_latency=added, pending=None)


def decide(state: State, plan: Plan) -> Decision:
    """The next action. The caller carries it out, and moves the state on with `advance`."""
    evidence = {name: _judged(name, state, plan) for name in plan.metrics}
    seconds, requests = state.elapsed - state.began[0], state.seen.canary - state.began[1]
    settled = requests >= plan.least[0] and seconds >= plan.least[1]
    for name, numbers in evidence.items():
        if numbers["rise"] > numbers["allowed"] and (
            numbers["against"] >= plan.threshold if plan.always_valid else settled
        ):
            return Decision("rollback", _worse(name, state, plan, numbers), evidence)
    if state.blind >= BLIND:
        return Decision("rollback", f"no counts from the proxy for {state.blind:.0f} s", evidence)
    if plan.always_valid:
        proven = all(numbers["for"] >= plan.needed for numbers in evidence.values())
    else:
        proven = requests > 0 and all(_measured(state.metrics.get(name)) for name in plan.metrics)
    if not state.blind and not state.silent and settled and proven:
        return _onward(state, plan, evidence)
    if state.elapsed >= plan.timeout:
        reason = f"not enough evidence in {plan.timeout:g} s ({state.seen.canary} requests to the canary)"
        reason += "".join(f"; no numbers for {name}: {why}" for name, why in state.silent.items())
        return Decision("wait" if plan.on_timeout == "hold" else "rollback", reason, evidence)
    return Decision("wait", "", evidence)


def advance(state: State) -> State:
    """After the canary was given the next share of the traffic; what is not judged yet only counts."""
    errors: Evidence = state.metrics["errors"]
    metrics = {**state.metrics, "errors": replace(errors, total=state.seen)}
    began = (state.elapsed, state.seen.canary)
    return replace(state, step=state.step + 1, metrics=metrics, began=began, pending=None)


def _judged(name: str, state: State, plan: Plan) -> dict[str, float]:
    judge = _JUDGES.get(name)
    against, calm, rise, allowed = judge(state, plan) if judge else _means(state, plan, name)
    return {"against": e_value(against), "for": e_value(calm), "rise": rise, "allowed": allowed}


Logs = tuple[float, float, float, float]
"""The log-evidence against, that for going on, the rise, and the rise that is allowed."""


def _errors(state: State, plan: Plan) -> Logs:
    found = state.metrics["errors"]
    return found.log_against, found.clear[state.step], found.rise, plan.margin


def _latency(state: State, plan: Plan) -> Logs:
    """The mean of the e-values over the quantiles is one too; to go on, all of them must be clear."""
    found = [state.metrics[f"latency {q:g}"] for q in plan.latency.quantiles]  # type: ignore[union-attr]
    against = log_mean(tuple(one.log_against for one in found))
    return against, min(one.clear[state.step] for one in found), max(one.rise for one in found), 0.0


def _predictions(state: State, plan: Plan) -> Logs:
    found, allowed = state.metrics["predictions"], plan.predictions.allowed  # type: ignore[union-attr]
    if isinstance(found, Shift):
        return found.against, found.calm, found.change, allowed
    return found.above(allowed), found.below(allowed), found.share, allowed


def _users(state: State, plan: Plan) -> Logs:
    """It goes on when it is excluded that many more users have errors: as a ratio, or as a rate of first requests.

    The mean of both e-values is one for "it is so by both"; where hardly anything fails only the rate can tell.
    """
    found, first = state.metrics["users"], state.metrics["newcomers"].clear[state.step]
    return found.against, log_mean((found.calm(state.step), first)), found.rise, plan.tolerated - 1


def _means(state: State, plan: Plan, name: str) -> Logs:
    found, measure = state.metrics[name], plan.means[name]
    budget = min(measure.high - measure.low, measure.margin / plan.next_shares[state.step])
    return found.above(0.0), found.below(budget), found.value if found.count else 0.0, measure.margin


_JUDGES = {"errors": _errors, "latency": _latency, "predictions": _predictions, "users": _users}


def _answered(found: Shift | Pairs, counts: Counts, allowed: float) -> Shift | Pairs:
    if isinstance(found, Pairs):
        compared, different = counts.pairs
        return Pairs(found.compared + compared, found.different + different)
    canary, stable = counts.canary, counts.stable
    if canary is None or stable is None or not (canary.predictions and stable.predictions):
        return found
    return found.add(canary.predictions, stable.predictions, allowed)


def _measured(found: Any) -> bool:
    """Is there a number at all: thresholds on none would be good news."""
    if isinstance(found, Shift):
        return sum(found.canary) > 0 and sum(found.stable) > 0
    return bool(found.compared if isinstance(found, Pairs) else found.count if isinstance(found, Mean) else True)


def _mean(measure: Measure) -> Mean:
    width = measure.high - measure.low
    return Mean(-width, width)


def _onward(state: State, plan: Plan, evidence: dict[str, dict[str, float]]) -> Decision:
    total = state.metrics["errors"].total
    last = state.step + 1 == len(plan.steps)
    ruled_out = {
        "errors": f"a rise of {plan.budgets('errors')[state.step]:.2%} is ruled out",
        "users": f"{plan.ratios[state.step]:g} times as many users with errors, "
        f"or {plan.budgets('errors')[state.step]:.2%} more of them, are ruled out",
    }[plan.metrics[0]]
    reason = f"{total.canary_failed} of {total.canary} failed; "
    reason += ruled_out if plan.always_valid else "no metric is over its threshold"
    return Decision("promote" if last else "advance", reason, evidence)


def _worse(name: str, state: State, plan: Plan, numbers: dict[str, float]) -> str:
    carried = f"(e = {numbers['against']:.3g} ≥ {plan.threshold:g})" if plan.always_valid else "(over the threshold)"
    return f"{name}: {_told(name, state, plan)} {carried}"


def _told(name: str, state: State, plan: Plan) -> str:
    found = state.metrics.get(name)
    if name == "errors" and isinstance(found, Evidence):
        t = found.total
        return f"{t.canary_failed} of {t.canary} requests failed, {t.stable_failed} of {t.stable} at stable"
    if name == "latency" and plan.latency:
        q = max(plan.latency.quantiles, key=lambda q: float(state.metrics[f"latency {q:g}"].log_against))
        t, p = state.metrics[f"latency {q:g}"].total, f"p{100 * q:g}"
        told = f"{t.canary_failed} of {t.canary} answers were slower than stable's {p} and its margin, "
        return told + f"{t.stable_failed} of {t.stable} at stable slower than its {p}"
    if isinstance(found, Shift):
        return f"the share of a bin changed by {found.change:.1%} in {sum(found.canary)} answers"
    if isinstance(found, Pairs):
        return f"{found.different} of {found.compared} requests were answered differently"
    if isinstance(found, Users):
        first = f"{found.canary} of {found.canary + found.stable} users with an error met it at the canary"
        return f"{first}, where {found.due:.1f} were due"
    return f"worse by {state.metrics[name].value:.4g} on average of {state.metrics[name].count} comparisons"


def _read(raw: dict[str, Any]) -> Any:
    """Evidence from JSON, known by its fields."""
    whole = {name: _tuple(value) for name, value in raw.items()}
    if "total" in raw and isinstance(raw["total"], dict):
        return Evidence(**{**whole, "total": Table(**raw["total"])})
    return next(kind for kind in (Shift, Pairs, Users, Mean) if set(raw) == set(kind.__dataclass_fields__))(**whole)


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value
