"""Can this gate say no? On each run it judges planted models whose answer is known.

They are made from the challenger's own predictions on the same rows, and judged by the same function and the same rules
beside the challenger as their champion:

- *shuffled*: its predictions dealt out to the rows by chance, so that they know nothing of the truth;
- *degraded*: only as many dealt out as it takes to lose more than a metric's margin (numbers of a metric's own, such
  as an expression's, are moved by that much instead);
- *one slice broken*: those of one group of rows dealt out among themselves, where slices block (`plants`);
- *itself*: not worse than itself by any margin, and not better;
- models that lie close to a margin, on either side, and the truth itself (see `borderline`).

A gate that lets a bad one pass is broken or has rules that cannot stop anything: its pass would mean nothing, so it
fails, with that as its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlci.errors import WorldError
from mlci.gate.cost.cost_rules import asked_for, without_costs
from mlci.gate.deciding.intervals import difference
from mlci.gate.deciding.measure import fits
from mlci.gate.metric.gaps import GAPS
from mlci.gate.metric.metrics import find
from mlci.gate.trial.borderline import close
from mlci.gate.trial.plants import broken, dealt

if TYPE_CHECKING:
    from mlci.config.judging import Gate, Metric, Slices
    from mlci.gate.gate import Report
    from mlci.gate.table import Predictions, Table

MOST_ROWS = 100_000
"""More rows tell no more about the gate itself."""
SHUFFLED = "predictions dealt out by chance"
Judge = Callable[["Table", "Gate"], "Report"]


@dataclass(frozen=True)
class Planted:
    """One planted model: what was done to it, whether it is to be stopped, whether it was, and why."""

    name: str
    bad: bool
    stopped: bool
    reason: str

    @property
    def right(self) -> bool:
        """Whether the gate did with it as it should."""
        return self.bad == self.stopped


@dataclass(frozen=True)
class SelfTest:
    """All planted models, and what could not be planted in these rows."""

    planted: tuple[Planted, ...]

    @property
    def objections(self) -> tuple[str, ...]:
        """What makes the gate's pass worth nothing; empty when it can say no."""
        return tuple(
            f"self-test: the gate {'lets through' if one.bad else 'stops'} {one.name}: {one.reason}"
            for one in self.planted
            if not one.right
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        return {
            "passed": not self.objections,
            "planted": [
                {"name": one.name, "bad": one.bad, "stopped": one.stopped, "reason": one.reason} for one in self.planted
            ],
        }


def self_test(table: Table, gate: Gate, judge: Judge, *, seed: int = 0) -> SelfTest | None:
    """Judge the planted models with `judge`; None where only rules are set that are not about predictions.

    A gate without any rule lets through any model, as is said.
    """
    import numpy as np

    about_models = any(_ruled(rule) for rule in gate.metrics.values()) or (gate.slices and _blocks(gate.slices))
    if not about_models and (gate.size is not None or gate.suites or asked_for(gate)):
        return None
    if not about_models:
        return SelfTest((Planted("any model", True, False, "no rule is set: nothing could fail"),))
    if table.rows > MOST_ROWS:
        some = np.sort(np.random.default_rng(seed).choice(table.rows, MOST_ROWS, replace=False))
        try:
            return _tried(table.only(some), gate, judge, seed)
        except WorldError:
            pass  # a class or a group is so rare that it takes all rows
    return _tried(table, gate, judge, seed)


def _ruled(rule: Metric) -> bool:
    return any(one is not None for one in (rule.min, rule.max, rule.margin, rule.improve))


def _blocks(slices: Slices) -> bool:
    return slices.max_gap is not None or slices.margin is not None


def _tried(table: Table, gate: Gate, judge: Judge, seed: int) -> SelfTest:
    import numpy as np

    ruled = any(_ruled(rule) for rule in gate.metrics.values())
    relative = any(rule.margin is not None or rule.improve is not None for rule in gate.metrics.values())
    rng = np.random.default_rng(seed)
    table = replace(table, champion=table.challenger)
    config = replace(without_costs(gate), inconclusive="fail")
    named = replace(config, slices=replace(gate.slices, search=None) if gate.slices and gate.slices.by else None)
    out = []
    for name, bad in _bad(table, gate, rng) if ruled else ():
        # A model that knows nothing must not slip through as inconclusive either; one just beyond a margin may be that.
        rules_for = replace(named, inconclusive=gate.inconclusive) if name == SHUFFLED else named
        out.append(_judged(judge, replace(table, challenger=bad), rules_for, name))
    for name, bad, alone in broken(table, config, rng):
        out.append(_judged(judge, replace(table, challenger=bad), alone, name))
    if relative:
        against = {
            name: replace(rule, min=None, max=None, improve=None)
            for name, rule in gate.metrics.items()
            if rule.margin is not None and _shows_equality(table, name, rule, gate.confidence)
        }
        equal = judge(table, replace(config, metrics=against, slices=None))
        out.append(Planted("the champion beside itself", False, not equal.passed, equal.summary))
    for one in close(table, gate, rng):
        report = judge(replace(table, challenger=one.model), replace(config, metrics=dict(one.rules), slices=None))
        out.append(Planted(one.name, one.bad, not report.passed, report.summary))
    return SelfTest(tuple(out))


def _shows_equality(table: Table, name: str, rule: Metric, confidence: float) -> bool:
    """Whether the rows are so many that a model that says the same of all of them surely keeps the margin."""
    if name in GAPS:
        return True
    one, other = fits(table, name, rule)
    assert other is not None
    assert rule.margin is not None
    seen = difference(one, other, confidence)
    return max(-seen.low, seen.high) <= rule.margin


def _judged(judge: Judge, table: Table, gate: Gate, name: str) -> Planted:
    report = judge(table, gate)
    return Planted(name, True, not report.passed, report.summary)


def _bad(table: Table, gate: Gate, rng: Any) -> Iterator[tuple[str, Predictions]]:
    import numpy as np

    # Numbers of a metric's own are as good in any order: no rule of theirs can stop this.
    moves = any(_ruled(rule) and _reads(table, gate, name) != "column" for name, rule in gate.metrics.items())
    if moves and not constant(table.challenger):
        bad = dealt(table.challenger, np.arange(table.rows), rng.permutation(table.rows))
        yield SHUFFLED, bad
    for name, rule in gate.metrics.items():
        if _reads(table, gate, name) == "column":
            moved = _moved(table, name, gate)
            if moved is not None:
                yield f"a model that breaks the rule of {name}", moved
        elif rule.margin is not None and rule.by is None:
            worse = _degraded(table, name, gate, rng)
            if worse is not None:
                yield f"a model that loses more than the margin of {name}", worse


def constant(given: Predictions) -> bool:
    """Whether the model says the same of every row, of all that is predictions."""
    said = [one for one in (given.score, given.value) if one is not None]
    return bool(said) and all((one == one[:1]).all() for one in said)


def _reads(table: Table, gate: Gate, name: str) -> str:
    metric = find(name, table.task, gate.metrics[name])
    return metric.reads if metric else ""


def _moved(table: Table, name: str, gate: Gate) -> Predictions | None:
    """The numbers of a metric's own, all moved so far that the mean breaks one of its rules."""
    rule, metric = gate.metrics[name], find(name, table.task, gate.metrics[name])
    assert metric is not None
    whole = table.challenger.wholes.get(name)
    value, sign = fits(replace(table, champion=None), name, rule)[0].value, metric.sign
    if rule.margin is not None:
        step = -sign * (rule.margin + max(abs(rule.margin), abs(value), 1e-9) * 1e-3)
    elif rule.min is not None:
        step = rule.min - value - max(abs(rule.min), 1e-9) * 1e-3
    elif rule.max is not None:
        step = rule.max - value + max(abs(rule.max), 1e-9) * 1e-3
    else:
        return None
    if whole is not None:
        return replace(table.challenger, wholes={**table.challenger.wholes, name: whole.moved(step)})
    numbers = table.challenger.columns[name] + step
    return replace(table.challenger, columns={**table.challenger.columns, name: numbers})


def _degraded(table: Table, name: str, gate: Gate, rng: Any) -> Predictions | None:
    """The challenger with the smallest share of its predictions dealt out that loses more than the margin."""
    import numpy as np

    rule = gate.metrics[name]
    order, margin = rng.permutation(table.rows), rule.margin or 0.0
    best = None
    low, high = 0, table.rows
    for _ in range(12):
        some = np.sort(order[: (low + high + 1) // 2])
        bad = dealt(table.challenger, some, some[rng.permutation(len(some))])
        one, other = fits(replace(table, challenger=bad), name, rule)
        assert other is not None
        if one.metric.sign * (other.value - one.value) > margin:
            best, high = bad, len(some)
        else:
            low = len(some)
    return best
