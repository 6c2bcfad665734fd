"""Estimates with their intervals beside the limits that they have to keep."""

from __future__ import annotations

from collections.abc import Sequence

from mlci.report import svg, words
from mlci.report.facts import Estimate, Metric
from mlci.report.markup import Markup, join, tag

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
    far = {name for name, v, _ in limits if _far(v, ends, spread)}
    lifts = _lifts([limit for limit in limits if limit[0] not in far], scale)
    head = top + (18 + max(lifts.values(), default=0) if limits else 4)
    floor = head + _ROW * len(rows)
    drawn = svg.axis(scale, floor, head, 4)
    for limit in limits:
        lift = lifts.get(limit[0], 0.0)
        drawn += _limit(limit, scale, head, floor, lift=lift, far=limit[0] in far)
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


def _lifts(limits: Sequence[tuple[str, float, bool]], scale: svg.Scale) -> dict[str, float]:
    """How far up the name of each limit stands, so that none covers another."""
    if len(limits) < 2:
        return {}
    (one, a, _), (other, b, _) = limits[:2]
    room = 6.6 * (len(one) + len(other)) + 8
    return {other: 13.0} if abs(scale(a) - scale(b)) < room else {}


def _limit(
    limit: tuple[str, float, bool], scale: svg.Scale, top: float, floor: float, *, lift: float, far: bool
) -> list[Markup]:
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
        svg.write(x, top - 6 - lift, name, "limit", anchor),
    ]


def _said(metric: Metric) -> str:
    parts = [f"{name} {in_words(e)}" for name, e, _ in _models(metric) if e]
    if metric.difference:
        parts.append(f"difference {in_words(metric.difference, '+')}")
    return f"{words.line(metric.name, 80)}: " + "; ".join(parts)


def in_words(one: Estimate, sign: str = "") -> str:
    """A value and its interval."""
    value, low, high = (words.fixed(v, one.spread, sign) for v in (one.value, one.low, one.high))
    return f"{value}, between {low} and {high}"


def cell(one: Estimate | None, sign: str = "") -> Markup | None:
    """A value for a table, and its interval under it."""
    if one is None:
        return None
    value, low, high = (words.fixed(v, one.spread, sign) for v in (one.value, one.low, one.high))
    return join(value, tag("small", f"{low} to {high}"))
