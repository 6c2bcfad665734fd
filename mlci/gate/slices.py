"""Is one group of rows served much worse than all of them?

The gap of a slice is how much worse the metric is in it than over all rows, in the metric's bad direction. It blocks
only when it is certain: the one-sided test of "gap <= max_gap" is rejected after Holm's correction (Holm 1979) over all
slices that were judged, so that a fair model is blocked by any of its slices at most 1 − confidence of the time. The
test uses the influences of the slice and of all rows together, for a slice is part of all rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlci.gate import student, words
from mlci.gate.decide import Verdict
from mlci.gate.intervals import Estimate, Fit, fit, freedom, interval

if TYPE_CHECKING:
    from mlci.config.model import Slices
    from mlci.gate.table import Array, Grouping, Numbers


@dataclass(frozen=True)
class Slice:
    """One group of rows; a positive gap is worse than all rows. Only `fail` blocks."""

    by: str
    value: str
    rows: int
    estimate: Estimate
    gap: float
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Skipped:
    """Groups of one column that were not judged, and why."""

    by: str
    groups: int
    rows: int
    reason: str


@dataclass(frozen=True)
class _Group:
    by: str
    value: str
    one: Fit
    gap: float
    chance: float


def judge_slices(
    groupings: Sequence[Grouping],
    overall: Fit,
    rules: Slices,
    *,
    confidence: float,
    seed: int = 0,
) -> tuple[tuple[Slice, ...], tuple[Skipped, ...]]:
    """Judge every group that is large enough, in the order of columns and values; count the others."""
    groups: list[_Group] = []
    skipped: dict[tuple[str, str], list[int]] = {}
    for grouping in groupings:
        for value, index in _members(grouping):
            reason = _unfit(overall, index, rules.min_rows)
            if reason:
                skipped.setdefault((grouping.by, reason), []).append(len(index))
            else:
                groups.append(_compare(overall, grouping.by, value, index, rules.max_gap))
    adjusted = holm([group.chance for group in groups])
    judged = []
    for group, chance in zip(groups, adjusted, strict=True):
        verdict, reason = _verdict(group.gap, chance, len(groups), rules.max_gap, confidence)
        seen = interval(group.one, confidence, seed=seed)
        judged.append(Slice(group.by, group.value, len(group.one.labels), seen, group.gap, verdict, reason))
    return tuple(judged), tuple(Skipped(by, len(n), sum(n), reason) for (by, reason), n in skipped.items())


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: compared with one level, they keep the family's error below it (Holm 1979)."""
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, i in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        highest = max(highest, min(1.0, chances[i] * (len(chances) - rank)))
        adjusted[i] = highest
    return adjusted


def _members(grouping: Grouping) -> Iterator[tuple[str, Array]]:
    """Each value with the positions of its rows."""
    import numpy as np

    order = np.argsort(grouping.codes, kind="stable")
    ends = np.cumsum(np.bincount(grouping.codes, minlength=len(grouping.values)))
    for value, start, end in zip(grouping.values, np.concatenate(([0], ends[:-1])), ends, strict=True):
        yield value, order[start:end]


def _unfit(overall: Fit, index: Array, min_rows: int) -> str:
    if len(index) < max(min_rows, 2):
        return f"fewer than {words.many(max(min_rows, 2), 'row')}"
    if not overall.metric.defined_on(overall.labels[index]):
        classes = overall.metric.task == "classification"
        return "fewer than two rows of a class" if classes else "all labels are the same"
    return ""


def _compare(overall: Fit, by: str, value: str, index: Array, max_gap: float | None) -> _Group:
    one = fit(overall.metric, overall.labels[index], overall.column[index])
    gap = overall.metric.sign * (overall.value - one.value)
    error = _gap_error(overall.influence, one.influence, index)
    if max_gap is None or error == 0:
        return _Group(by, value, one, gap, 1.0)
    return _Group(by, value, one, gap, student.tail((gap - max_gap) / error, freedom(one, one.influence)))


def _gap_error(every: Numbers, some: Numbers, index: Array) -> float:
    """The standard error of (all rows − these rows): the root of the summed squares of the differing influences."""
    square = float(every @ every) + float(some @ some) - 2 * float(every[index] @ some)
    # A slice that is all rows has no gap; what rounding leaves of it is no error either.
    return math.sqrt(square) if square > 1e-12 * float(every @ every) else 0.0


def _verdict(gap: float, chance: float, judged: int, max_gap: float | None, confidence: float) -> tuple[Verdict, str]:
    if max_gap is None or gap <= max_gap:
        return "pass", ""
    size = f"a gap of {gap:.4g} is over {words.plain(max_gap)}"
    over = f"Holm over {words.many(judged, 'slice')}"
    if chance <= 1 - confidence:
        return "fail", f"{size} (p = {chance:.2g}, {over})"
    return "inconclusive", f"{size}, but not surely (p = {chance:.2g}, {over})"


def slice_json(one: Slice, metric: str) -> dict[str, Any]:
    """As it stands in the receipt."""
    return {
        "by": one.by,
        "value": one.value,
        "rows": one.rows,
        "metric": metric,
        "estimate": one.estimate.to_json(),
        "gap": one.gap,
        "verdict": one.verdict,
        "reason": one.reason,
    }
