"""One metric of both models on the same rows: fitted, with intervals, and how small a regression the rows can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.deciding import student
from mlci.gate.deciding.decide import Measured
from mlci.gate.deciding.intervals import Estimate, Fit, difference, fit, freedom, groups, interval, method, of_whole
from mlci.gate.metric import forecasts
from mlci.gate.metric.metrics import Definition, find

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.table import Array, Numbers, Predictions, Table

POWER = 0.8
"""How often a regression of the smallest size that counts as detectable is called worse."""


def fits(table: Table, name: str, rule: Metric | None = None) -> tuple[Fit, Fit | None]:
    """The metric of the challenger, and of the champion where there is one.

    Raises WorldError when the rows cannot bear it, and UsageError when the predictions lack what it reads.
    """
    metric = find(name, table.task, rule)
    if metric is None:
        raise UsageError(f"there is no metric `{name}` for {table.task}")
    threshold = rule.threshold if rule else 0.5
    challenger = _fit(table, metric, table.challenger, "challenger", threshold)
    if table.champion is None:
        return challenger, None
    return challenger, _fit(table, metric, table.champion, "champion", threshold)


def measured(challenger: Fit, champion: Fit | None, confidence: float, seed: int) -> Measured:
    """The estimates of one metric."""
    metric = challenger.metric
    alone = interval(challenger, confidence, seed=seed)
    both = difference(challenger, champion, confidence, seed=seed) if champion else None
    degrees = len(challenger.labels) - 1.0
    if challenger.whole is not None:
        degrees = math.inf
    elif challenger.table is None:
        influence = challenger.influence if champion is None else challenger.influence - champion.influence
        degrees = freedom(challenger, influence)
    return Measured(
        metric.name,
        metric.better,
        len(challenger.labels),
        alone,
        interval(champion, confidence, seed=seed) if champion else None,
        both,
        method(challenger, confidence),
        degrees,
        detectable(alone, both, confidence, degrees),
    )


def detectable(alone: Estimate, both: Estimate | None, confidence: float, degrees: float) -> float:
    """The smallest regression (beyond a margin) that holdouts like this one call worse in four of five cases.

    With a champion from the paired difference. Without one, or where it says the same on every row, from a challenger
    as good whose mistakes have nothing to do with this one's: the worst case, for real ones share most.
    """
    wanted = student.quantile(confidence, degrees)
    half = (both.high - both.low) / 2 if both is not None else 0.0
    if half == 0:
        half = math.sqrt(2) * (alone.high - alone.low) / 2
    return half * (wanted + student.quantile(POWER, degrees)) / wanted


def _fit(table: Table, metric: Definition, predictions: Predictions, who: str, threshold: float) -> Fit:
    import numpy as np

    whole = predictions.wholes.get(metric.name)
    if whole is not None:
        return of_whole(metric, whole, table.labels)
    if not metric.defined_on(table.labels, len(table.classes)):
        raise _undefined(table, metric)
    column = metric.column(predictions, threshold)
    if column is None:
        reads = metric.reads if metric.reads == "quantiles" else f"a {metric.reads}"
        raise UsageError(f"{metric.name} needs {reads}, and the {who}'s predictions hold none")
    with np.errstate(over="ignore", invalid="ignore"):
        one = _of_queries(table, metric, column) if metric.by_query else _of_rows(table, metric, column)
        finite = math.isfinite(one.value) and (
            one.table is not None or math.isfinite(float(one.influence @ one.influence))
        )
    if not finite:
        raise WorldError(
            f"{metric.name} of the {who} overflows: the predictions or the labels are too large", help=_LARGE
        )
    return one


_LARGE = "Look at the largest of them, or use another metric."


def _of_rows(table: Table, metric: Definition, column: Array) -> Fit:
    if table.clusters is not None and groups(table.clusters) < 2:
        what, help = ("block of time", _TIMES) if table.task == "forecasting" else ("group", _GROUPS)
        raise WorldError(f"{metric.name}: all rows are of one {what}, so nothing says how sure it is", help=help)
    if not metric.scaled:
        return fit(metric, table.labels, column, table.weights, table.clusters)
    if metric.name not in table.scales:
        raise UsageError(f"{metric.name} needs the naive forecast's error", help="Set `gate.columns.scale`.")
    return fit(metric, *forecasts.scaled(table, metric.name, column), table.weights, table.clusters)


_GROUPS = "Use rows of more groups, or take `gate.columns.group` out if rows do not belong together."
_TIMES = "Use rows of more times, or of more series."


def _of_queries(table: Table, metric: Definition, score: Numbers) -> Fit:
    """A fit with one row for each query."""
    import numpy as np

    if table.clusters is None or metric.by_query is None:
        raise UsageError(f"{metric.name} needs to know the query of each row", help="Set `gate.columns.group`.")
    each = metric.by_query(table.labels, score, table.clusters)
    if len(each) < 2:
        raise WorldError(
            f"{metric.name} needs two queries, and there is {words.many(len(each), 'query')}",
            help="Use rows of more queries.",
        )
    return fit(metric, np.zeros(len(each), np.int8), each)


def _undefined(table: Table, metric: Definition) -> WorldError:
    positives = table.positives
    if table.task == "multiclass":
        return WorldError(
            f"{metric.name} needs two rows of each class", help="Use a holdout with all classes, or another metric."
        )
    if table.task == "multilabel":
        tag = table.classes[metric.lacking(table.labels) or 0]
        return WorldError(
            f"{metric.name} needs two rows with and two without each tag, and `{tag}` has not",
            help="Leave that tag out, use another holdout, or another metric.",
        )
    if positives is None:
        help = "Use a holdout whose labels differ, or another metric."
        return WorldError(f"{metric.name} is not defined: all {table.rows:,} labels are the same", help=help)
    return WorldError(
        f"{metric.name} needs two rows of each class: {words.many(positives, 'label')} of {table.rows:,} "
        f"{'is' if positives == 1 else 'are'} positive",
        help="Use a holdout with both classes.",
    )
