"""The search for the worst slices: values of every feature, and of every two together.

What is found by looking at hundreds of groups looks bad by chance. So the search pays: Holm's correction (1979) spans
every cell that had enough rows, looked at closely or not, and only what is beyond `max_gap` or `margin` after that
blocks. The rest is shown with the number of slices that it is the worst of.

- `screen` ranks all cells by a fast statistic. The worst are then measured as a named slice is; a cell that is not
  among them counts as tested and passed, which keeps Holm's guarantee: it can only be accused less often.
- So far out a normal approximation is not to be trusted with a variance from few rows, such as one without a single
  miss. The standard error is therefore never below that of as many rows that vary as all rows do.
- A maximum over the correlated cells (Westfall & Young 1993) would gain next to nothing: cells of one pair of features
  share no rows and cells of two pairs few, so its critical value is within 2 % of Holm's (docs/gate.md).
- A bad cell drags down its parents and those that overlap with it. A slice that shares a value with a worse one is
  therefore not shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.deciding import student
from mlci.gate.deciding.intervals import Fit, difference, error, freedom, interval, part
from mlci.gate.deciding.multiple import holm
from mlci.gate.reading.cuts import cuts, of_queries
from mlci.gate.slicing.screen import Cell, worst_cells
from mlci.gate.slicing.slices import Group, Skipped, Slice, at_level, gap_error, judge_slices, unfit, verdict
from mlci.gate.table import Grouping

if TYPE_CHECKING:
    from mlci.config.judging import Gate, Slices
    from mlci.gate.table import Array, Table

MOST_ROWS = 1_000_000
"""More rows are sampled to rank the slices; those that look worst are measured on all."""


@dataclass(frozen=True)
class Searched:
    """What was searched: how many slices had enough rows, the features, and the columns that are none with why."""

    candidates: int
    depth: int
    features: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        left = [{"column": name, "reason": reason} for name, reason in self.left_out]
        return {"candidates": self.candidates, "depth": self.depth, "columns": list(self.features), "left_out": left}


@dataclass(frozen=True)
class _Tested:
    """A cell with its gap, the p-values of its tests, and how far beyond its limits it is in standard errors."""

    cell: Cell
    gap: float
    worse: float
    over: float | None
    behind: float | None
    beyond: float

    @property
    def chance(self) -> float:
        """The smallest of its tests' p-values: as sure as it is, whatever its degrees of freedom."""
        return min((p for p in (self.over, self.behind) if p is not None), default=self.worse)


def sliced(
    table: Table, gate: Gate, rules: Slices, pair: tuple[Fit, Fit | None], seed: int
) -> tuple[tuple[Slice, ...], tuple[Skipped, ...], Searched | None]:
    """The named slices and those found by search; each family has half the level where there are both.

    Raises UsageError when a slice of a ranking parts the rows of a query.
    """
    families = 2 if rules.by and rules.search else 1
    names = {cut.name for cut in cuts(rules.by)}
    named, features = [one for one in table.groupings if one.by in names], [*table.features]
    left_out = table.unsearched
    if pair[0].metric.by_query is not None and table.clusters is not None:
        named, mixed = of_queries(named, table.clusters)
        if mixed:
            raise UsageError(f"rows of one query are in different groups of `{mixed[0]}`", help=_QUERIES)
        features, mixed = of_queries(features, table.clusters)
        left_out += tuple((by, "differs within a query") for by in mixed)
    confidence = gate.confidence
    slices, skipped = judge_slices(
        named, pair[0], rules, champion=pair[1], confidence=confidence, families=families, seed=seed
    )
    if rules.search is None:
        return slices, skipped, None
    found, searched = search_slices(
        features, left_out, pair[0], rules, champion=pair[1], confidence=confidence, families=families, seed=seed
    )
    return slices + found, skipped, searched


_QUERIES = "In a ranking a slice is made of whole queries: use columns that have one value in each."


def search_slices(
    features: Sequence[Grouping],
    left_out: Sequence[tuple[str, str]],
    overall: Fit,
    rules: Slices,
    *,
    champion: Fit | None = None,
    confidence: float,
    families: int = 1,
    seed: int = 0,
) -> tuple[tuple[Slice, ...], Searched]:
    """The worst slices of the features, with verdicts, and what was searched.

    `families` is into how many parts the level is divided, when named slices are judged too. Raises WorldError where no
    feature has two values.
    """
    assert rules.search is not None
    limits = (
        rules.max_gap if rules.max_gap is not None or (rules.margin is not None and champion) else 0.0,
        rules.margin if champion else None,
    )
    pooled = [with_rare_pooled(one, rules.min_rows) for one in features]
    constant = [(one.by, "one value") for one in pooled if len(one.values) < 2]
    usable = [one for one in pooled if len(one.values) > 1]
    if not usable:
        which = ", ".join(f"`{name}` ({reason})" for name, reason in (*left_out, *constant)) or "no column"
        raise WorldError(
            f"`gate.slices.search` has nothing to search: {which}",
            help="A feature has two values, each in `min_rows` rows. Name columns that have, or remove `search`.",
        )
    sample = _sample(len(overall.labels), seed)
    cells, candidates = worst_cells(
        [one if sample is None else replace(one, codes=one.codes[sample]) for one in usable],
        overall if sample is None else _some(overall, sample),
        champion if sample is None or champion is None else _some(champion, sample),
        limits,
        depth=rules.search.depth,
        min_rows=_enough(rules.min_rows, overall, sample),
    )
    tested = [found for cell in cells if (found := _test(cell, usable, overall, champion, rules))]
    searched = Searched(candidates, rules.search.depth, tuple(one.by for one in usable), (*left_out, *constant))
    shown = _judged(tested, usable, (overall, champion), rules, candidates, confidence, families, seed)
    return tuple(shown), searched


