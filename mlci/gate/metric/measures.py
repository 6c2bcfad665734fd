"""The arithmetic of the metrics: each value, and the pull of every row on it.

Values are as scikit-learn defines them. The *influence* of a row is how far the value moves because of that row, scaled
so that the squares of all rows add up to the squared standard error (the infinitesimal jackknife: Efron & Stein 1981).
The influences of two models on the same rows subtract, so do those of a group and of all rows, and those of rows that
belong together add up: one idea gives the interval of a model, of a paired difference, of a slice's gap, with weights
and with clusters.

A `Measure` takes labels and predictions, arrays of the same length of at least two rows, and perhaps a weight for each
(positive numbers), and gives (value, influences). The metrics of classes are in `confusion` and `classes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

Measure = Callable[..., tuple[float, "Numbers"]]


def masses(rows: int, weights: Numbers | None) -> Numbers:
    """The weights scaled to a mean of one; ones without."""
    import numpy as np

    return np.ones(rows) if weights is None else weights * (rows / weights.sum())


def midranks(ordered: Numbers) -> Numbers:
    """Ranks from 1 of sorted values; equal values share the middle of their ranks (Sun & Xu 2014)."""
    import numpy as np

    edges = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(ordered)]))
    ranks: Numbers = np.repeat((edges[:-1] + edges[1:] + 1) / 2, np.diff(edges))
    return ranks


def roc_auc(labels: Array, score: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The share of (positive, negative) pairs in the right order; ties count half.

    The influences are DeLong's placement values (DeLong, DeLong & Clarke-Pearson 1988): their products, summed over
    rows, are exactly DeLong's variances and covariances. Needs two rows of each class.
    """
    import numpy as np

    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], labels[order].astype(bool)
    weight = masses(len(labels), weights)[order]
    if weights is None:
        ranks = midranks(ordered)
        placed = np.empty(len(labels))
        placed[positive] = (ranks[positive] - midranks(ordered[positive])) / (len(labels) - positive.sum())
        placed[~positive] = 1 - (ranks[~positive] - midranks(ordered[~positive])) / positive.sum()
    else:
        placed = np.where(positive, _below(ordered, weight * ~positive), 1 - _below(ordered, weight * positive))
    value = float(placed[positive] @ weight[positive] / weight[positive].sum())
    placed -= value
    placed *= weight
    for side in (positive, ~positive):
        n = int(side.sum())
        placed[side] *= math.sqrt(n / (n - 1)) / weight[side].sum()
    influence = np.empty_like(placed)
    influence[order] = placed
    return value, influence


def _below(ordered: Numbers, weight: Numbers) -> Numbers:
    """For each value, the share of the weight that lies below it, with half of what is equal."""
    import numpy as np

    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    blocks = np.add.reduceat(weight, starts)
    share = (np.cumsum(blocks) - blocks / 2) / weight.sum()
    below: Numbers = np.repeat(share, np.diff(np.concatenate((starts, [len(ordered)]))))
    return below


def average_precision(labels: Array, score: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The mean over the positive rows of the precision at their score; rows of one score count together.

    The influence of a row is the derivative by its weight: what it adds as a positive, and how it changes the precision
    at every score that is not above its own.
    """
    import numpy as np

    order = np.argsort(-score, kind="stable")
    ordered, weight = score[order], masses(len(labels), weights)[order]
    good = weight * (labels[order] == 1)
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    sizes = np.diff(np.concatenate((starts, [len(ordered)])))
    hits, seen = (np.cumsum(np.add.reduceat(one, starts)) for one in (good, weight))
    block = np.add.reduceat(good, starts)
    precise = hits / seen
    value = float(block @ precise / good.sum())
    # From here to the lowest score: what one more row, or one more positive row, changes.
    one_more = np.cumsum((block / seen)[::-1])[::-1]
    for_all = np.cumsum((block * precise / seen)[::-1])[::-1]
    label = labels[order] == 1
    pull = label * np.repeat(precise + one_more - value, sizes) - np.repeat(for_all, sizes)
    influence = np.empty(len(labels))
    influence[order] = weight * pull / good.sum()
    return value, influence


def expected_calibration_error(labels: Array, score: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The mean distance of score and frequency over BINS bins of equal width (Guo et al. 2017), weighted by their rows.

    A distance is never below zero, so the value of a calibrated model is above it, the more the fewer rows there are.
    """
    import numpy as np

    weight = masses(len(labels), weights)
    place = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    off = score - labels
    side = np.sign(np.bincount(place, weight * off, BINS))[place]
    value = float(weight @ (side * off) / len(labels))
    return value, weight * (side * off - value) / len(labels)


BINS = 15


def mean(rows: Callable[[Array, Array], Numbers]) -> Measure:
    """The metric that is the mean of a number per row."""

    def measure(labels: Array, predictions: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        each = rows(labels, predictions)
        n = len(each)
        if weights is None:
            value = float(each.mean())
            return value, (each - value) / math.sqrt(n * (n - 1))
        share = weights / weights.sum()
        value = float(share @ each)
        return value, share * (each - value) * math.sqrt(n / (n - 1))

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


def values(_labels: Array, given: Array) -> Numbers:
    """The number of each row, as it is given."""
    return given


def relative(labels: Array, predictions: Array) -> Numbers:
    """The distance of each row as a share of the truth, which is kept off zero as scikit-learn keeps it."""
    import numpy as np

    share: Numbers = distances(labels, predictions) / np.maximum(np.abs(labels), np.finfo(np.float64).eps)
    return share


def rmse(labels: Array, predictions: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The root of the mean square; the delta method carries the influences through the root."""
    square, influence = mean(squares)(labels, predictions, weights)
    root = math.sqrt(square)
    return root, influence / (2 * root) if root else influence


def r2(labels: Array, predictions: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """One minus the mean square over the variance of the labels; influences by the delta method."""
    middle = mean(lambda y, _: y)(labels, labels, weights)[0]
    error, of_error = mean(squares)(labels, predictions, weights)
    spread, of_spread = mean(lambda y, _: (y - middle) ** 2)(labels, predictions, weights)
    return 1 - error / spread, of_spread * (error / spread**2) - of_error / spread


def median_absolute_error(labels: Array, predictions: Array) -> tuple[float, Numbers]:
    """The median distance. Its influences need the density of the distances there, taken from the slope between two
    quantiles (Siddiqui 1960) as far apart as Hall & Sheather (1988) advise for an interval.
    """
    from statistics import NormalDist

    import numpy as np

    distance = distances(labels, predictions)
    n, middle = len(distance), float(np.median(distance))
    # At the median the normal density is 1/√(2π) and the terms of Hall & Sheather reduce to this.
    reach = n ** (-1 / 3) * NormalDist().inv_cdf(0.975) ** (2 / 3) * (1.5 / (2 * math.pi)) ** (1 / 3)
    low, high = np.quantile(distance, [max(0.5 - reach, 0), min(0.5 + reach, 1)])
    slope = (high - low) / (min(0.5 + reach, 1) - max(0.5 - reach, 0))
    side = 0.5 * np.sign(distance - middle)
    return middle, slope * (side - side.mean()) / n
