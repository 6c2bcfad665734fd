"""Many classes: metrics as formulas on each class's counts, and on a score for each class.

Labels and predicted classes are codes from 0. The formulas take three arrays whose last axis is the class: rows that
are right, rows predicted, rows that are; they may be sums of weights. Values are as scikit-learn defines them: a class
counts in a macro mean when a label or a prediction has it, and a quotient by nothing is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlci.gate.metric import measures
from mlci.gate.metric.measures import Measure, masses

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

Counts = Callable[["Array", "Array", "Array"], "Numbers"]
_AT_ONCE = 4_000_000


def of_counts(of: Counts) -> Measure:
    """The metric of the classes' counts; its influences are what it loses without one row of a cell of the matrix."""

    def measure(labels: Array, classes: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        import numpy as np

        k = int(max(labels.max(), classes.max())) + 1
        mass = masses(len(labels), weights)
        cells, place = np.unique(labels.astype(np.int64) * k + classes, return_inverse=True)
        table = np.bincount(place, mass)
        actual, predicted = cells // k, cells % k
        right = np.bincount(actual, table * (actual == predicted), k)
        given, there = np.bincount(predicted, table, k), np.bincount(actual, table, k)
        without = np.empty(len(cells))
        step = max(1, _AT_ONCE // k)
        for at in range(0, len(cells), step):
            one, other = (np.eye(k)[part[at : at + step]] for part in (actual, predicted))
            left = (right - one * other, given - other, there - one)
            without[at : at + step] = of(*(np.maximum(part, 0) for part in left))
        rows = len(labels)
        pull = (table @ without / rows - without) * math.sqrt((rows - 1) / rows)
        return float(of(right, given, there)), mass * pull[place]

    return measure


def accuracy(right: Array, _given: Array, there: Array) -> Numbers:
    """The share of rows that are right."""
    return _ratio(right.sum(-1), there.sum(-1))


def balanced_accuracy(right: Array, _given: Array, there: Array) -> Numbers:
    """The mean recall of the classes that labels have."""
    return _ratio(_ratio(right, there).sum(-1), (there > 0).sum(-1))


def mcc(right: Array, given: Array, there: Array) -> Numbers:
    """Matthews' correlation for many classes (Gorodkin 2004)."""
    import numpy as np

    rows, of_given, of_there = there.sum(-1), (given * given).sum(-1), (there * there).sum(-1)
    return _ratio(right.sum(-1) * rows - (given * there).sum(-1), np.sqrt((rows**2 - of_given) * (rows**2 - of_there)))


def precision(right: Array, given: Array, _there: Array) -> Numbers:
    """Of each class."""
    return _ratio(right, given)


def recall(right: Array, _given: Array, there: Array) -> Numbers:
    """Of each class."""
    return _ratio(right, there)


def f1(right: Array, given: Array, there: Array) -> Numbers:
    """Of each class."""
    return _ratio(2 * right, given + there)


def macro(of: Counts) -> Counts:
    """The mean over the classes."""
    return lambda right, given, there: _ratio(of(right, given, there).sum(-1), (given + there > 0).sum(-1))


def weighted(of: Counts) -> Counts:
    """The mean over the classes, by their number of rows."""
    return lambda right, given, there: _ratio((of(right, given, there) * there).sum(-1), there.sum(-1))


def log_loss(labels: Array, score: Array) -> Numbers:
    """Minus the log of the probability given to the truth, after scikit-learn's clipping."""
    import numpy as np

    smallest = np.finfo(score.dtype).eps
    loss: Numbers = -np.log(score[np.arange(len(labels)), labels].clip(smallest, 1 - smallest), dtype=np.float64)
    return loss


def brier(labels: Array, score: Array) -> Numbers:
    """The summed squared distances of all classes, which is twice the metric of two classes (Brier 1950)."""
    import numpy as np

    squares: Numbers = np.square(score, dtype=np.float64).sum(1)
    squares += 1 - 2 * score[np.arange(len(labels)), labels]
    return squares


def roc_auc_ovr(labels: Array, score: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The mean of the classes' areas, each against the rest; needs two rows of each class and of its rest."""
    import numpy as np

    parts = [measures.roc_auc(labels == k, score[:, k], weights) for k in range(score.shape[1])]
    return float(np.mean([value for value, _ in parts])), np.mean([influence for _, influence in parts], axis=0)


def _ratio(top: Any, bottom: Any) -> Numbers:
    import numpy as np

    top, bottom = np.broadcast_arrays(np.asarray(top, np.float64), np.asarray(bottom, np.float64))
    quotient: Numbers = np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0)
    return quotient
