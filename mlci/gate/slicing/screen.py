"""The first look of the search: how badly every cell of one or two features does, from sums over the rows.

One pass over the rows for each feature and each pair: the rows are coded by cell, and `bincount` sums up what the
metric is made of. Nothing is as large as rows × cells. The statistics rank the cells and decide nothing: the worst are
measured again as a named slice is, and every cell that had enough rows is paid for (see `mlci.gate.slicing.search`).

- A metric of counts: the counts of label × class in every cell, exactly.
- `roc_auc`: counts of label × `BUCKETS` quantiles of the score in every cell, so only rows of one bucket are tied.
- Anything else: the sums of the influences of the cell's rows, exact for a mean, and of their squares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from mlci.gate.metric.confusion import cell, confusion

if TYPE_CHECKING:
    from mlci.gate.deciding.intervals import Fit
    from mlci.gate.metric.confusion import Cells
    from mlci.gate.table import Array, Grouping, Numbers

    Scored = tuple[Array, Array]

BUCKETS = 32
KEPT = 40
"""So many cells are measured in full, for each kind of test."""


@dataclass(frozen=True)
class Cell:
    """A cell of one or two features: which, and the codes of their values."""

    features: tuple[int, ...]
    codes: tuple[int, ...]

    def rows(self, features: Sequence[Grouping]) -> Array:
        """The positions of its rows."""
        import numpy as np

        inside = [features[at].codes == code for at, code in zip(self.features, self.codes, strict=True)]
        return np.flatnonzero(np.logical_and.reduce(inside))


def worst_cells(
    features: Sequence[Grouping],
    one: Fit,
    other: Fit | None,
    limits: tuple[float | None, float | None],
    *,
    depth: int,
    min_rows: int,
) -> tuple[list[Cell], int]:
    """The cells that look worst, and how many there are with so many rows and labels that say enough.

    `limits` are those of the gap to all rows and of the loss against the `other` model; None leaves that test out.
    """
    import numpy as np

    rows = prepared(one, other if limits[1] is not None else None)
    counts = [np.bincount(feature.codes, minlength=len(feature.values)) for feature in features]
    candidates = 0
    kept: list[list[tuple[float, Cell]]] = [[], []]
    for size in range(1, depth + 1):
        for chosen in combinations(range(len(features)), size):
            shape = tuple(len(features[at].values) for at in chosen)
            seen = rows.sums(_codes(features, chosen, shape, rows.width), math.prod(shape))
            able = seen.able & (seen.rows >= min_rows) & (seen.rows < len(one.labels))
            if size > 1:  # a cell that is all of a value is that value again
                table = seen.rows.reshape(shape)
                own = (table < counts[chosen[0]][:, None]) & (table < counts[chosen[1]][None, :])
                able &= own.ravel()
            candidates += int(able.sum())
            for at, (found, limit) in enumerate(zip((seen.gap, seen.lost), limits, strict=True)):
                if found is not None and limit is not None:
                    kept[at] = _best([*kept[at], *_beyond(found, limit, able, chosen, shape)])
    return list(dict.fromkeys(cell for pairs in kept for _, cell in pairs)), candidates


def _codes(features: Sequence[Grouping], chosen: tuple[int, ...], shape: tuple[int, ...], width: int) -> Array:
    """The cell of each row, in the smallest type that holds it and `width` kinds of rows in each."""
    import numpy as np

    kind = np.min_scalar_type(math.prod(shape) * width)
    code: Array = features[chosen[0]].codes.astype(kind)
    for at, size in zip(chosen[1:], shape[1:], strict=True):
        code = code * kind.type(size) + features[at].codes
    return code


def _beyond(
    found: Scored, limit: float, able: Array, chosen: tuple[int, ...], shape: tuple[int, ...]
) -> list[tuple[float, Cell]]:
    """The cells by how many standard errors they are beyond the limit, the worst of these features."""
    import numpy as np

    value, spread = found
    score = np.divide(value - limit, spread, out=np.full(len(value), -np.inf), where=able & (spread > 0))
    some = np.flatnonzero(able)
    some = some[np.argsort(-score[some], kind="stable")[:KEPT]]
    codes = zip(*np.unravel_index(some, shape), strict=True)
    return [(float(score[at]), Cell(chosen, tuple(map(int, code)))) for at, code in zip(some, codes, strict=True)]


def _best(cells: list[tuple[float, Cell]]) -> list[tuple[float, Cell]]:
    return sorted(cells, key=lambda pair: -pair[0])[:KEPT]


@dataclass(frozen=True)
class _Sums:
    """Of every cell the rows, whether it can be judged, its gap and its loss, each with a standard error."""

    rows: Array
    able: Array
    gap: Scored
    lost: Scored | None


@dataclass(frozen=True)
class _Rows:
    """What is summed up over the rows of a cell.

    `kinds` are the row's label and classes, or label and bucket of each score; `weighed` its influence and that
    squared, on the metric and on the difference of the models. `width` is how many kinds there are.
    """

    one: Fit
    other: Fit | None
    width: int = 2
    kinds: tuple[Array, ...] = ()
    weighed: tuple[Array, ...] = ()

    def sums(self, code: Array, cells: int) -> _Sums:
        """One pass over the rows, coded by cell."""
        if self.one.table is not None:
            return self._counts(self._joint(code, cells, 0))
        return self._ranks(code, cells) if self.one.metric.kind == "rank" else self._influences(code, cells)

    def _joint(self, code: Array, cells: int, model: int, weights: Numbers | None = None) -> Array:
        """How many rows of each kind are in every cell, or what they weigh."""
        import numpy as np

        place = code * code.dtype.type(self.width) + self.kinds[model]
        return np.bincount(place, weights, minlength=self.width * cells).reshape(cells, self.width)

    def _counts(self, joint: Array) -> _Sums:
        import numpy as np

        of, sign, n = self.one.metric.cells, self.one.metric.sign, joint.sum(1)
        assert of is not None
        three = joint.reshape(len(n), 2, 2, -1)
        mine = three.sum(3).reshape(len(n), 4)
        able = three.sum((2, 3)).min(1) >= 2 if self.one.metric.needs_contrast else n > 0
        value, pull = of(*confusion(mine)), _pulls(of, mine)
        spread = np.sqrt(np.maximum((mine * pull**2).sum(1), _pooled(self.one, n)))
        gap = (sign * (self.one.value - value), spread)
        if self.other is None:
            return _Sums(n, able, gap, None)
        its = three.sum(2).reshape(len(n), 4)
        differing = pull.reshape(len(n), 2, 2, 1) - _pulls(of, its).reshape(len(n), 2, 1, 2)
        lost = (sign * (of(*confusion(its)) - value), np.sqrt((three * differing**2).sum((1, 2, 3))))
        return _Sums(n, able, gap, lost)

    def _ranks(self, code: Array, cells: int) -> _Sums:
        import numpy as np

        weights = self.one.weights
        joint = self._joint(code, cells, 0, weights).reshape(cells, 2, -1)
        mass = joint.sum((1, 2))
        n = mass if weights is None else np.bincount(code, minlength=cells)
        able = joint.sum(2).min(1) >= (2 if weights is None else 1e-300)
        value, square = _area(joint)
        gap = (self.one.value - value, np.sqrt(np.maximum(square, _pooled(self.one, n))))
        if self.other is None:
            return _Sums(n, able, gap, None)
        its = _area(self._joint(code, cells, 1, weights).reshape(cells, 2, -1))[0]
        spread = _scale(self.one, mass) * np.sqrt(np.bincount(code, self.weighed[3], minlength=cells))
        return _Sums(n, able, gap, (its - value, spread))

    def _influences(self, code: Array, cells: int) -> _Sums:
        import numpy as np

        n, sign = np.bincount(code, minlength=cells), self.one.metric.sign
        weights = self.one.weights
        scale = _scale(self.one, n if weights is None else np.bincount(code, weights, minlength=cells))
        able = n > 0
        if self.one.metric.needs_contrast and self.one.metric.task == "classification":
            able &= self._joint(code, cells, 0).min(1) >= 2
        sums = [np.bincount(code, one, minlength=cells) for one in self.weighed]
        means = [np.divide(one**2, n, out=np.zeros(cells), where=n > 0) for one in sums[::2]]
        spreads = [scale * np.sqrt(np.maximum(sums[2 * i + 1] - mean, 0)) for i, mean in enumerate(means)]
        gap = (-sign * scale * sums[0], np.sqrt(np.maximum(spreads[0] ** 2, _pooled(self.one, n))))
        if self.other is None:
            return _Sums(n, able, gap, None)
        whole = self.one.value - self.other.value
        return _Sums(n, able, gap, (-sign * (whole + scale * sums[2]), spreads[1]))


def prepared(one: Fit, other: Fit | None) -> _Rows:
    """What of the rows is the same for all features."""
    import numpy as np

    pair = [one] if other is None else [one, other]
    if one.table is not None:
        return _Rows(one, other, 2 ** (1 + len(pair)), (cell(one.labels, *(fit.column for fit in pair)),))
    differing = None if other is None else one.influence - other.influence
    weighed = [x for given in (one.influence, differing) if given is not None for x in (given, given**2)]
    if one.metric.kind == "rank":
        label = one.labels.astype(np.uint8) * np.uint8(BUCKETS)
        return _Rows(one, other, 2 * BUCKETS, tuple(label + _bucket(fit.column) for fit in pair), tuple(weighed))
    return _Rows(one, other, 2, (one.labels,), tuple(weighed))


def _bucket(score: Numbers) -> Array:
    """Which of `BUCKETS` quantiles each score is in."""
    import numpy as np

    edges = np.unique(np.quantile(score, np.arange(1, BUCKETS) / BUCKETS))
    return np.searchsorted(edges, score, side="right").astype(np.uint8)


def _area(joint: Array) -> Scored:
    """The area under the curve in every cell and its squared error (DeLong), from counts of cell × label × bucket."""
    import numpy as np

    negative, positive = joint[:, 0], joint[:, 1]
    n, p = (np.maximum(side.sum(1), 1)[:, None] for side in (negative, positive))
    below = (np.cumsum(negative, 1) - negative / 2) / n
    above = 1 - (np.cumsum(positive, 1) - positive / 2) / p
    area = (positive * below).sum(1) / p[:, 0]
    square = sum(
        (side * (placed - area[:, None]) ** 2).sum(1) / (many[:, 0] * np.maximum(many[:, 0] - 1, 1))
        for side, placed, many in ((positive, below, p), (negative, above, n))
    )
    return area, np.asarray(square)


def _pulls(of: Cells, tables: Array) -> Numbers:
    """`confusion.jackknife` of many tables at once, in the last axis."""
    import numpy as np

    rows = tables.sum(1)[:, None]
    without = np.where(tables > 0, of(*confusion(np.maximum(tables[:, None, :] - np.eye(4), 0))), 0.0)
    mean = np.divide((tables * without).sum(1)[:, None], rows, out=np.zeros(rows.shape), where=rows > 0)
    pull: Numbers = np.where(tables > 0, mean - without, 0.0)
    return pull


def _pooled(one: Fit, n: Array) -> Numbers:
    """The squared error of a gap on so many rows if they vary as much as all do."""
    import numpy as np

    whole = one.squares if one.table is None else float(one.table @ one.pull**2)
    left = np.divide(len(one.labels), n, out=np.ones(len(n)), where=n > 0) - 1
    squared: Numbers = whole * np.maximum(left, 0.0)
    return squared


def _scale(one: Fit, mass: Array) -> Numbers:
    """What makes the sum of a cell's influences on all rows its own mean: all rows, or weights, over those in it."""
    import numpy as np

    total = len(one.labels) if one.weights is None else float(one.weights.sum())
    scale: Numbers = np.divide(total, mass, out=np.zeros(len(mass)), where=mass > 0)
    return scale
