"""Is one group of rows served much worse than all of them, or worse than the champion serves it?

The gap of a slice is how much worse the metric is in it than over all rows, in the metric's bad direction; the test
uses the influences of the slice and of all rows together, for a slice is part of all rows. Its difference is
challenger − champion on its rows, paired as for all rows.

A slice blocks only when it is certain: the one-sided tests of "gap <= max_gap" and of "not worse than the champion by
more than margin" are one family over all judged slices under Holm's correction (Holm 1979), so that a fair model is
blocked by any of them at most 1 − confidence of the time. What is only reported, that a slice is worse than all rows
at all, is marked under a false discovery rate of 1 − confidence (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mlci.gate import words
from mlci.gate.deciding import student
from mlci.gate.deciding.decide import Verdict, worst
from mlci.gate.deciding.intervals import Estimate, Fit, difference, error, freedom, groups, interval, part
from mlci.gate.deciding.multiple import benjamini_hochberg, holm

if TYPE_CHECKING:
    from mlci.config.judging import Slices
    from mlci.gate.table import Array, Grouping


@dataclass(frozen=True)
class Slice:
    """One group of rows; a positive gap is worse than all rows. Only `fail` blocks.

    `discovery` is the adjusted p-value of "it is no worse than all rows", for the report; `difference` is
    challenger − champion in the slice, where there is a champion, and `champion` the champion's own; `found` is whether
    it was named or searched for.
    """

    by: str
    value: str
    rows: int
    estimate: Estimate
    gap: float
    verdict: Verdict
    reason: str = ""
    discovery: float = 1.0
    difference: Estimate | None = None
    champion: Estimate | None = None
    found: Literal["by", "search"] = "by"


@dataclass(frozen=True)
class Skipped:
    """Groups of one column that were not judged, and why."""

    by: str
    groups: int
    rows: int
    reason: str


@dataclass(frozen=True)
class Group:
    """A slice with the p-values of its tests: of each blocking one, and that it is no worse than all rows at all."""

    by: str
    value: str
    one: Fit
    gap: float
    worse: float
    over: float | None = None
    behind: float | None = None
    difference: Estimate | None = None
    champion: Estimate | None = None


def judge_slices(
    groupings: Sequence[Grouping],
    overall: Fit,
    rules: Slices,
    *,
    champion: Fit | None = None,
    confidence: float,
    families: int = 1,
    seed: int = 0,
) -> tuple[tuple[Slice, ...], tuple[Skipped, ...]]:
    """Judge every group that is large enough, in the order of columns and values; count the others.

    `families` is into how many parts the level is divided, when slices are searched for too.
    """
    groups: list[Group] = []
    skipped: dict[tuple[str, str], list[int]] = {}
    for grouping in groupings:
        for value, index in _members(grouping):
            reason = unfit(overall, index, rules.min_rows)
            if reason:
                skipped.setdefault((grouping.by, reason), []).append(len(index))
            else:
                group = _compare(overall, grouping.by, value, index, rules.max_gap)
                groups.append(_beside(group, champion, index, rules.margin, confidence, seed) if champion else group)
    family = iter(holm([p for group in groups for p in (group.over, group.behind) if p is not None]))
    tests = sum(p is not None for group in groups for p in (group.over, group.behind))
    level = (1 - confidence) / families
    family_of = words.many(tests, "slice" if rules.margin is None else "test") + at_level(level, families)
    judged = []
    for group, discovery in zip(groups, benjamini_hochberg([group.worse for group in groups]), strict=True):
        over = next(family) if group.over is not None else None
        behind = next(family) if group.behind is not None else None
        found, reason = verdict(group, over, behind, rules, level, family_of)
        seen = interval(group.one, confidence, seed=seed)
        rows = len(group.one.labels)
        beside = (group.difference, group.champion)
        judged.append(Slice(group.by, group.value, rows, seen, group.gap, found, reason, discovery, *beside))
    return tuple(judged), tuple(Skipped(by, len(n), sum(n), reason) for (by, reason), n in skipped.items())


def _members(grouping: Grouping) -> Iterator[tuple[str, Array]]:
    """Each value with the positions of its rows."""
    import numpy as np

    order = np.argsort(grouping.codes, kind="stable")
    ends = np.cumsum(np.bincount(grouping.codes, minlength=len(grouping.values)))
    for value, start, end in zip(grouping.values, np.concatenate(([0], ends[:-1])), ends, strict=True):
        yield value, order[start:end]


def at_level(level: float, families: int) -> str:
    """The level of a family, where it is not the gate's own."""
    return "" if families == 1 else f" at {100 * level:.3g} %"


