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

Task = Literal["classification", "multiclass", "multilabel", "regression", "forecasting", "ranking", "scores"]


@dataclass(frozen=True)
class Whole:
    """A metric of all rows at once, with what it is without some of them, and on rows drawn anew: `drawn` of "rows"
    or "groups". Both models have the same parts left out and the same rows drawn.
    """

    value: float
    without: Numbers
    replicates: Numbers
    drawn: str = "rows"

    def moved(self, step: float) -> Whole:
        """The same, higher by a number."""
        return replace(self, value=self.value + step, without=self.without + step, replicates=self.replicates + step)


@dataclass(frozen=True)
class Predictions:
    """What one model said of every row.

    `score` is the probability of the positive class, in [0, 1] (classification), one column for each class (multiclass)
    or tag (multilabel), or what items are ordered by (ranking); `value` is the predicted class (0 or 1, or a code; of
    each tag) or the predicted number; `columns` are numbers for metrics of their own: scores of examples, the rows'
    values of expressions, and forecasts of quantiles (`quantile 0.9`). `wholes` are metrics that a function gives for
    all rows at once; they are of all rows whatever rows are taken.
    """

    score: Numbers | None = None
    value: Array | None = None
    columns: Mapping[str, Numbers] = field(default_factory=dict)
    wholes: Mapping[str, Whole] = field(default_factory=dict)

    def only(self, rows: Array) -> Predictions:
        """What it said of some rows, given by position or by a mask."""
        score, value = (None if given is None else given[rows] for given in (self.score, self.value))
        return Predictions(score, value, {name: column[rows] for name, column in self.columns.items()}, self.wholes)


@dataclass(frozen=True)
class Grouping:
    """What rows are grouped by: `codes[i]` is the position in `values` of row i's value."""

    by: str
    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Labels (0 and 1, codes of `classes`, or numbers), the predictions of both models, and the columns to slice by.

    `weights` are positive numbers; `clusters` are codes from 0, and rows of one code belong together: to one person, to
    one query in ranking, to one series or block of time in forecasting. The labels of `multilabel` are a column for
    each tag, which `classes` names. `series` are codes, `scales` what errors are divided by, for each metric that does.
    `features` are what is searched for the worst slices, `unsearched` the holdout's other columns with the reasons.
    """

    task: Task
    labels: Array
    challenger: Predictions
    champion: Predictions | None = None
    groupings: tuple[Grouping, ...] = ()
    weights: Numbers | None = None
    clusters: Codes | None = None
    classes: tuple[str, ...] = ()
    series: Codes | None = None
    scales: Mapping[str, Numbers] = field(default_factory=dict)
    features: tuple[Grouping, ...] = ()
    unsearched: tuple[tuple[str, str], ...] = ()

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
            features=tuple(replace(one, codes=one.codes[rows]) for one in self.features),
            weights=of(self.weights),
            clusters=None if clusters is None else np.unique(clusters, return_inverse=True)[1],
            series=of(self.series),
            scales={name: scale[rows] for name, scale in self.scales.items()},
        )
