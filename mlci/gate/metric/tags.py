"""Several yes/no labels for each row: metrics over the tags, by scikit-learn's names and values.

Labels and predictions are tables of rows × tags, of 0 and 1, or of a probability for each tag. A row is one example,
whatever its number of tags: its influence is that of all its tags together.

The metrics of counts are the formulas of `classes` on each tag's counts (right, predicted, there), put together by a
mean over tags (*macro*), over tags by their frequency (*weighted*), by one count of all tags (*micro*), or by a mean
over rows (*samples*). A quotient by nothing is 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlci.gate.metric import measures
from mlci.gate.metric.measures import Measure, masses

if TYPE_CHECKING:
    from mlci.gate.metric.classes import Counts
    from mlci.gate.table import Array, Numbers


def of_counts(of: Counts) -> Measure:
    """The metric of the tags' counts. The influences are its derivatives by the counts, which each row adds one to."""

    def measure(labels: Array, said: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        import numpy as np

        rows, mass = len(labels), masses(len(labels), weights)
        there, given = labels.astype(bool), said.astype(bool)
        parts = (there & given, given, there)
        counts = np.stack([mass @ part for part in parts])
        value = float(of(*counts))
        slopes = _slopes(of, counts)
        pull = sum(part @ slope for part, slope in zip(parts, slopes, strict=True))
        # The value does not change with the number of rows, so the pulls of all rows add up to nothing.
        return value, mass * pull * math.sqrt(rows / (rows - 1))

    return measure


def _slopes(of: Counts, counts: Array) -> Array:
    """How the value changes with each of the counts, by central differences: rows kind of count, columns tag."""
    import numpy as np

    kinds, tags = counts.shape
    step = 1e-3 * min(1.0, float(counts[counts > 0].min(initial=1.0)))
    slopes = np.zeros((kinds, tags))
    # A count of nothing belongs to no row, so nobody asks for its slope.
    for kind, tag in zip(*np.nonzero(counts), strict=True):
        ends = []
        for side in (step, -step):
            moved = counts.copy()
            moved[kind, tag] += side
            ends.append(float(of(*moved)))
        slopes[kind, tag] = (ends[0] - ends[1]) / (2 * step)
    return slopes


def jaccard(right: Array, given: Array, there: Array) -> Numbers:
    """Of each tag: what is right of all that is predicted or there."""
    return _ratio(right, given + there - right)


def macro(of: Counts) -> Counts:
    """The mean over the tags."""
    return lambda right, given, there: of(right, given, there).mean(-1)


def micro(of: Counts) -> Counts:
    """Of the counts of all tags together."""
    return lambda right, given, there: of(right.sum(-1), given.sum(-1), there.sum(-1))


def samples(of: Counts) -> Measure:
    """The mean over the rows of the formula on each row's own tags."""

    def rows(labels: Array, said: Array) -> Numbers:
        there, given = labels.astype(bool), said.astype(bool)
        return of((there & given).sum(1), given.sum(1), there.sum(1))

    return measures.mean(rows)


def wrong(labels: Array, said: Array) -> Numbers:
    """The share of each row's tags that are wrong."""
    share: Numbers = (labels != said).mean(1)
    return share


def exact(labels: Array, said: Array) -> Numbers:
    """1 for a row whose tags are all right."""
    import numpy as np

    right: Numbers = (labels == said).all(1).astype(np.float64)
    return right


def log_loss(labels: Array, score: Array) -> Numbers:
    """The mean over each row's tags of minus the log of the probability given to the truth."""
    loss: Numbers = measures.log_loss(labels, score).mean(1)
    return loss


def each(of: Measure) -> Measure:
    """The mean over the tags of a metric of a score."""

    def measure(labels: Array, score: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        import numpy as np

        parts = [of(labels[:, tag], score[:, tag], weights) for tag in range(labels.shape[1])]
        return float(np.mean([value for value, _ in parts])), np.mean([pull for _, pull in parts], axis=0)

    return measure


def _ratio(top: Array, bottom: Array) -> Numbers:
    import numpy as np

    quotient: Numbers = np.divide(top, bottom, out=np.zeros(np.shape(bottom)), where=np.asarray(bottom) > 0)
    return quotient
