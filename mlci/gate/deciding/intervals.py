"""How sure are we: the interval of a metric, and of the difference of two models on the same rows.

Each end of an interval is a one-sided bound: at confidence 0.95 the truth lies below the low end at most 5 % of the
time, and above the high end at most 5 % of the time. So a decision made against one end is wrong at most 5 % of the
time, and the interval that is drawn is the same one: two-sided, at level 2 · confidence − 1 (0.90 for 0.95).

- `rank` (roc_auc): DeLong, DeLong & Clarke-Pearson (1988) by the midranks of Sun & Xu (2014); Student's quantile with
  the degrees of freedom of Welch & Satterthwaite over the two classes.
- `mean` (log_loss, brier, mae, mse): Student's interval of the mean of a number per row, or of its paired difference.
- `smooth` (rmse, r2): the delta method on such means, with Student's quantile.
- All three reach further on the side of the influences' long tail (Hall 1992), where Student's t misses more often than
  it says. On the other side only one model's mean or counts reach less far: a difference of two models has little
  skewness, and what its rows show of it is mostly chance. Heavy tails have fewer degrees of freedom (see `freedom`).
- `cells` (accuracy, precision, recall, f1, mcc): the multinomial bootstrap of the joint cells label × challenger ×
  champion, which is the bootstrap of the rows, exactly, at a cost that does not grow with them, with the BCa ends of
  Efron (1987). What the rows have never shown is not impossible: each end also covers ln(1/(1 − confidence)) more rows
  in a cell that is empty ("the rule of three", Hanley & Lippman-Hand 1983).
- `whole` (a function that gives one number for all rows): the paired bootstrap of the rows or groups, BCa (Efron 1987),
  its acceleration by leaving out one part of the rows after another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from mlci.errors import UsageError
from mlci.gate.deciding import student
from mlci.gate.metric.confusion import cell, confusion, counts, jackknife

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlci.gate.metric.metrics import Definition
    from mlci.gate.table import Array, Numbers, Whole

REPLICATES = 10_000
FEW = 20
"""Numbers with more values than this, all the same in two models, are from one model."""

METHODS = {
    "rank": "DeLong (1988), midranks of Sun & Xu (2014)",
    "mean": "Student's t of the rows' values",
    "smooth": "delta method with Student's t",
    "cells": f"multinomial bootstrap of the confusion cells, {REPLICATES:,} replicates",
}


@dataclass(frozen=True)
class Estimate:
    """A value with the two one-sided bounds around it; `low <= value <= high`."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """As it stands in the receipt."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Fit:
    """One model's metric on some rows: what it was computed from, its value, and the influence of each row.

    `clusters` are codes of rows that belong together, `weights` how much each counts. A metric of cells whose rows are
    independent and alike has the counts of its cells as `table`: they can be drawn anew, and tell all there is.
    """

    metric: Definition
    labels: Array
    column: Array
    value: float
    known: Numbers | None = None
    weights: Numbers | None = None
    clusters: Array | None = None
    table: Array | None = None
    whole: Whole | None = None

    @cached_property
    def influence(self) -> Numbers:
        """The influence of each row; for counts looked up when it is asked for, as there may be many rows."""
        if self.known is not None:
            return self.known
        influence: Numbers = self.pull[cell(self.labels, self.column)]
        return influence

    @cached_property
    def squares(self) -> float:
        """The squared standard error of independent rows."""
        return float(self.influence @ self.influence)

    @cached_property
    def pull(self) -> Numbers:
        """The influence of a row in each cell of `table`."""
        assert self.metric.cells is not None
        assert self.table is not None
        return jackknife(self.metric.cells, self.table)


def fit(
    metric: Definition, labels: Array, column: Array, weights: Numbers | None = None, clusters: Array | None = None
) -> Fit:
    """Compute the metric; `metric.defined_on(labels)` must hold, and there must be two rows."""
    if metric.cells is not None and weights is None and clusters is None:
        table = counts(labels, column)
        return Fit(metric, labels, column, float(metric.cells(*confusion(table))), table=table)
    measured = metric.measure(labels, column) if weights is None else metric.measure(labels, column, weights)
    return Fit(metric, labels, column, *measured, weights, clusters)


