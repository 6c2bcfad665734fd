"""The curves of a model that scores rows of two classes: ROC, precision and recall, calibration, and its scores.

One sort of the scores gives all of them. The whole curves are those of scikit-learn (`roc_curve`,
`precision_recall_curve`, and `calibration_curve` with bins of equal size); what is kept is thinned to `POINTS`, and how
far the farthest point that was left out lies from the line through those that were kept is kept too.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

POINTS = 100
"""Points of a curve that are kept."""
_LOOKED_AT = 2048
"""Of a curve with more points, those at so many steps along it are looked at: none is missed by more than a step."""
BINS, _FEWEST = 10, 10
"""Bins of equal size, and the rows of one below which there are fewer bins."""
SHELVES = 20
"""Bins of equal width of the histogram of scores."""


@dataclass(frozen=True)
class Ordered:
    """Rows by rising score: the scores, and how much weight of positive and of all rows lies up to each."""

    score: Numbers
    good: Numbers
    mass: Numbers
    square: Numbers | None

    @cached_property
    def falling(self) -> tuple[Array, Array, Array]:
        """At each distinct score from the highest on: it, and the weight of positives and of others from it on."""
        import numpy as np

        starts = np.concatenate(([0], np.flatnonzero(self.score[1:] != self.score[:-1]) + 1))[::-1]
        hits = self.good[-1] - self.good[starts]
        alarms = (self.mass[-1] - self.mass[starts]) - hits
        return self.score[starts], hits, alarms

    def roc(self) -> tuple[Array, Array]:
        """False-positive rate and recall from the strictest threshold on, with (0, 0) before; needs both classes."""
        import numpy as np

        _, hits, alarms = self.falling
        return np.concatenate(([0.0], alarms / alarms[-1])), np.concatenate(([0.0], hits / hits[-1]))

    def precision_recall(self) -> tuple[Array, Array]:
        """Recall and precision from the strictest threshold on; needs a positive row."""
        _, hits, alarms = self.falling
        return hits / hits[-1], hits / (hits + alarms)

    def between(self, ends: Array) -> tuple[Array, Array]:
        """Weight of positive and of all rows between positions of the order."""
        import numpy as np

        return np.diff(self.good[ends]), np.diff(self.mass[ends])


def ordered(labels: Array, score: Array, weights: Numbers | None = None) -> Ordered:
    """Sort once."""
    import numpy as np

    order = np.argsort(score)
    label = labels[order] == 1
    if weights is None:
        return Ordered(score[order], _sums(label), np.arange(len(order) + 1, dtype=np.float64), None)
    weight = weights[order]
    return Ordered(score[order], _sums(weight * label), _sums(weight), _sums(weight * weight))


def _sums(values: Array) -> Numbers:
    import numpy as np

    sums: Numbers = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    return sums


def curves(rows: Ordered, thresholds: Sequence[float], confidence: float) -> dict[str, Any]:
    """The curves of one model as plain JSON; those that labels of one class do not have are left out."""
    good, mass = float(rows.good[-1]), float(rows.mass[-1])
    found: dict[str, Any] = {"calibration": calibration(rows, confidence), "scores": _histogram(rows)}
    if 0 < good < mass:
        for name, line in (("roc", rows.roc()), ("pr", rows.precision_recall())):
            points, off = thinned(*line)
            found |= {name: points, f"{name}_off": float(f"{off:.2g}")}
    found["at"] = [_at(rows, one) for one in thresholds]
    return found


def _at(rows: Ordered, threshold: float) -> dict[str, float | None]:
    """Where a threshold stands on the curves."""
    import numpy as np

    start = int(np.searchsorted(rows.score, threshold, "left"))
    hits, said = (float(one[-1] - one[start]) for one in (rows.good, rows.mass))
    good, mass = float(rows.good[-1]), float(rows.mass[-1])
    shares = {
        "recall": (hits, good),
        "false_positive_rate": (said - hits, mass - good),
        "precision": (hits, said),
        "share": (said, mass),
    }
    return {"threshold": threshold, **{name: short(top / of) if of > 0 else None for name, (top, of) in shares.items()}}


def calibration(rows: Ordered, confidence: float) -> list[dict[str, float]]:
    """Bins of equal size: mean score, share of positives with Wilson's interval (1927), and rows.

    Each end of the interval is a bound at `confidence`; weights count by Kish's effective number of rows.
    """
    import numpy as np

    count = max(1, min(BINS, len(rows.score) // _FEWEST))
    edges = np.quantile(rows.score, np.linspace(0, 1, count + 1)[1:-1])
    ends = np.unique(np.concatenate(([0], np.searchsorted(rows.score, edges, "right"), [len(rows.score)])))
    good, mass = rows.between(ends)
    square = mass if rows.square is None else np.diff(rows.square[ends])
    weight = np.diff(rows.mass)
    z = NormalDist().inv_cdf(confidence)
    found = []
    for n, (start, end) in enumerate(pairwise(ends)):
        seen = float(good[n] / mass[n])
        low, high = wilson(seen, float(mass[n] ** 2 / square[n]), z)
        mean = float(rows.score[start:end].astype(np.float64) @ weight[start:end] / mass[n])
        one = {"predicted": mean, "observed": seen, "low": low, "high": high}
        found.append({**{name: short(value) for name, value in one.items()}, "rows": int(end - start)})
    return found


def wilson(share: float, rows: float, z: float) -> tuple[float, float]:
    """Wilson's interval (1927) of a share."""
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / (1 + z * z / rows)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _histogram(rows: Ordered) -> dict[str, list[float]]:
    """The weight of rows of each class by score, in `SHELVES` bins of equal width from 0 to 1."""
    import numpy as np

    inner = np.searchsorted(rows.score, np.arange(1, SHELVES) / SHELVES, "left")
    good, mass = rows.between(np.concatenate(([0], inner, [len(rows.score)])))
    return {"positive": [short(one) for one in good], "negative": [short(one) for one in mass - good]}


