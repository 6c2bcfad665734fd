"""The metrics by their usual names. A new one is one line here."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from mlci.gate.metric import classes, confusion, forecasts, measures, ranking, tags
from mlci.gate.metric.confusion import Cells
from mlci.gate.metric.measures import Measure

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.table import Array, Codes, Numbers, Predictions, Task

Better = Literal["higher", "lower"]
Reads = Literal["score", "class", "number", "quantiles", "column"]
Kind = Literal["rank", "mean", "smooth", "cells", "whole"]


@dataclass(frozen=True)
class Definition:
    """One metric.

    `reads` is what it needs of a model: the score, the class, the number predicted, the quantiles of `levels`, or a
    column of the metric's own name. `kind` names how its interval is made (see `mlci.gate.deciding.intervals`); one of
    kind `cells` has its formula on counts in `cells`. A metric that `needs_contrast` means nothing on labels that are
    all the same. `by_query` makes one number for each query from (labels, scores, queries). Only one that `weighs` can
    be measured with weights. A `scaled` one divides errors by a column of its own. One that is not `directed` is best
    in the middle (a bias, a coverage): neither more nor less is better, so it has only `min` and `max`.
    """

    name: str
    task: Task
    better: Better
    reads: Reads
    kind: Kind
    measure: Measure
    range: tuple[float, float] = (0.0, 1.0)
    needs_contrast: bool = False
    cells: Cells | None = None
    by_query: Callable[[Array, Array, Codes], Numbers] | None = None
    weighs: bool = True
    levels: tuple[float, ...] = ()
    scaled: bool = False
    directed: bool = True

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.better == "higher" else -1

    def defined_on(self, labels: Array, classes: int = 2) -> bool:
        """Whether the labels say enough: two rows of each class and of its rest, or two different numbers."""
        import numpy as np

        if not self.needs_contrast:
            return True
        if self.task == "classification":
            positives = int(labels.sum())
            return min(positives, len(labels) - positives) >= 2
        if self.task == "multiclass":
            there = np.bincount(labels, minlength=classes)
            return bool((there >= 2).all() and (len(labels) - there >= 2).all())
        if self.task == "multilabel":
            return self.lacking(labels) is None
        return bool((labels != labels[0]).any())

    def lacking(self, labels: Array) -> int | None:
        """The first tag that has not two rows with it and two without."""
        import numpy as np

        there = labels.sum(0)
        few = np.flatnonzero(np.minimum(there, len(labels) - there) < 2)
        return int(few[0]) if len(few) else None

    def column(self, predictions: Predictions, threshold: float = 0.5) -> Array | None:
        """What the metric reads of a model's predictions, or None when it is not there.

        A predicted class is the column of classes where there is one, else score >= threshold, or the likeliest class.
        """
        if self.reads == "column":
            return predictions.columns.get(self.name)
        if self.reads == "quantiles":
            return _quantiles(predictions, self.levels)
        if self.reads == "score":
            return predictions.score
        if self.reads == "number" or predictions.value is not None or predictions.score is None:
            return predictions.value
        if self.task == "multiclass":
            classes: Array = predictions.score.argmax(1)
            return classes
        return predictions.score >= threshold


def find(name: str, task: Task, rule: Metric | None = None) -> Definition | None:
    """The metric of that name for the task; None where there is none.

    `ndcg@10` is `ndcg` of the first ten items, `pinball@0.9` the loss of a quantile. A metric of its own (a column, an
    expression or a function, see `rule`) is the mean of a number per row, and more of it is better unless the rule says
    otherwise or asks for a `max` alone.
    """
    if rule is not None and (rule.expression or rule.function or task == "scores"):
        better = rule.better or ("lower" if rule.max is not None and rule.min is None else "higher")
        return Definition(name, task, better, "column", "mean", measures.mean(measures.values), (-math.inf, math.inf))
    cut = re.fullmatch(r"(ndcg|mrr)@([1-9]\d{0,5})", name) if task == "ranking" else None
    if cut:
        return _of_queries(name, cut[1], int(cut[2]))
    level = re.fullmatch(r"(pinball|coverage|interval_score)@(0?\.\d{1,6})", name) if task == "forecasting" else None
    if level and float(level[2]) > 0:
        return _of_quantiles(name, level[1], float(level[2]))
    return OF_TASK[task].get(name)


def unknown(names: Iterable[str], task: Task | None = None) -> dict[str, str | None]:
    """The names that are no metric (of the task, or of any), each with the nearest one that is."""
    known = [*METRICS] if task is None else [*OF_TASK[task]]
    missing = [name for name in names if name not in known and (task is None or find(name, task) is None)]
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.5) for name in missing}
    return {name: found[0] if found else None for name, found in near.items()}


def _of_score(
    name: str, better: Better, kind: Kind, measure: Measure, top: float = 1.0, *, contrast: bool = False
) -> Definition:
    return Definition(name, "classification", better, "score", kind, measure, (0.0, top), contrast)


def _of_class(
    name: str, cells: Cells, bottom: float = 0.0, *, contrast: bool = True, better: Better = "higher"
) -> Definition:
    measure = confusion.of_cells(cells)
    return Definition(name, "classification", better, "class", "cells", measure, (bottom, 1.0), contrast, cells)


def _of_classes(name: str, counts: classes.Counts, bottom: float = 0.0) -> Definition:
    return Definition(name, "multiclass", "higher", "class", "smooth", classes.of_counts(counts), (bottom, 1.0))


def _of_scores(name: str, better: Better, kind: Kind, measure: Measure, top: float, *, contrast: bool) -> Definition:
    return Definition(name, "multiclass", better, "score", kind, measure, (0.0, top), contrast)


def _error(name: str, kind: Kind, measure: Measure, *, weighs: bool = True) -> Definition:
    return Definition(name, "regression", "lower", "number", kind, measure, (0.0, math.inf), weighs=weighs)


def _of_queries(name: str, kind: str, top: int | None) -> Definition:
    of = partial({"ndcg": ranking.ndcg, "mrr": ranking.mrr}[kind], top=top)
    return Definition(name, "ranking", "higher", "score", "mean", measures.mean(measures.values), by_query=of)


def _of_tags(name: str, measure: Measure, better: Better = "higher") -> Definition:
    return Definition(name, "multilabel", better, "class", "smooth", measure)


def _of_tag_scores(
    name: str, better: Better, kind: Kind, measure: Measure, top: float = 1.0, *, contrast: bool = False
) -> Definition:
    return Definition(name, "multilabel", better, "score", kind, measure, (0.0, top), contrast)


def _of_forecast(
    name: str,
    kind: Kind,
    measure: Measure,
    range: tuple[float, float] = (0.0, math.inf),
    *,
    scaled: bool = False,
    directed: bool = True,
) -> Definition:
    return Definition(name, "forecasting", "lower", "number", kind, measure, range, scaled=scaled, directed=directed)


def _of_quantiles(name: str, kind: str, share: float) -> Definition:
    """Of one quantile, or of the interval that has `share` between its two."""
    if kind == "pinball":
        rows, levels = forecasts.pinball(share), (share,)
        return Definition(
            name, "forecasting", "lower", "quantiles", "mean", measures.mean(rows), (0.0, math.inf), levels=levels
        )
    ends = (round((1 - share) / 2, 9), round((1 + share) / 2, 9))
    if kind == "coverage":
        return Definition(
            name,
            "forecasting",
            "higher",
            "quantiles",
            "mean",
            measures.mean(forecasts.covered),
            levels=ends,
            directed=False,
        )
    score = measures.mean(forecasts.interval_score(share))
    return Definition(name, "forecasting", "lower", "quantiles", "mean", score, (-math.inf, math.inf), levels=ends)


def quantile(level: float) -> str:
    """What a forecast of a quantile is called among a model's columns."""
    return f"quantile {level:.9g}"