def of_whole(metric: Definition, whole: Whole, labels: Array) -> Fit:
    """A metric that has been computed on all rows and on rows drawn anew."""
    import numpy as np

    column = np.concatenate(([whole.value], whole.without, whole.replicates))
    return Fit(metric, labels, column, whole.value, whole=whole)


def part(one: Fit, index: Array) -> Fit:
    """The same model's metric on some of its rows."""
    if one.whole is not None:
        raise UsageError(
            f"{one.metric.name} is one number for all rows, and has none for a slice",
            help="Give a number for each row, or compare the slices by another metric.",
        )
    weights, clusters = (None if given is None else given[index] for given in (one.weights, one.clusters))
    return fit(one.metric, one.labels[index], one.column[index], weights, clusters)


def error(one: Fit, influence: Numbers) -> float:
    """The standard error of what has these influences on the rows of a fit.

    Rows that belong together move together: their influences add up first (the cluster-robust variance of Liang & Zeger
    1986, with the correction of G / (G − 1) for G clusters).
    """
    if one.clusters is None:
        return math.sqrt(float(influence @ influence))
    sums = _together(one, influence)
    many, rows = groups(one.clusters), len(influence)
    return math.sqrt(float(sums @ sums) * many / max(many - 1, 1) * max(rows - 1, 1) / rows)


def _together(one: Fit, influence: Numbers) -> Numbers:
    """What is independent of each other: the influences of the rows, or their sums over the clusters."""
    import numpy as np

    if one.clusters is None:
        return influence
    return np.bincount(one.clusters, influence).astype(np.float64)


def method(one: Fit, confidence: float) -> str:
    """How the interval is made, with its source, and what its ends mean."""
    if one.whole is not None:
        draws = f"{len(one.whole.replicates):,} replicates of the {one.whole.drawn}"
        return f"paired bootstrap, {draws}, BCa (Efron 1987); each end a one-sided bound at {100 * confidence:g} %"
    used = METHODS["smooth" if one.metric.cells is not None and one.table is None else one.metric.kind]
    if one.clusters is not None:
        count = f"{groups(one.clusters):,} groups"
        source = "; Bester, Conley & Hansen 2011" if one.metric.task == "forecasting" else ""
        used += f", cluster-robust (Liang & Zeger 1986{source}) over {count}"
    return f"{used}; each end a one-sided bound at {100 * confidence:g} %"


def interval(one: Fit, confidence: float, *, seed: int = 0) -> Estimate:
    """The interval of one model's metric."""
    low, high = _range(one)
    if one.whole is not None:
        ends = _of_draws(one.whole.replicates, one.value, one.whole.without, confidence)
    elif one.table is not None and one.metric.cells is not None:
        of = one.metric.cells
        ends = _bootstrap(one.table, lambda t: of(*confusion(t)), confidence, seed, pull=one.pull)
    elif _separated(one):
        rest = _unseen(one, confidence)
        ends = (one.value - rest, one.value + rest)
    else:
        ends = _student(one, one.value, one.influence, confidence, both=one.metric.kind in ("mean", "cells"))
    return _around(one.value, max(ends[0], low), min(ends[1], high))


def difference(one: Fit, other: Fit, confidence: float, *, seed: int = 0) -> Estimate:
    """The interval of `one - other`, two models on the same rows.

    Numbers that are equal to the last bit on every row are those of one model, and differ by nothing, for certain. Of
    classes and of other few values that agree, as many rows as were not seen may differ.
    """
    value = one.value - other.value
    equal = bool((one.column == other.column).all())
    if equal and not _of_few_values(one.column):
        return Estimate(0.0, 0.0, 0.0)
    if one.whole is not None and other.whole is not None:
        drawn, without = (
            a - b for a, b in ((one.whole.replicates, other.whole.replicates), (one.whole.without, other.whole.without))
        )
        ends = _of_draws(drawn, value, without, confidence)
    elif one.table is not None and one.metric.cells is not None:
        of = one.metric.cells
        joint = counts(one.labels, one.column, other.column)
        pull = one.pull.reshape(2, 2, 1) - other.pull.reshape(2, 1, 2)
        ends = _bootstrap(joint, lambda t: _between(of, t), confidence, seed, pull=pull.ravel())
    elif equal or (_separated(one) and _separated(other)):
        rest = _unseen(one, confidence)
        ends = (value - rest, value + rest)
    else:
        ends = _student(one, value, one.influence - other.influence, confidence)
    return _around(value, *ends)


