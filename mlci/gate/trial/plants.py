"""A model that is broken in one slice only, for the self-test: does the gate look where it says it does?

Within one group of rows the predictions are dealt out by chance; where no group shows that surely, they are turned
round, so that what was likeliest comes last. Numbers of a metric's own are moved. What is named under `slices.by` gets
one such model, and what is searched another, in a cell of two features where the search goes so deep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from mlci.errors import WorldError
from mlci.gate.deciding import student
from mlci.gate.deciding.intervals import error, freedom
from mlci.gate.deciding.measure import fits
from mlci.gate.metric.metrics import find
from mlci.gate.reading.cuts import cuts
from mlci.gate.slicing.search import with_rare_pooled
from mlci.gate.slicing.slices import gap_error

if TYPE_CHECKING:
    from mlci.config.judging import Gate, Slices
    from mlci.gate.table import Array, Grouping, Predictions, Table

TRIED = 12
"""So many groups are tried, the largest first, none of more than half the rows."""
SPARE = 1.0
"""Standard errors beyond what Holm's correction asks of the first slice, so that chance does not decide."""


@dataclass(frozen=True)
class _Place:
    """A group of rows: its name and their positions."""

    name: str
    rows: Array


def broken(table: Table, gate: Gate, rng: Any) -> Iterator[tuple[str, Predictions, Gate]]:
    """Models broken in one slice, each with the rules that are to stop it: those of the slices alone.

    The table's champion is its challenger. Nothing comes where no rule is on slices, or where no group shows it surely.
    """
    rules = gate.slices
    if rules is None or (rules.max_gap is None and rules.margin is None):
        return
    metric = find(rules.metric, table.task, gate.metrics.get(rules.metric))
    if metric is None:
        return
    free = {
        name: replace(rule, min=None, max=None, margin=None, improve=None, better=found.better)
        for name, rule in gate.metrics.items()
        if (found := find(name, table.task, rule)) and name == rules.metric
    }
    for places, tests in ((_named(table, rules), _tests(table, rules)), _searched(table, rules)):
        plant = _first(table, gate, rules, places, tests, rng)
        if plant is not None:
            yield *plant, replace(gate, metrics=free)


def dealt(given: Predictions, rows: Array, source: Array) -> Predictions:
    """Predictions where each of `rows` has what stood at `source`."""
    import numpy as np

    columns = (one for one in (given.score, given.value, *given.columns.values()) if one is not None)
    where = np.arange(len(next(columns)))
    where[rows] = source
    return given.only(where)


def _named(table: Table, rules: Slices) -> list[_Place]:
    names = {cut.name for cut in cuts(rules.by)}
    return _largest(table, rules, [(one,) for one in table.groupings if one.by in names])


def _tests(table: Table, rules: Slices) -> int:
    names = {cut.name for cut in cuts(rules.by)}
    return sum(len(one.values) for one in table.groupings if one.by in names)


def _searched(table: Table, rules: Slices) -> tuple[list[_Place], int]:
    """Places in what is searched, and how many slices that is at most."""
    if rules.search is None:
        return [], 0
    pooled = [with_rare_pooled(one, rules.min_rows) for one in table.features]
    usable = [one for one in pooled if len(one.values) > 1]
    sizes = [len(one.values) for one in usable]
    most = sum(sizes)
    if rules.search.depth == 1 or len(usable) < 2:
        return _largest(table, rules, [(one,) for one in usable]), most
    most += sum(a * b for a, b in combinations(sizes, 2))
    return _largest(table, rules, islice(combinations(usable, 2), 20)), most


