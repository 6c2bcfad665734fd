"""The metrics by their usual names. A new one is one line of `METRICS`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlci.gate import measures
from mlci.gate.measures import Cells, Measure

if TYPE_CHECKING:
    from mlci.gate.table import Array, Predictions, Task

Better = Literal["higher", "lower"]
Reads = Literal["score", "class", "number"]
Kind = Literal["rank", "mean", "smooth", "cells"]


@dataclass(frozen=True)
class Definition:
    """One metric.

    `reads` is what it needs of a model: the score, the class, or the number predicted. `kind` names how its interval
    is made (see `mlci.gate.intervals`); a metric of kind `cells` has its formula on counts in `cells`. A metric that
    `needs_contrast` means nothing on labels that are all the same.
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

    @property
    def sign(self) -> int:
        """+1 where more is better, -1 where less is."""
        return 1 if self.better == "higher" else -1

    def defined_on(self, labels: Array) -> bool:
        """Whether the labels say enough: two rows of each class, or two different numbers."""
        if not self.needs_contrast:
            return True
        if self.task == "classification":
            positives = int(labels.sum())
            return min(positives, len(labels) - positives) >= 2
        return bool((labels != labels[0]).any())

    def column(self, predictions: Predictions, threshold: float = 0.5) -> Array | None:
        """What the metric reads of a model's predictions, or None when it is not there.

        A predicted class is the column of classes where there is one, else score >= threshold.
        """
        if self.reads == "score":
            return predictions.score
        if self.reads == "number" or predictions.value is not None or predictions.score is None:
            return predictions.value
        return predictions.score >= threshold


def unknown(names: Iterable[str]) -> dict[str, str | None]:
    """The names that are no metric, each with the nearest one that is."""
    near = {name: difflib.get_close_matches(name, METRICS, n=1, cutoff=0.5) for name in names if name not in METRICS}
    return {name: found[0] if found else None for name, found in near.items()}


def _of_score(name: str, better: Better, kind: Kind, measure: Measure, top: float, *, contrast: bool) -> Definition:
    return Definition(name, "classification", better, "score", kind, measure, (0.0, top), contrast)


def _of_class(name: str, cells: Cells, bottom: float = 0.0, *, contrast: bool = True) -> Definition:
    measure = measures.of_cells(cells)
    return Definition(name, "classification", "higher", "class", "cells", measure, (bottom, 1.0), contrast, cells)


def _error(name: str, kind: Kind, measure: Measure) -> Definition:
    return Definition(name, "regression", "lower", "number", kind, measure, (0.0, math.inf))


METRICS: dict[str, Definition] = {
    metric.name: metric
    for metric in (
        _of_score("roc_auc", "higher", "rank", measures.roc_auc, 1.0, contrast=True),
        _of_score("log_loss", "lower", "mean", measures.mean(measures.log_loss), math.inf, contrast=False),
        _of_score("brier", "lower", "mean", measures.mean(measures.squares), 1.0, contrast=False),
        _of_class("accuracy", measures.accuracy, contrast=False),
        _of_class("precision", measures.precision),
        _of_class("recall", measures.recall),
        _of_class("f1", measures.f1),
        _of_class("mcc", measures.mcc, -1.0),
        _error("mae", "mean", measures.mean(measures.distances)),
        _error("mse", "mean", measures.mean(measures.squares)),
        _error("rmse", "smooth", measures.rmse),
        Definition(
            "r2", "regression", "higher", "number", "smooth", measures.r2, (-math.inf, 1.0), needs_contrast=True
        ),
    )
}