def with_rare_pooled(feature: Grouping, min_rows: int) -> Grouping:
    """The feature with its rare values as one."""
    import numpy as np

    counts = np.bincount(feature.codes, minlength=len(feature.values))
    kept = np.flatnonzero(counts >= min_rows)
    rare = bool(counts.sum() > counts[kept].sum())
    place = np.full(len(counts), len(kept), np.uint16 if len(kept) < 65_000 else np.uint32)
    place[kept] = np.arange(len(kept))
    values = (*(feature.values[k] for k in kept), *(["other values"] if rare else []))
    return Grouping(feature.by, place[feature.codes], values)


def _sample(rows: int, seed: int) -> Array | None:
    import numpy as np

    if rows <= MOST_ROWS:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def _enough(min_rows: int, overall: Fit, sample: Array | None) -> int:
    share = 1.0 if sample is None else len(sample) / len(overall.labels)
    return max(math.ceil(min_rows * share), 2)


def _some(one: Fit, rows: Array) -> Fit:
    """The fit of all rows, known on some of them: enough to rank slices, with the influences blown up to their sum."""
    if one.table is not None:
        return part(one, rows)
    weights = None if one.weights is None else one.weights[rows]
    influence = one.influence[rows] * (len(one.labels) / len(rows))
    return replace(one, labels=one.labels[rows], column=one.column[rows], known=influence, weights=weights)


def _test(
    cell: Cell, features: Sequence[Grouping], overall: Fit, champion: Fit | None, rules: Slices
) -> _Tested | None:
    """A cell measured as a named slice is, but with no error below that of rows that vary as all do."""
    index = cell.rows(features)
    if unfit(overall, index, rules.min_rows):
        return None
    one = part(overall, index)
    share = len(overall.labels) / len(index)
    gap = overall.metric.sign * (overall.value - one.value)
    spread = max(gap_error(overall, one, index), error(overall, overall.influence) * math.sqrt(max(share - 1, 0.0)))
    degrees = freedom(one, one.influence)
    worse = _errors(gap, spread)
    over = behind = None
    if rules.max_gap is not None:
        over = _errors(gap - rules.max_gap, spread)
    found = [(over, degrees)]
    if champion is not None and rules.margin is not None:
        other = part(champion, index)
        differing = one.influence - other.influence
        floor = error(overall, overall.influence - champion.influence) * math.sqrt(share)
        lost = overall.metric.sign * (other.value - one.value)
        behind = _errors(lost - rules.margin, max(error(one, differing), floor))
        found.append((behind, freedom(one, differing)))
    chances = [None if beyond is None else student.tail(beyond, df) for beyond, df in found]
    beyond = max((b for b, _ in found if b is not None), default=worse)
    return _Tested(
        cell, gap, student.tail(worse, degrees), chances[0], chances[1] if behind is not None else None, beyond
    )


def _errors(value: float, spread: float) -> float:
    """So many standard errors above zero; what never varies says nothing."""
    return value / spread if spread else -math.inf


def _judged(
    tested: Sequence[_Tested],
    features: Sequence[Grouping],
    fits: tuple[Fit, Fit | None],
    rules: Slices,
    candidates: int,
    confidence: float,
    families: int,
    seed: int,
) -> Iterator[Slice]:
    """The worst that share no value of a feature, the worst first, with Holm's correction over all candidates."""
    assert rules.search is not None
    each = [p for one in tested for p in (one.over, one.behind) if p is not None]
    per_cell = len(each) // len(tested) if tested else 0
    family = iter(holm(each, per_cell * candidates))
    over: list[float | None] = []
    behind: list[float | None] = []
    for one in tested:
        over.append(None if one.over is None else next(family))
        behind.append(None if one.behind is None else next(family))
    worse = holm([one.worse for one in tested], candidates)
    level = (1 - confidence) / families
    many = words.many(candidates, "slice")
    tests = f"{words.many(per_cell * candidates, 'test')} of {many}" if per_cell > 1 else many
    said = f"{tests} searched{at_level(level, families)}"
    taken: set[tuple[int, int]] = set()
    shown = 0
    for i in sorted(range(len(tested)), key=lambda i: (tested[i].chance, -tested[i].beyond)):
        one = tested[i]
        own = set(zip(one.cell.features, one.cell.codes, strict=True))
        if own & taken or shown == rules.search.max:
            continue
        taken |= own
        shown += 1
        group = _group(one, features, fits, confidence, seed)
        found, reason = verdict(group, over[i], behind[i], rules, level, said)
        told = f"found by search over {many}, worse than all rows with p = {worse[i]:.2g}"
        seen = interval(group.one, confidence, seed=seed)
        rows = len(group.one.labels)
        beside = (group.difference, group.champion)
        yield Slice(group.by, group.value, rows, seen, one.gap, found, reason or told, worse[i], *beside, "search")


def _group(
    one: _Tested, features: Sequence[Grouping], fits: tuple[Fit, Fit | None], confidence: float, seed: int
) -> Group:
    index, cell = one.cell.rows(features), one.cell
    mine = part(fits[0], index)
    beside = None if fits[1] is None else difference(mine, part(fits[1], index), confidence, seed=seed)
    by = " × ".join(features[at].by for at in cell.features)
    value = " × ".join(features[at].values[code] for at, code in zip(cell.features, cell.codes, strict=True))
    return Group(by, value, mine, one.gap, one.worse, one.over, one.behind, beside)
