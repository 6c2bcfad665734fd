"""Estimates with their intervals beside the limits that they have to keep."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from mlci.report import svg, words
from mlci.report.facts import Estimate, Metric, Slice
from mlci.report.markup import Markup, tag

_WIDTH, _LEFT, _RIGHT = 340.0, 74.0, 16.0
_ROW = 34.0
_FAR = 60.0
"""A limit that would press the intervals below this fraction of the axis is named at its edge instead."""


def metric_plot(metric: Metric) -> Markup | None:
    """New model and champion on one axis with the limits of `min` and `max`; below it their difference."""
    rows = [(n, e, c) for n, e, c in _models(metric) if e is not None]
    if not rows:
        return None
    limits = [(rule, value) for rule in ("min", "max") if (value := metric.limit(rule)) is not None]
    drawn, height = _panel(rows, [(f"{r} {words.number(v)}", v, r == "min") for r, v in limits], top=0)
    if metric.difference:
        below, height = _panel(
            [("difference", metric.difference, "new")], _claims(metric), top=height + 8, zero=True, sign="+"
        )
        drawn += below
    return svg.canvas(_WIDTH, height, drawn, label=_said(metric))


def _models(metric: Metric) -> list[tuple[str, Estimate | None, str]]:
    return [("new model", metric.challenger, "new"), ("champion", metric.champion, "old")]


def _claims(metric: Metric) -> list[tuple[str, float, bool]]:
    """The limits on the difference, and whether the bad side is below them."""
    sign = 1.0 if metric.higher_is_better else -1.0
    out = []
    for rule, side in (("margin", -1.0), ("improve", 1.0)):
        size = metric.limit(rule)
        if size is not None:
            at = sign * side * size
            out.append((f"{rule} {words.signed(at) if at else '0'}", at, metric.higher_is_better))
    return out


def _panel(
    rows: Sequence[tuple[str, Estimate, str]],
    limits: Sequence[tuple[str, float, bool]],
    *,
    top: float,
    zero: bool = False,
    sign: str = "",
) -> tuple[list[Markup], float]:
    """Rows of intervals over one axis; returns the drawing and where it ends."""
    ends = [v for _, e, _ in rows for v in (e.low, e.value, e.high)]
    spread = max(ends) - min(ends)
    near = [v for _, v, _ in limits if not _far(v, ends, spread)]
    scale = svg.spanning([*ends, *near, *([0.0] if zero else [])], _LEFT, _WIDTH - _RIGHT, 0.12)
    head = top + (18 if limits else 4)
    floor = head + _ROW * len(rows)
    drawn = svg.axis(scale, floor, head, 4)
    drawn += [part for limit in limits for part in _limit(limit, scale, head, floor, far=_far(limit[1], ends, spread))]
    if zero:
        drawn.append(svg.line(scale(0), head, scale(0), floor, "zero"))
    for n, (name, estimate, look) in enumerate(rows):
        y = head + _ROW * n + 23
        x = min(max(scale(estimate.value), _LEFT + 20), _WIDTH - _RIGHT - 20)
        drawn += [
            svg.write(0, y + 4, name, "label"),
            svg.interval(scale(estimate.low), scale(estimate.value), scale(estimate.high), y, look),
            svg.write(x, y - 8, words.fixed(estimate.value, estimate.spread, sign), "value", "middle"),
        ]
    return drawn, floor + 20


def _far(limit: float, ends: Sequence[float], spread: float) -> bool:
    reach = max(*ends, limit) - min(*ends, limit)
    return spread > 0 and reach > _FAR * spread


def _limit(limit: tuple[str, float, bool], scale: svg.Scale, top: float, floor: float, *, far: bool) -> list[Markup]:
    """The line of a limit, and its bad side shaded."""
    name, value, bad_below = limit
    if far:
        left = value < scale.low
        x, anchor = (scale.start, "start") if left else (scale.end, "end")
        return [svg.write(x, top - 6, f"◂ {name}" if left else f"{name} ▸", "limit", anchor)]
    x = scale(value)
    start, end = (scale.start, x) if bad_below else (x, scale.end)
    anchor = "start" if x < _LEFT + 40 else "end" if x > _WIDTH - 56 else "middle"
    return [
        svg.box(start, top, end - start, floor - top, "bad"),
        svg.line(x, top, x, floor, "limit"),
        svg.write(x, top - 6, name, "limit", anchor),
    ]


def _said(metric: Metric) -> str:
    parts = [f"{name} {_in_words(e)}" for name, e, _ in _models(metric) if e]
    if metric.difference:
        parts.append(f"difference {_in_words(metric.difference, '+')}")
    return f"{words.line(metric.name, 80)}: " + "; ".join(parts)


def _in_words(one: Estimate, sign: str = "") -> str:
    value, low, high = (words.fixed(v, one.spread, sign) for v in (one.value, one.low, one.high))
    return f"{value}, between {low} and {high}"


_SLICE_WIDTH, _NAMES, _NUMBERS, _SLICE_ROW = 760.0, 236.0, 176.0, 21.0


def slices_plot(found: Sequence[Slice], overall: float | None, limit: float | None) -> Markup | None:
    """Groups of rows, one below the other, beside the value of all rows and the limit for a group."""
    drawable = [one for one in found if one.estimate]
    if not drawable:
        return None
    ends = [v for one in drawable if one.estimate for v in (one.estimate.low, one.estimate.value, one.estimate.high)]
    marks = [v for v in (overall, limit) if v is not None]
    scale = svg.spanning([*ends, *marks], _NAMES, _SLICE_WIDTH - _NUMBERS, 0.04)
    top, floor = 22.0, 22 + _SLICE_ROW * len(drawable)
    drawn = svg.axis(scale, floor, top, 8)
    if limit is not None and overall is not None:
        start, end = (scale.start, scale(limit)) if limit < overall else (scale(limit), scale.end)
        drawn += [
            svg.box(start, top, end - start, floor - top, "bad"),
            svg.line(scale(limit), top, scale(limit), floor, "limit"),
        ]
        drawn.append(svg.write(scale(limit), top - 7, "limit", "limit", "end" if limit < overall else "start"))
    if overall is not None:
        drawn.append(svg.line(scale(overall), top, scale(overall), floor, "zero"))
        drawn.append(
            svg.write(scale(overall), top - 7, "all rows", "tick", "start" if (limit or overall) <= overall else "end")
        )
    spread = median(one.estimate.spread for one in drawable if one.estimate)
    for n, one in enumerate(drawable):
        if one.estimate:
            drawn.append(_slice(one, one.estimate, scale, top + _SLICE_ROW * n + 14, spread))
    label = f"{len(drawable)} groups of rows with their intervals, the worst first; the numbers are in the table"
    return svg.canvas(_SLICE_WIDTH, floor + 20, drawn, label=label)


def _slice(one: Slice, estimate: Estimate, scale: svg.Scale, y: float, spread: float) -> Markup:
    name = f"{one.by} = {one.value}"
    numbers = words.fixed(estimate.value, spread)
    gap = f"gap {words.fixed(one.gap, spread)}" if one.gap is not None else ""
    return tag(
        "g",
        tag(
            "title",
            words.line(f"{name}: {_in_words(estimate)}; {words.count(one.rows, 'row')}; {words.state(one.verdict)}"),
        ),
        svg.badge(one.verdict, 9, y - 4),
        svg.write(24, y, svg.fit(name, 128, 12), "label"),
        svg.write(_NAMES - 12, y, words.count(one.rows, "row"), "tick", "end"),
        svg.interval(scale(estimate.low), scale(estimate.value), scale(estimate.high), y - 4, f"new {one.verdict}"),
        svg.write(_SLICE_WIDTH - _NUMBERS + 16, y, numbers, "value"),
        svg.write(_SLICE_WIDTH, y, gap, "tick", "end"),
    )