def _largest(table: Table, rules: Slices, chosen: Any) -> list[_Place]:
    """The largest groups of at most half the rows."""
    import numpy as np

    sizes: list[tuple[int, int, tuple[Grouping, ...], tuple[int, ...]]] = []
    for at, groupings in enumerate(chosen):
        shape = tuple(len(one.values) for one in groupings)
        flat = np.ravel_multi_index(tuple(one.codes.astype(np.intp) for one in groupings), shape)
        for code, n in enumerate(np.bincount(flat, minlength=math.prod(shape))):
            if rules.min_rows <= n <= table.rows / 2:
                sizes.append((int(n), -at, groupings, tuple(map(int, np.unravel_index(code, shape)))))
    out = []
    for _, _, groupings, codes in sorted(sizes, key=lambda one: (*one[:2], one[3]), reverse=True)[:TRIED]:
        by = " × ".join(one.by for one in groupings)
        value = " × ".join(one.values[code] for one, code in zip(groupings, codes, strict=True))
        inside = np.logical_and.reduce([one.codes == code for one, code in zip(groupings, codes, strict=True)])
        out.append(_Place(f"{by} = {value}", np.flatnonzero(inside)))
    return out


def _first(
    table: Table, gate: Gate, rules: Slices, places: list[_Place], tests: int, rng: Any
) -> tuple[str, Predictions] | None:
    """The first model that the rows of its slice show to be broken."""
    level = (1 - gate.confidence) / (2 * max(tests, 1)) / (2 if rules.by and rules.search else 1)
    metric = find(rules.metric, table.task, gate.metrics.get(rules.metric))
    assert metric is not None
    hows = ("moved",) if metric.reads == "column" else ("broken", "turned round")
    for how in hows:
        for place in places:
            bad = _worse(table, gate, rules, place.rows, how, level, rng)
            if bad is not None:
                return f"a model that is {how} in {place.name}", bad
    return None


def _worse(
    table: Table, gate: Gate, rules: Slices, rows: Array, how: str, level: float, rng: Any
) -> Predictions | None:
    given = table.challenger
    if how == "broken":
        bad = dealt(given, rows, rows[rng.permutation(len(rows))])
        return bad if _chance(table, gate, rules, rows, bad) < level else None
    if how == "turned round":
        order = _order(given, rows)
        if order is None:
            return None
        bad = dealt(given, order, order[::-1])
        return bad if _chance(table, gate, rules, rows, bad) < level else None
    metric = find(rules.metric, table.task, gate.metrics.get(rules.metric))
    assert metric is not None
    numbers = given.columns[metric.name]
    step = max(rules.max_gap or 0.0, rules.margin or 0.0) + float(numbers.std()) / math.sqrt(len(rows))
    for _ in range(8):
        moved = numbers.astype(float)
        moved[rows] -= metric.sign * step
        bad = replace(given, columns={**given.columns, metric.name: moved})
        if _chance(table, gate, rules, rows, bad) < level:
            return bad
        step *= 2
    return None


def _order(given: Predictions, rows: Array) -> Array | None:
    """The rows by what was said of them; None where that has no order."""
    import numpy as np

    said = given.score if given.score is not None else given.value
    if said is None or said.ndim > 1:
        return None
    ordered: Array = rows[np.argsort(said[rows], kind="stable")]
    return ordered


def _chance(table: Table, gate: Gate, rules: Slices, rows: Array, bad: Predictions) -> float:
    """The p-value of the rule of slices that these rows break most surely, with `SPARE`."""
    changed, rule = replace(table, challenger=bad), gate.metrics.get(rules.metric)
    try:
        (whole, old), (part, before) = (fits(one, rules.metric, rule) for one in (changed, changed.only(rows)))
    except WorldError:
        return 1.0
    assert before is not None
    assert old is not None
    if len(part.labels) < rules.min_rows:
        return 1.0
    sign, share = whole.metric.sign, len(whole.labels) / len(part.labels)
    apart = 0.0 if whole.metric.by_query else gap_error(whole, part, rows)
    found = [1.0]
    for limit, lost, influence, every in (
        (rules.max_gap, whole.value - part.value, part.influence, whole.influence),
        (rules.margin, before.value - part.value, part.influence - before.influence, whole.influence - old.influence),
    ):
        # As the gate has it: never less than if these rows varied as all do.
        spread = max(error(part, influence), apart, *(error(whole, of) * share**0.5 for of in (every, whole.influence)))
        if limit is not None and spread:
            found.append(student.tail((sign * lost - limit) / spread - SPARE, freedom(part, influence)))
    return min(found)
