"""Binary classes: metrics as formulas on the four counts of label and predicted class.

A `Cells` takes counts (tp, fp, fn, tn), any number of matrices at once, and gives the values; they may be sums of
weights. Values are as scikit-learn defines them, 0 where there is nothing to divide by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlci.gate.metric.measures import Measure, masses

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

Cells = Callable[["Array", "Array", "Array", "Array"], "Numbers"]


def cell(labels: Array, *classes: Array) -> Array:
    """Each row's combination of label and predicted classes (all 0 or 1) as one number, the label its highest bit."""
    import numpy as np

    code = labels.astype(np.uint8)
    for one in classes:
        code = code * np.uint8(2) + one.astype(np.uint8)
    return code


def counts(labels: Array, *classes: Array) -> Array:
    """How many rows are in each `cell`.

    From the rows where all of some columns are 1, for each choice of columns, by inclusion and exclusion: counting
    booleans is many times faster than counting codes.
    """
    import numpy as np

    planes = [one if one.dtype == bool else one.astype(bool) for one in (labels, *classes)]
    table = np.empty((2,) * len(planes), np.int64)
    for chosen in np.ndindex(table.shape):
        some = [plane for plane, there in zip(planes, chosen, strict=True) if there]
        table[chosen] = np.count_nonzero(np.logical_and.reduce(some)) if some else len(labels)
    for axis in range(table.ndim):
        without, whole = (tuple([slice(None)] * axis + [k]) for k in (0, 1))
        table[without] -= table[whole]
    return table.ravel()


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

    def measure(labels: Array, classes: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        import numpy as np

        place = cell(labels, classes)
        if weights is None:
            table = np.bincount(place, minlength=4)
            return float(of(*confusion(table))), jackknife(of, table)[place]
        mass = masses(len(labels), weights)
        table = np.bincount(place, mass, minlength=4)
        return float(of(*confusion(table))), mass * jackknife(of, table)[place]

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


def specificity(_tp: Array, fp: Array, _fn: Array, tn: Array) -> Numbers:
    """The share of the negative rows that are predicted so."""
    return _ratio(tn, tn + fp)


def false_positive_rate(_tp: Array, fp: Array, _fn: Array, tn: Array) -> Numbers:
    """The share of the negative rows that are predicted positive."""
    return _ratio(fp, tn + fp)


def selection_rate(tp: Array, fp: Array, fn: Array, tn: Array) -> Numbers:
    """The share of the rows that are predicted positive."""
    return _ratio(tp + fp, tp + fp + fn + tn)


def balanced_accuracy(tp: Array, fp: Array, fn: Array, tn: Array) -> Numbers:
    """The mean of the two classes' recalls."""
    return (recall(tp, fp, fn, tn) + specificity(tp, fp, fn, tn)) / 2


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