def freedom(one: Fit, influence: Numbers) -> float:
    """Degrees of freedom of the error: rows (or clusters) - 1, or by Welch & Satterthwaite for two samples.

    Fewer where the influences have heavy tails, for then the error itself is known less well: Satterthwaite (1946) by
    the variance of a variance, without the part that goes with the mean, which `_reach` takes care of.
    """
    apart = _together(one, influence)
    many = len(apart) if one.clusters is None else groups(one.clusters)
    square = apart * apart
    squares, cubes, fourths = float(square.sum()), float(square @ apart), float(square @ square)
    unsure = many * fourths / squares**2 - 1 - many * cubes**2 / squares**3 if squares > 0 else 0.0  # 2: a normal's
    most = min(many - 1.0, 2 * many / unsure if unsure > 0 else math.inf)
    if one.clusters is not None or one.metric.kind != "rank":
        return max(most, 1.0)
    positive = one.labels.astype(bool)
    parts = [influence[positive], influence[~positive]]
    variances = [float(part @ part) for part in parts]
    below = sum(v * v / (len(part) - 1) for v, part in zip(variances, parts, strict=True))
    return sum(variances) ** 2 / below if below > 0 else len(one.labels) - 2


def _separated(one: Fit) -> bool:
    """Whether the value stands at an end of its range and no influence says how far off it may be: a score that sets
    the classes wholly apart, rows of which none is wrong.
    """
    if one.metric.kind == "rank":
        return one.value in (0, 1)
    low, high = _range(one)
    at_end = min(abs(one.value - low), abs(one.value - high)) < 1e-12
    return at_end and math.isfinite(high - low) and error(one, one.influence) < 1e-6


def _range(one: Fit) -> tuple[float, float]:
    """Between what the metric lies; numbers of its own that are all 0 or all 1 are taken for a share."""
    if one.metric.reads == "column" and one.value in (0, 1) and (one.column == one.value).all():
        return (0.0, 1.0)
    return one.metric.range


def _unseen(one: Fit, confidence: float) -> float:
    """How far off the value may be when what was never seen is as frequent as it can be (Clopper & Pearson 1934): in
    the smaller class, or among the rows, or groups.
    """
    if one.metric.kind == "rank":
        positives = int(one.labels.sum())
        return float(1 - (1 - confidence) ** (1 / min(positives, len(one.labels) - positives)))
    low, high = _range(one)
    if not math.isfinite(high - low):
        low, high = float(one.column.min()), float(one.column.max())
    return (high - low) * float(1 - (1 - confidence) ** (1 / _sample(one)))


def _of_few_values(column: Array) -> bool:
    """Whether two models may well say the same of every row without being one: classes, marks out of ten."""
    import numpy as np

    some = column[:10_000]
    return column.dtype.kind in "biu" or len(np.unique(some)) <= min(FEW, some.size / 2)


def _sample(one: Fit) -> float:
    """How many rows, or groups, are independent; with weights as many as would say as much (Kish 1965)."""
    if one.clusters is not None:
        return groups(one.clusters)
    return len(one.labels) if one.weights is None else float(one.weights.sum() ** 2 / (one.weights @ one.weights))


def groups(clusters: Array) -> int:
    """How many groups there are."""
    import numpy as np

    return int(np.count_nonzero(np.bincount(clusters)))


