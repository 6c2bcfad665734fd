"""The facts a gate is judged on: one row per example, the truth beside what each model said of it.

Everything after this is arithmetic on these arrays. They are aligned: position i is the same example everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.floating[Any]]
    Codes: TypeAlias = NDArray[np.integer[Any]]
    Array: TypeAlias = NDArray[Any]

Task = Literal["classification", "multiclass", "regression", "ranking", "scores"]


@dataclass(frozen=True)
class Predictions:
    """What one model said of every row.

    `score` is the probability of the positive class, in [0, 1] (classification), one column for each class (multiclass)
    or what items are ordered by (ranking); `value` is the predicted class (0 or 1, or a code) or the predicted number;
    `columns` are numbers for metrics of their own: scores of examples, and the rows' values of expressions.
    """

    score: Numbers | None = None
    value: Array | None = None
    columns: Mapping[str, Numbers] = field(default_factory=dict)

    def only(self, rows: Array) -> Predictions:
        """What it said of some rows, given by position or by a mask."""
        score, value = (None if given is None else given[rows] for given in (self.score, self.value))
        return Predictions(score, value, {name: column[rows] for name, column in self.columns.items()})


@dataclass(frozen=True)
class Grouping:
    """A column that rows are grouped by: `codes[i]` is the position in `values` of row i's value."""

    by: str
    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Labels (0 and 1, codes of `classes`, or numbers), the predictions of both models, and the columns to slice by.

    `weights` are positive numbers; `clusters` are codes from 0, and rows of one code belong together: to one person, or
    to one query in ranking.
    """

    task: Task
    labels: Array
    challenger: Predictions
    champion: Predictions | None = None
    groupings: tuple[Grouping, ...] = ()
    weights: Numbers | None = None
    clusters: Codes | None = None
    classes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def positives(self) -> int | None:
        """How many rows are of the positive class; None where there is none."""
        return int(self.labels.sum()) if self.task == "classification" else None

    def only(self, rows: Array) -> Table:
        """The table of some of its rows, given by position or by a mask."""
        import numpy as np

        def of(given: Array | None) -> Array | None:
            return None if given is None else given[rows]

        clusters = of(self.clusters)
        return replace(
            self,
            labels=self.labels[rows],
            challenger=self.challenger.only(rows),
            champion=self.champion and self.champion.only(rows),
            groupings=tuple(replace(one, codes=one.codes[rows]) for one in self.groupings),
            weights=of(self.weights),
            clusters=None if clusters is None else np.unique(clusters, return_inverse=True)[1],
        )
