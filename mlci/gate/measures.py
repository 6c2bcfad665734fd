"""The arithmetic of the metrics: each value, and the pull of every row on it.

Values are as scikit-learn defines them. The *influence* of a row is how far the value moves because of that row, scaled
so that the squares of all rows add up to the squared standard error (the infinitesimal jackknife: Efron & Stein 1981).
The influences of two models on the same rows subtract, and so do those of a group and of all rows: one idea gives the
interval of a model, of a paired difference, and of a slice's gap.

A `Measure` takes labels and predictions, arrays of the same length of at least two rows, and gives (value, influences).
A `Cells` takes counts of the confusion matrix (tp, fp, fn, tn), any number of matrices at once, and gives the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

Measure = Callable[["Array", "Array"], tuple[float, "Numbers"]]
Cells = Callable[["Array", "Array", "Array", "Array"], "Numbers"]


def midranks(ordered: Numbers) -> Numbers:
    """Ranks from 1 of sorted values; equal values share the middle of their ranks (Sun & Xu 2014)."""
    import numpy as np

    edges = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(ordered)]))
    ranks: Numbers = np.repeat((edges[:-1] + edges[1:] + 1) / 2, np.diff(edges))
    return ranks


def roc_auc(labels: Array, score: Array) -> tuple[float, Numbers]:
    """The share of (positive, negative) pairs in the right order; ties count half.

    The influences are DeLong's placement values (DeLong, DeLong & Clarke-Pearson 1988): their products, summed over
    rows, are exactly DeLong's variances and covariances. Needs two rows of each class.
    """
    import numpy as np

    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], labels[order].astype(bool)
    ranks = midranks(ordered)
    p = int(positive.sum())
    n = len(labels) - p
    placed = np.empty(len(labels))
    placed[positive] = (ranks[positive] - midranks(ordered[positive])) / n
    placed[~positive] = 1 - (ranks[~positive] - midranks(ordered[~positive])) / p
    value = float(placed[positive].mean())
    placed -= value
    placed /= np.where(positive, math.sqrt(p * (p - 1)), math.sqrt(n * (n - 1)))
    influence = np.empty_like(placed)
    influence[order] = placed
    return value, influence


def mean(rows: Callable[[Array, Array], Numbers]) -> Measure:
    """The metric that is the mean of a number per row."""

    def measure(labels: Array, predictions: Array) -> tuple[float, Numbers]:
        each = rows(labels, predictions)
        value = float(each.mean())
        return value, (each - value) / math.sqrt(len(each) * (len(each) - 1))

    return measure


def log_loss(labels: Array, score: Array) -> Numbers:
    """Minus the log of the probability given to the truth, kept off 0 and 1 by the resolution of the score's type."""
    import numpy as np

    smallest = np.finfo(score.dtype).eps
    truth = np.where(labels == 1, score, 1 - score).clip(smallest, 1 - smallest)
    loss: Numbers = -np.log(truth, dtype=np.float64)
    return loss


def squares(labels: Array, predictions: Array) -> Numbers:
    """The squared distance of each row."""
    import numpy as np

    squared: Numbers = np.square(predictions - labels.astype(np.float64))
    return squared


def distances(labels: Array, predictions: Array) -> Numbers:
    """The distance of each row."""
    import numpy as np

    distance: Numbers = np.abs(predictions - labels.astype(np.float64))
    return distance


def rmse(labels: Array, predictions: Array) -> tuple[float, Numbers]:
    """The root of the mean square; the delta method carries the influences through the root."""
    square, influence = mean(squares)(labels, predictions)
    root = math.sqrt(square)
    return root, influence / (2 * root) if root else influence


def r2(labels: Array, predictions: Array) -> tuple[float, Numbers]:
    """One minus the mean square over the variance of the labels; influences by the delta method."""
    error, of_error = mean(squares)(labels, predictions)
    spread, of_spread = mean(lambda y, _: (y - y.mean()) ** 2)(labels, predictions)
    return 1 - error / spread, of_spread * (error / spread**2) - of_error / spread


def cell(labels: Array, *classes: Array) -> Array:
    """Each row's combination of label and predicted classes (all 0 or 1) as one number, the label its highest bit."""
    import numpy as np

    code = labels.astype(np.uint8)
    for one in classes:
        code = code * np.uint8(2) + one.astype(np.uint8)
    return code


def counts(labels: Array, *classes: Array) -> Array:
    """How many rows are in each `cell`."""
    import numpy as np

    return np.bincount(cell(labels, *classes), minlength=2 ** (1 + len(classes)))


def confusion(table: Array) -> tuple[Array, Array, Array, Array]:
    """tp, fp, fn, tn from an array whose last axis holds the four counts of label and class."""
    return table[..., 3], table[..., 1], table[..., 2], table[..., 0]


def jackknife(of: Cells, table: Array) -> Numbers:
    """For each of the four cells, the influence of a row in it: what the metric loses without one such row."""
    import numpy as np

    rows = table.sum()
    without = np.where(table > 0, of(*confusion(np.maximum(table - np.eye(4), 0))), 0.0)
    pull: Numbers = np.where(table > 0, table @ without / rows - without, 0.0)
    return pull * math.sqrt((rows - 1) / rows)


def of_cells(of: Cells) -> Measure:
    """The metric of the confusion matrix."""

    def measure(labels: Array, classes: Array) -> tuple[float, Numbers]:
        table = counts(labels, classes)
        return float(of(*confusion(table))), jackknife(of, table)[cell(labels, classes)]

    return measure


def accuracy(tp: Array, fp: Array, fn: Array, tn: Array) -> Numbers:
    """The share of rows that are right."""
    return _ratio(tp + tn, tp + fp + fn + tn)


def precision(tp: Array, fp: Array, _fn: Array, _tn: Array) -> Numbers:
    """The share of the rows predicted positive that are."""
    return _ratio(tp, tp + fp)


def recall(tp: Array, _fp: Array, fn: Array, _tn: Array) -> Numbers:
    """The share of the positive rows that are predicted so."""
    return _ratio(tp, tp + fn)


def f1(tp: Array, fp: Array, fn: Array, _tn: Array) -> Numbers:
    """The harmonic mean of precision and recall."""
    return _ratio(2 * tp, 2 * tp + fp + fn)


def mcc(tp: Array, fp: Array, fn: Array, tn: Array) -> Numbers:
    """Matthews' correlation of label and predicted class."""
    import numpy as np

    # Floats first: the product of four counts overflows integers from some 50,000 rows on.
    a, b, c, d = (np.asarray(count, np.float64) for count in (tp, fp, fn, tn))
    return _ratio(a * d - b * c, np.sqrt((a + b) * (a + c) * (d + b) * (d + c)))


def _ratio(top: Any, bottom: Any) -> Numbers:
    """The quotient, and 0 where there is nothing to divide by, as in scikit-learn."""
    import numpy as np

    quotient: Numbers = np.divide(top, bottom, out=np.zeros(np.shape(bottom)), where=np.asarray(bottom) > 0)
    return quotient