def _quantiles(predictions: Predictions, levels: tuple[float, ...]) -> Array | None:
    import numpy as np

    names = [quantile(level) for level in levels]
    if any(name not in predictions.columns for name in names):
        return None
    return np.column_stack([predictions.columns[name] for name in names])


def _by_name(*definitions: Definition) -> dict[str, Definition]:
    return {one.name: one for one in definitions}


_CLASSES = {"precision": classes.precision, "recall": classes.recall, "f1": classes.f1}
_AVERAGES = {"macro": classes.macro, "weighted": classes.weighted}
_OVER_TAGS: dict[str, Callable[[classes.Counts], Measure]] = {
    "macro": lambda of: tags.of_counts(tags.macro(of)),
    "micro": lambda of: tags.of_counts(tags.micro(of)),
    "weighted": lambda of: tags.of_counts(classes.weighted(of)),
    "samples": tags.samples,
}
_NUMBERS = _by_name(
    _error("mae", "mean", measures.mean(measures.distances)),
    _error("mse", "mean", measures.mean(measures.squares)),
    _error("rmse", "smooth", measures.rmse),
    _error("mape", "mean", measures.mean(measures.relative)),
    _error("median_absolute_error", "smooth", measures.median_absolute_error, weighs=False),
    Definition("r2", "regression", "higher", "number", "smooth", measures.r2, (-math.inf, 1.0), needs_contrast=True),
)
OF_TASK: dict[Task, dict[str, Definition]] = {
    "classification": _by_name(
        _of_score("roc_auc", "higher", "rank", measures.roc_auc, contrast=True),
        _of_score("average_precision", "higher", "smooth", measures.average_precision, contrast=True),
        _of_score("log_loss", "lower", "mean", measures.mean(measures.log_loss), math.inf),
        _of_score("brier", "lower", "mean", measures.mean(measures.squares)),
        _of_score("ece", "lower", "smooth", measures.expected_calibration_error),
        _of_class("accuracy", confusion.accuracy, contrast=False),
        _of_class("balanced_accuracy", confusion.balanced_accuracy),
        _of_class("precision", confusion.precision),
        _of_class("recall", confusion.recall),
        _of_class("specificity", confusion.specificity),
        _of_class("false_positive_rate", confusion.false_positive_rate, better="lower"),
        _of_class("selection_rate", confusion.selection_rate, contrast=False),
        _of_class("f1", confusion.f1),
        _of_class("mcc", confusion.mcc, -1.0),
    ),
    "multiclass": _by_name(
        _of_classes("accuracy", classes.accuracy),
        _of_classes("balanced_accuracy", classes.balanced_accuracy),
        _of_classes("mcc", classes.mcc, -1.0),
        *(
            _of_classes(f"{name}_{average}", over(of))
            for name, of in _CLASSES.items()
            for average, over in _AVERAGES.items()
        ),
        _of_scores("log_loss", "lower", "mean", measures.mean(classes.log_loss), math.inf, contrast=False),
        _of_scores("brier", "lower", "mean", measures.mean(classes.brier), 2.0, contrast=False),
        _of_scores("roc_auc_ovr", "higher", "smooth", classes.roc_auc_ovr, 1.0, contrast=True),
    ),
    "multilabel": _by_name(
        *(
            _of_tags(f"{name}_{average}", over(of))
            for name, of in {**_CLASSES, "jaccard": tags.jaccard}.items()
            for average, over in _OVER_TAGS.items()
        ),
        _of_tags("accuracy", measures.mean(tags.exact)),
        _of_tags("subset_accuracy", measures.mean(tags.exact)),
        _of_tags("hamming_loss", measures.mean(tags.wrong), "lower"),
        _of_tag_scores("log_loss", "lower", "mean", measures.mean(tags.log_loss), math.inf),
        _of_tag_scores("roc_auc_macro", "higher", "smooth", tags.each(measures.roc_auc), contrast=True),
        _of_tag_scores(
            "average_precision_macro", "higher", "smooth", tags.each(measures.average_precision), contrast=True
        ),
    ),
    "regression": _NUMBERS,
    "forecasting": _by_name(
        *(replace(one, task="forecasting") for one in _NUMBERS.values()),
        _of_forecast("smape", "mean", measures.mean(forecasts.symmetric), (0.0, 2.0)),
        _of_forecast("wape", "smooth", forecasts.wape),
        _of_forecast("bias", "mean", measures.mean(forecasts.off), (-math.inf, math.inf), directed=False),
        _of_forecast("mase", "smooth", forecasts.by_series(measures.distances), scaled=True),
        _of_forecast("rmsse", "smooth", forecasts.by_series(measures.squares, root=True), scaled=True),
    ),
    "ranking": _by_name(_of_queries("ndcg", "ndcg", None), _of_queries("mrr", "mrr", None)),
    "scores": {},
}
METRICS = OF_TASK["regression"] | OF_TASK["classification"]
"""The metrics of two classes and of numbers, which share no name."""
