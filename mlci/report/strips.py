"""Plots drawn with characters, for places that take only text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlci.report import svg, words
from mlci.report.facts import Estimate, Metric, Point
from mlci.report.timeline import rates_of

_WIDTH, _NAME = 46, 11
_BLOCKS = "▁▂▃▄▅▆▇█"


def metric_strip(metric: Metric) -> list[str]:
    """Intervals of both models with the limits of `min` and `max`; under them their difference from zero."""
    models = [(n, e, m) for n, e, m in (("new model", metric.challenger, "●"), ("champion", metric.champion, "○")) if e]
    limits = [v for rule in ("min", "max") if (v := metric.limit(rule)) is not None]
    lines = _panel(models, limits)
    if metric.difference:
        sign = 1.0 if metric.higher_is_better else -1.0
        claims = [
            sign * side * v for rule, side in (("margin", -1), ("improve", 1)) if (v := metric.limit(rule)) is not None
        ]
        lines += _panel([("difference", metric.difference, "●")], [0.0, *claims])
    return lines


def _panel(rows: Sequence[tuple[str, Estimate, str]], limits: Sequence[float]) -> list[str]:
    if not rows:
        return []
    ends = [v for _, e, _ in rows for v in (e.low, e.value, e.high)]
    scale = svg.spanning([*ends, *limits], 0, _WIDTH - 1, 0.03)
    return [
        f"{name:<{_NAME}} {_strip(e, mark, limits, scale)} {words.fixed(e.value, e.spread)}" for name, e, mark in rows
    ]


def _strip(estimate: Estimate, mark: str, limits: Sequence[float], scale: svg.Scale) -> str:
    cells = [" "] * _WIDTH
    for limit in limits:
        cells[round(scale(limit))] = "┊"
    low, value, high = (round(scale(v)) for v in (estimate.low, estimate.value, estimate.high))
    for n in range(low, high + 1):
        cells[n] = "─"
    cells[low], cells[high] = "├", "┤"
    cells[value] = mark
    return "".join(cells)


def timeline_strips(points: Sequence[Point]) -> list[str]:
    """The canary over time: its share, the failures of both versions, the evidence on a log scale."""
    if len(points) < 2:
        return []
    lines = [_line("new version's share", points, [p.weight for p in points], 1.0)]
    rates = {
        "failed, new": rates_of([p.canary for p in points]),
        "failed, earlier": rates_of([p.stable for p in points]),
    }
    top = max([v for line in rates.values() for v in line if v is not None], default=0.0)
    lines += [_line(name, points, line, top) for name, line in rates.items() if any(v is not None for v in line)]
    threshold = next((p.threshold for p in reversed(points) if p.threshold and p.threshold > 1), 100.0)
    for name in sorted({n for p in points for n in p.harm})[:6]:
        values = [p.harm.get(name) for p in points]
        logs = [None if v is None else math.log10(max(v, 1.0)) for v in values]
        last = next((v for v in reversed(values) if v is not None), None)
        end = f"{words.number(last, 3)} of {words.number(threshold)}"
        lines.append(_line(f"worse by {name}", points, logs, math.log10(threshold), end))
    return lines


def _line(name: str, points: Sequence[Point], values: Sequence[float | None], top: float, end: str = "") -> str:
    """Blocks over time: each column is the newest value of its part of the time."""
    first, last = points[0].t, points[-1].t
    columns: list[float | None] = [None] * _WIDTH
    for point, value in zip(points, values, strict=True):
        at = int((point.t - first) / (last - first) * (_WIDTH - 1)) if last > first else 0
        columns[at] = value if value is not None else columns[at]
    held: float | None = None
    drawn = []
    for value in columns:
        held = value if value is not None else held
        drawn.append(" " if held is None else _BLOCKS[min(7, int(max(0.0, held) / top * 7.999)) if top > 0 else 0])
    final = next((v for v in reversed(values) if v is not None), None)
    return f"{words.line(name, 24):<24} {''.join(drawn)} {end or (words.share(final, 1) if final else '0%')}"
