"""The facts a gate is judged on: one row per example, the truth beside what each model said of it.

Everything after this is arithmetic on these arrays. They are aligned: position i is the same example everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.floating[Any]]
    Codes: TypeAlias = NDArray[np.integer[Any]]
    Array: TypeAlias = NDArray[Any]

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Predictions:
    """What one model said of every row.

    `score` is the probability of the positive class, in [0, 1]; `value` is the predicted class (0 or 1) or the
    predicted number. At least one is there.
    """

    score: Numbers | None = None
    value: Array | None = None


@dataclass(frozen=True)
class Grouping:
    """A column that rows are grouped by: `codes[i]` is the position in `values` of row i's value."""

    by: str
    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Labels (0 and 1, or numbers), the predictions of both models, and the columns to slice by."""

    task: Task
    labels: Array
    challenger: Predictions
    champion: Predictions | None = None
    groupings: tuple[Grouping, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def positives(self) -> int | None:
        """How many rows are of the positive class; None where there are no classes."""
        return int(self.labels.sum()) if self.task == "classification" else None
