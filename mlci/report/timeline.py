"""A deployment over time, on one axis: the new version's share of the traffic, the failures, the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from mlci.report import svg, words
from mlci.report.facts import Counts, Point
from mlci.report.markup import Markup

_WIDTH, _LEFT, _RIGHT = 760.0, 52.0, 118.0
_TOP, _GAP = 60.0, 40.0
_PHASE, _FLAG = 16.0, 20.0
_WEIGHT, _RATES, _EVIDENCE = 64.0, 112.0, 124.0
_MOST = 600
"""Points that are drawn; more are thinned, but never one that says something."""
_FEW = 30
"""Requests below which a rate says little, and is not drawn if there are more later."""
_SERIES = ("first", "second", "third")

_Panel = Callable[[Sequence[Point], svg.Scale, float], list[Markup]]


def timeline_plot(points: Sequence[Point]) -> Markup | None:
    """The three panels, with the phases behind them and the events across them."""
    if len(points) < 2:
        return None
    points = thinned(points)
    last = points[-1].t
    minutes = last > 300
    x = svg.Scale(min(0.0, points[0].t), last or 1.0, _LEFT, _WIDTH - _RIGHT)
    panels: list[tuple[float, _Panel]] = [(_WEIGHT, _weight)]
    if any(p.stable.requests or p.canary.requests for p in points):
        panels.append((_RATES, _rates))
    panels += [(_EVIDENCE, panel) for panel, there in _EVIDENCES if any(map(there, points))]
    drawn: list[Markup] = []
    top = _TOP
    for height, panel in panels:
        drawn += panel(points, x, top)
        top += height + _GAP
    floor = top - _GAP
    axis = svg.Scale(x.low / 60, x.high / 60, x.start, x.end) if minutes else x
    drawn += svg.axis(axis, floor, floor, 8)
    drawn.append(svg.write(_WIDTH - _RIGHT + 10, floor + 15, "minutes" if minutes else "seconds", "tick"))
    label = f"Traffic share, failures and evidence over {words.duration(last)}; the events are listed below"
    return svg.canvas(_WIDTH, floor + 22, _phases(points, x, floor), _events(points, x, floor), drawn, label=label)


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most about `_MOST` points; the first, the last, every event and every change of phase or weight stay."""
    stride = max(1, len(points) // _MOST)
    return [p for n, p in enumerate(points) if n % stride == 0 or n == len(points) - 1 or _says(points[n - 1], p)]


def _says(before: Point, point: Point) -> bool:
    return bool(point.event) or point.phase != before.phase or point.weight != before.weight


def events(points: Sequence[Point]) -> list[Point]:
    """The points at which something happened."""
    return [point for point in points if point.event]


def _frame(title: str, y: svg.Scale, marks: Sequence[tuple[float, str]]) -> list[Markup]:
    drawn = [svg.write(_LEFT, y.end - 8, title, "panel")]
    for value, text in marks:
        drawn += [
            svg.line(_LEFT, y(value), _WIDTH - _RIGHT, y(value), "grid"),
            svg.write(_LEFT - 8, y(value) + 4, text, "tick", "end"),
        ]
    return drawn


def _weight(points: Sequence[Point], x: svg.Scale, top: float) -> list[Markup]:
    y = svg.Scale(0, 1, top + _WEIGHT, top)
    known = [(x(p.t), y(p.weight)) for p in points if p.weight is not None]
    drawn = _frame("Share of the traffic that the new version gets", y, [(0, "0%"), (0.5, "50%"), (1, "100%")])
    if known:
        outline = [(known[0][0], y(0)), *known, (known[-1][0], y(0))]
        drawn += [svg.path(outline, "area", step=True), svg.path(known, "series new", step=True)]
        last = next(p.weight for p in reversed(points) if p.weight is not None)
        drawn.append(svg.write(_WIDTH - _RIGHT + 10, known[-1][1] + 4, f"new {words.share(last, 1)}", "value new"))
    return drawn


def _rates(points: Sequence[Point], x: svg.Scale, top: float) -> list[Markup]:
    series = {
        "old": _rate(points, [p.stable for p in points]),
        "new": _rate(points, [p.canary for p in points]),
    }
    high = min(1.0, max([0.001, *(rate for line in series.values() for _, rate in line)]) * 1.15)
    y = svg.Scale(0, high, top + _RATES, top)
    marks = [(v, words.share(v, 1) if v else "0%") for v in svg.ticks(y, 4)]
    drawn = _frame("Requests that failed, since the start", y, marks)
    labels = []
    for look, line in series.items():
        if line:
            drawn.append(svg.path([(x(t), y(rate)) for t, rate in line], f"series {look}"))
            name = {"old": "earlier", "new": "new"}[look]
            rate = line[-1][1]
            labels.append((y(rate), f"{name} {words.share(rate, 1) if rate else '0%'}", f"value {look}"))
    return drawn + _end_labels(labels)


def rates_of(counts: Sequence[Counts]) -> list[float | None]:
    """The share of requests that failed so far, where there are enough of them to say."""
    enough = max(1.0, min(_FEW, max((c.requests for c in counts), default=0.0)))
    return [min(1.0, c.errors / c.requests) if c.requests >= enough else None for c in counts]


def _rate(points: Sequence[Point], counts: Sequence[Counts]) -> list[tuple[float, float]]:
    return [(p.t, rate) for p, rate in zip(points, rates_of(counts), strict=True) if rate is not None]


def _harm(points: Sequence[Point], x: svg.Scale, top: float) -> list[Markup]:
    limit = next((p.threshold for p in reversed(points) if p.threshold), None)
    lines = [(p.t, p.harm) for p in points]
    return _evidence("Evidence that the new version is worse", lines, ("limit", "taken back", limit), x, top)


def _clear(points: Sequence[Point], x: svg.Scale, top: float) -> list[Markup]:
    limit = next((p.needed for p in reversed(points) if p.needed), None)
    lines = [(p.t, p.clear) for p in points]
    return _evidence("Evidence that it does no harm", lines, ("goal", "more traffic", limit), x, top)


def _evidence(
    title: str,
    looks: Sequence[tuple[float, dict[str, float]]],
    line_at: tuple[str, str, float | None],
    x: svg.Scale,
    top: float,
) -> list[Markup]:
    """Evidence on a log scale; `line_at` is the look, the meaning and the place of the line that decides."""
    names = sorted({name for _, found in looks for name in found})[: len(_SERIES)]
    look_of_line, means, limit = line_at
    limit = limit if limit and limit > 0 else None
    reach = (limit or 1.0) * 1000
    values = [v for _, found in looks for name in names if (v := found.get(name, 0.0)) > 0]
    low = min([0.1, *(max(v, 1e-3) for v in values)])
    high = max([10.0, (limit or 1.0) * 5, *(min(v, reach) for v in values)])
    y = svg.Scale(low, high, top + _EVIDENCE, top, log=True)
    drawn = _frame(f"{title} (each line up: ten times as much)", y, [(v, words.number(v)) for v in svg.ticks(y, 6)])
    labels = []
    for name, look in zip(names, _SERIES, strict=False):
        line = [(t, max(found[name], low)) for t, found in looks if name in found]
        last = next(found[name] for _, found in reversed(looks) if name in found)
        drawn.append(svg.path([(x(t), y(v)) for t, v in line], f"series {look}"))
        labels.append((y(line[-1][1]), svg.fit(f"{name} {words.number(last, 2)}", 106), f"value {look}"))
    if limit:
        drawn.append(svg.line(_LEFT, y(limit), _WIDTH - _RIGHT, y(limit), look_of_line))
        drawn.append(svg.write(_LEFT + 4, y(limit) - 5, f"{means} from {words.number(limit)} on", look_of_line))
    return drawn + _end_labels(labels)


def _end_labels(labels: Sequence[tuple[float, str, str]]) -> list[Markup]:
    """Names at the ends of lines, moved apart where they would cover each other."""
    drawn, free = [], float("-inf")
    for y, text, look in sorted(labels):
        free = max(y, free + 15)
        drawn.append(svg.write(_WIDTH - _RIGHT + 10, free + 4, text, look))
    return drawn


def _phases(points: Sequence[Point], x: svg.Scale, floor: float) -> list[Markup]:
    """Every other phase shaded, each with its name where there is room."""
    starts = [points[0], *(b for a, b in pairwise(points) if b.phase != a.phase)]
    ends = [*(p.t for p in starts[1:]), points[-1].t]
    drawn = []
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        left, right = x(start.t), x(end)
        if n % 2:
            drawn.append(svg.box(left, _PHASE, right - left, floor - _PHASE, "phase"))
        if right - left > 14 + 6 * len(start.phase):
            drawn.append(
                svg.write((left + right) / 2, _PHASE - 5, svg.fit(start.phase, right - left), "tick", "middle")
            )
    return drawn


def _events(points: Sequence[Point], x: svg.Scale, floor: float) -> list[Markup]:
    """A numbered line for each event; the numbers are those of the list of events."""
    drawn, free = [], float("-inf")
    for n, point in enumerate(events(points)[:20], 1):
        look = "event back" if point.phase == "rollback" else "event"
        free = max(x(point.t), free + 17)
        drawn += [
            svg.line(x(point.t), _FLAG, x(point.t), floor, look),
            svg.box(free - 8, _FLAG, 16, 14, f"flag {look}", 4),
            svg.write(free, _FLAG + 11, str(n), "flag", "middle"),
        ]
    return drawn


_EVIDENCES: list[tuple[_Panel, Callable[[Point], object]]] = [(_harm, lambda p: p.harm), (_clear, lambda p: p.clear)]