def unfit(overall: Fit, index: Array, min_rows: int) -> str:
    """Why a group is not judged; empty: it is."""
    if len(index) < max(min_rows, 2):
        return f"fewer than {words.many(max(min_rows, 2), 'row')}"
    if overall.clusters is not None and groups(overall.clusters[index]) < 2:
        return "all rows are of one group"
    many = overall.column.shape[1] if overall.column.ndim > 1 else 2
    if not overall.metric.defined_on(overall.labels[index], many):
        return "all labels are the same" if overall.metric.task == "regression" else "fewer than two rows of a class"
    return ""


def _compare(overall: Fit, by: str, value: str, index: Array, max_gap: float | None) -> Group:
    one = part(overall, index)
    gap = overall.metric.sign * (overall.value - one.value)
    spread = gap_error(overall, one, index)
    degrees = len(index) - 1.0 if one.table is not None else freedom(one, one.influence)

    def chance(limit: float) -> float:
        return student.tail((gap - limit) / spread, degrees) if spread else 1.0

    return Group(by, value, one, gap, chance(0.0), None if max_gap is None else chance(max_gap))


def _beside(group: Group, champion: Fit, index: Array, margin: float | None, confidence: float, seed: int) -> Group:
    """The group with the paired difference on its rows."""
    one, other = group.one, part(champion, index)
    seen = difference(one, other, confidence, seed=seed)
    behind = None
    if margin is not None:
        lost = -one.metric.sign * seen.value
        influence = one.influence - other.influence
        spread = error(one, influence)
        behind = student.tail((lost - margin) / spread, freedom(one, influence)) if spread else float(lost <= margin)
    return replace(group, difference=seen, behind=behind, champion=_drawn(other, confidence))


def _drawn(one: Fit, confidence: float) -> Estimate:
    """The champion's own interval, which is drawn and decides nothing: for counts without a bootstrap of each slice."""
    if one.table is None:
        return interval(one, confidence)
    half = student.quantile(confidence, len(one.labels) - 1) * math.sqrt(float(one.table @ one.pull**2))
    low, high = one.metric.range
    return Estimate(one.value, max(one.value - half, low), min(one.value + half, high))


def gap_error(every: Fit, some: Fit, index: Array) -> float:
    """The standard error of (all rows − these rows): the root of the summed squares of the differing influences."""
    if every.clusters is not None:
        differing = every.influence.copy()
        differing[index] -= some.influence
        return error(every, differing)
    if every.table is not None and some.table is not None:
        whole = float(every.table @ every.pull**2)
        square = whole + float(some.table @ (some.pull**2 - 2 * every.pull * some.pull))
    else:
        whole = every.squares
        square = whole + float(some.influence @ some.influence) - 2 * float(every.influence[index] @ some.influence)
    # A slice that is all rows has no gap; what rounding leaves of it is no error either.
    return math.sqrt(square) if square > 1e-12 * whole else 0.0


def verdict(
    group: Group, over: float | None, behind: float | None, rules: Slices, level: float, family: str
) -> tuple[Verdict, str]:
    """The worst of the slice's rules, with every reason."""
    found: list[tuple[Verdict, str]] = []
    if over is not None and rules.max_gap is not None and group.gap > rules.max_gap:
        found.append(_said(f"a gap of {group.gap:.4g} is over {words.plain(rules.max_gap)}", over, level, family))
    if behind is not None and rules.margin is not None and group.difference is not None:
        lost = -group.one.metric.sign * group.difference.value
        if lost > rules.margin:
            size = f"{lost:.4g} worse than the champion, over {words.plain(rules.margin)}"
            found.append(_said(size, behind, level, family))
    return worst(verdict for verdict, _ in found), "; ".join(reason for _, reason in found)


def _said(size: str, chance: float, level: float, family: str) -> tuple[Verdict, str]:
    if chance <= level:
        return "fail", f"{size} (p = {chance:.2g}, Holm over {family})"
    return "inconclusive", f"{size}, but not surely (p = {chance:.2g}, Holm over {family})"


def slice_json(one: Slice, metric: str) -> dict[str, Any]:
    """As it stands in the receipt."""
    return {
        "by": one.by,
        "value": one.value,
        "found": one.found,
        "rows": one.rows,
        "metric": metric,
        "estimate": one.estimate.to_json(),
        "gap": one.gap,
        "verdict": one.verdict,
        "reason": one.reason,
        "discovery": one.discovery,
        "difference": one.difference.to_json() if one.difference else None,
        "champion": one.champion.to_json() if one.champion else None,
    }