def _student(
    one: Fit, value: float, influence: Numbers, confidence: float, *, both: bool = False
) -> tuple[float, float]:
    """The ends around a value; with `both` the end away from the long tail comes nearer, too."""
    spread, skewed = error(one, influence), skewness(one, influence)
    quantile = student.quantile(confidence, freedom(one, influence))
    low, high = (_reach(side, quantile) for side in (-skewed, skewed))
    if not both:
        low, high = max(low, quantile), max(high, quantile)
    return value - low * spread, value + high * spread


def skewness(one: Fit, influence: Numbers) -> float:
    """That of the estimate which has these influences on the rows of a fit; between -1 and 1."""
    apart = _together(one, influence)
    return _skewness(float(apart @ apart), float(apart @ apart**2))


def _reach(skewness: float, quantile: float) -> float:
    """How many errors the high end is away when Student's t is freed of its skewness by Hall's cubic (1992)."""
    import numpy as np

    if abs(skewness) < 1e-6:
        return quantile
    return float(3 / skewness * (1 - np.cbrt(1 - skewness * (quantile + skewness / 6))))


def _skewness(squares: float, cubes: float) -> float:
    return cubes / squares**1.5 if squares > 0 else 0.0


def _around(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _between(of: Callable[..., Numbers], table: Array) -> Numbers:
    """The difference of two models on counts of label × one × other, in the last axis."""
    joint = table.reshape(*table.shape[:-1], 2, 2, 2)
    one, other = (joint.sum(axis).reshape(*table.shape[:-1], 4) for axis in (-1, -2))
    return of(*confusion(one)) - of(*confusion(other))


def _bootstrap(
    table: Array,
    of: Callable[[Array], Numbers],
    confidence: float,
    seed: int,
    *,
    pull: Numbers,
) -> tuple[float, float]:
    """The ends of the BCa interval of `of(table)`; `pull` is the influence of a row in each cell.

    The same seed draws the same replicates, whatever else is computed before or after.
    """
    import numpy as np

    # What is equal but for rounding is one value.
    found, times = np.unique(np.round(of(_draws(tuple(table.tolist()), seed, REPLICATES)), 12), return_counts=True)
    upto = np.cumsum(times) / REPLICATES
    under = upto - times / REPLICATES
    acceleration = _skewness(float(table @ pull**2), float(table @ pull**3)) / 6
    below = float(np.interp(float(of(table)), found, (upto + under) / 2))
    # A share may end within the replicates of one value: each end is the next value outwards, as far as the share says.
    shares = [_bca(below, acceleration, share) for share in (1 - confidence, confidence)]
    low, high = np.interp(shares[0], upto, found), np.interp(shares[1], under, found)
    empty = np.flatnonzero(table == 0)
    unseen = of(table + math.log(1 / (1 - confidence)) * np.eye(len(table))[empty])
    return min([low, *unseen]), max([high, *unseen])


def _of_draws(replicates: Numbers, value: float, without: Numbers, confidence: float) -> tuple[float, float]:
    """The ends of the BCa interval from replicates and from the values without each part of the rows."""
    import numpy as np

    ordered, pull = np.sort(replicates), without.mean() - without
    below = float(np.searchsorted(ordered, value) + np.searchsorted(ordered, value, "right")) / (2 * len(ordered))
    acceleration = _skewness(float(pull @ pull), float(pull @ pull**2)) / 6
    low, high = np.quantile(ordered, [_bca(below, acceleration, share) for share in (1 - confidence, confidence)])
    return float(low), float(high)


@lru_cache(maxsize=16)
def _draws(table: tuple[int, ...], seed: int, replicates: int) -> Array:
    """Counts drawn anew; all metrics of the same cells share them."""
    import numpy as np

    shares = np.array(table) / sum(table)
    return np.random.default_rng(seed).multinomial(sum(table), shares, size=replicates)


def _bca(below: float, acceleration: float, share: float) -> float:
    """Efron's corrected share, where `below` of the replicates are below the value (ties count half)."""
    from statistics import NormalDist

    normal, edge = NormalDist(), 0.5 / REPLICATES
    bias = normal.inv_cdf(min(max(below, edge), 1 - edge))
    z = bias + normal.inv_cdf(share)
    return normal.cdf(bias + z / max(1 - acceleration * z, edge))
