"""Forecasts of series: the errors that this field speaks of, and which rows depend on each other.

Rows of one series are not independent, and neither are those next to each other in time: one bad day spoils the next.
So intervals go by groups of rows whose influences add up first. A series is such a group; where there are fewer than
GROUPS of them each is cut into blocks of time, as long as they can be, and Student's quantile has as many degrees of
freedom as blocks, less one: Bester, Conley & Hansen (2011), "Inference with dependent data using cluster covariance
estimators". What the field's paired test does for one mean of one series (Diebold & Mariano 1995, with the correction
of Harvey, Leybourne & Newbold 1997), this does for every metric, slice and weight.

`mase` and `rmsse` are means over the series, each with its own scale: the mean absolute error, or the root of the mean
square, of the naive forecast on the training series (Hyndman & Koehler 2006; Makridakis et al. 2022 for M5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlci.gate.metric import measures
from mlci.gate.metric.measures import Measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlci.gate.table import Array, Codes, Numbers, Table

GROUPS = 10
"""Fewer are too few to know an error by; more would be too short where there is little time."""


def blocks(series: Codes, turn: Codes) -> Codes:
    """Codes of the groups: the series, or blocks of time of each where there are fewer than GROUPS.

    `series` are codes from 0, `turn` is a row's place in time within its series, from 0.
    """
    import numpy as np

    sizes = np.bincount(series)
    cuts = np.minimum(-(-GROUPS // len(sizes)), np.maximum(sizes // 2, 1))
    found: Codes = np.unique(series * GROUPS + turn * cuts[series] // sizes[series], return_inverse=True)[1]
    return found


def off(labels: Array, predictions: Array) -> Numbers:
    """By how much each row is too high."""
    import numpy as np

    too_high: Numbers = predictions - labels.astype(np.float64)
    return too_high


def symmetric(labels: Array, predictions: Array) -> Numbers:
    """Twice the distance over the sum of both sizes, 0 where both are 0: a share up to 2 (Makridakis 1993; M4)."""
    import numpy as np

    sizes = np.abs(labels) + np.abs(predictions)
    share: Numbers = np.divide(
        2 * measures.distances(labels, predictions), sizes, out=np.zeros(len(sizes)), where=sizes > 0
    )
    return share


def wape(labels: Array, predictions: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
    """The sum of the distances over the sum of the sizes of the truth (Kolassa & Schütz 2007); by the delta method."""
    top, of_top = measures.mean(measures.distances)(labels, predictions, weights)
    bottom, of_bottom = measures.mean(lambda y, _: abs(y))(labels, predictions, weights)
    if bottom == 0:
        return math.nan, of_top
    return top / bottom, (of_top - of_bottom * (top / bottom)) / bottom


def pinball(level: float) -> Callable[[Array, Array], Numbers]:
    """The loss whose best forecast is the quantile (Koenker & Bassett 1978)."""

    def rows(labels: Array, quantile: Array) -> Numbers:
        import numpy as np

        missed = labels - quantile[:, 0]
        loss: Numbers = np.maximum(level * missed, (level - 1) * missed)
        return loss

    return rows


def covered(labels: Array, ends: Array) -> Numbers:
    """1 where the truth lies in the interval, its ends included."""
    import numpy as np

    inside: Numbers = ((ends[:, 0] <= labels) & (labels <= ends[:, 1])).astype(np.float64)
    return inside


def interval_score(share: float) -> Callable[[Array, Array], Numbers]:
    """The width of the interval, and 2 / (1 − share) times how far the truth lies outside (Gneiting & Raftery 2007)."""

    def rows(labels: Array, ends: Array) -> Numbers:
        import numpy as np

        outside = np.maximum(ends[:, 0] - labels, 0) + np.maximum(labels - ends[:, 1], 0)
        score: Numbers = ends[:, 1] - ends[:, 0] + outside * (2 / (1 - share))
        return score

    return rows


def scaled(table: Table, name: str, predictions: Array) -> tuple[Array, Array]:
    """What a metric by series is computed from: labels with the series beside them, and predictions, on its scale."""
    import numpy as np

    scale = table.scales[name]
    series = np.zeros(table.rows) if table.series is None else table.series
    return np.column_stack((table.labels / scale, series)), predictions / scale


def by_series(rows: Callable[[Array, Array], Numbers], *, root: bool = False) -> Measure:
    """The mean over the series of the mean of a number per row, or of its root. Labels are those of `scaled`.

    A series counts by the mean weight of its rows. A row's influence is its part of what its series is away from the
    others, and what it changes within its series.
    """

    def measure(labels: Array, predictions: Array, weights: Numbers | None = None) -> tuple[float, Numbers]:
        import numpy as np

        series = np.unique(labels[:, 1], return_inverse=True)[1]
        each, n = rows(labels[:, 0], predictions), np.bincount(series)
        weight = np.ones(len(each)) if weights is None else weights
        mass = np.bincount(series, weight)
        inside = np.bincount(series, weight * each) / mass
        values = np.sqrt(inside) if root else inside
        share = mass / n / (mass / n).sum()
        value = float(share @ values)
        slope = np.divide(0.5, values, out=np.zeros(len(n)), where=values > 0) if root else np.ones(len(n))
        between, within = share * (values - value) / n, share * slope / mass
        influence = between[series] + within[series] * weight * (each - inside[series])
        return value, influence * math.sqrt(len(each) / (len(each) - 1))

    return measure