def thinned(x: Array, y: Array) -> tuple[list[list[float]], float]:
    """At most `POINTS` points of a line, the farthest from the line through the others first, and how far the rest lie.

    It is the simplification of Ramer (1972) and Douglas & Peucker (1973), with the number of points given instead of
    the distance.
    """
    import numpy as np

    if len(x) > 2 * _LOOKED_AT:
        some = _steps(x, y)
        x, y = x[some], y[some]
    kept, waiting = [0, len(x) - 1], [_farthest(x, y, 0, len(x) - 1)]
    while len(kept) < POINTS and -waiting[0][0] > 1e-12:
        _, start, middle, end = heapq.heappop(waiting)
        kept.append(middle)
        heapq.heappush(waiting, _farthest(x, y, start, middle))
        heapq.heappush(waiting, _farthest(x, y, middle, end))
    at = np.array(sorted(set(kept)))
    return [[short(a), short(b)] for a, b in zip(x[at], y[at], strict=True)], -waiting[0][0]


def _steps(x: Array, y: Array) -> Array:
    """Points so close that both coordinates move little from one to the next, and the first ones."""
    import numpy as np

    walked = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    some = np.searchsorted(walked, np.linspace(0, walked[-1], _LOOKED_AT))
    first = np.unique(np.geomspace(1, len(x), 64).astype(np.int64)) - 1
    chosen: Array = np.unique(np.concatenate((first, some, [len(x) - 1])))
    return chosen


def _farthest(x: Array, y: Array, start: int, end: int) -> tuple[float, int, int, int]:
    """The point between two that lies farthest from the line through them, as (−distance, start, point, end)."""
    import numpy as np

    if end - start < 2:
        return 0.0, start, start, end
    dx, dy = x[end] - x[start], y[end] - y[start]
    px, py = x[start + 1 : end] - x[start], y[start + 1 : end] - y[start]
    length = math.hypot(dx, dy)
    away = np.abs(px * dy - py * dx) / length if length else np.hypot(px, py)
    most = int(away.argmax())
    return -float(away[most]), start, start + 1 + most, end


def short(value: float) -> float:
    """Five digits: more than any drawing shows."""
    return float(f"{value:.5g}")
