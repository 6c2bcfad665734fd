"""Errors of numbers, and how two models differ on each query or example, drawn from what the receipt keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlci.report import facts, svg, words
from mlci.report.curves import MODELS, Figure, values
from mlci.report.markup import Child
from mlci.report.panels import Panel, stairs


@dataclass(frozen=True)
class _Bin:
    """Rows of about the same prediction: the mean of prediction and truth, five quantiles of the error."""

    predicted: float
    actual: float
    error: tuple[float, ...]
    rows: float


def residuals(found: dict[str, Any]) -> list[Figure]:
    """Errors by prediction, their spread, and the truth by prediction."""
    bins = {who: _bins(found.get(who)) for who in MODELS}
    bins = {who: some for who, some in bins.items() if some}
    if not bins:
        return []
    spread = _spread(facts.mapping(found.get("spread")), "Spread of the errors", "error: predicted less true")
    return [_errors(bins), *([spread] if spread else []), _truth(bins)]


def _bins(raw: Any) -> list[_Bin]:
    out = []
    for one in facts.objects(raw)[:100]:
        predicted, actual, rows = (facts.number(one.get(key)) for key in ("predicted", "actual", "rows"))
        error = values(one.get("error"))
        if predicted is not None and actual is not None and rows is not None and len(error) == 5:
            out.append(_Bin(predicted, actual, tuple(error), rows))
    return out


def _errors(bins: dict[str, list[_Bin]]) -> Figure:
    every = [one for some in bins.values() for one in some]
    ends = [e for one in every for e in one.error] + [0.0]
    panel = Panel(_wide([one.predicted for one in every]), _wide(ends), ("predicted", "error: predicted less true"))
    panel.add(svg.line(panel.x.start, panel.y(0), panel.x.end, panel.y(0), "zero"))
    for who, some in reversed(bins.items()):
        lines = [[(one.predicted, one.error[n]) for one in some] for n in range(5)]
        if who == "challenger":
            panel.band(lines[0], lines[4], "wide")
            panel.band(lines[1], lines[3], "")
        else:
            panel.line(lines[0], "old thin")
            panel.line(lines[4], "old thin")
        panel.line(lines[2], MODELS[who][1])
    outer = " The outer lines of the champion: its 5 % and 95 %." if "champion" in bins else ""
    return Figure(
        "Errors by prediction",
        panel.canvas("Quantiles of the error against the prediction, of both models"),
        f"The line is the median error, the dark band half of the rows, the light band 90 % of them.{outer}",
        ("Model", "Predicted", "5 %", "25 %", "Median", "75 %", "95 %", "Rows"),
        [
            (MODELS[who][0], *(words.number(v, 3) for v in (one.predicted, *one.error)), words.number(one.rows))
            for who, some in reversed(bins.items())
            for one in some
        ],
    )


def _truth(bins: dict[str, list[_Bin]]) -> Figure:
    ends = _wide([v for some in bins.values() for one in some for v in (one.predicted, one.actual)])
    panel = Panel(ends, ends, ("predicted, mean of a bin", "true, mean of a bin"))
    panel.across(*ends)
    for who, some in bins.items():
        line = [(one.predicted, one.actual) for one in some]
        panel.line(line, f"{MODELS[who][1]} thin")
        panel.dots(line, MODELS[who][1], 3.5)
    return Figure(
        "Truth by prediction",
        panel.canvas("The mean of the truth against the mean of the prediction, of both models"),
        "Dotted: the truth is what was predicted. Bins of equal size.",
        ("Model", "Predicted", "True", "Rows"),
        [
            (MODELS[who][0], words.number(one.predicted), words.number(one.actual), words.number(one.rows))
            for who, some in reversed(bins.items())
            for one in some
        ],
    )


def _wide(ends: list[float]) -> tuple[float, float]:
    low, high = min(ends), max(ends)
    room = (high - low) * 0.04
    return low - room, high + room


def each(found: dict[str, Any]) -> Figure | None:
    """How the models differ on each query or row by one metric."""
    paired = found.get("paired") is True
    noun = "query" if found.get("of") == "query" else "row"
    metric = words.line(found.get("metric", ""), 60)
    across = f"new model less champion, on each {noun}" if paired else f"the new model's, on each {noun}"
    made = _spread(facts.mapping(found.get("spread")), metric, across, "queries" if noun == "query" else "rows")
    better, same, count = (facts.number(found.get(key)) for key in ("better", "same", "count"))
    if made is None or count is None:
        return None
    of = words.count(count, noun, "queries" if noun == "query" else "rows")
    note = f"Of {of}."
    if better is not None and same is not None:
        parts = f"better on {_part(better)}, the same on {_part(same)}, worse on {_part(1 - better - same)}"
        note = f"The new model is {parts} of {of}."
    return Figure(made.name, made.plot, f"{note} {made.note}".strip(), made.head, made.rows)


def _part(share: float) -> str:
    return words.share(share, 1) if share > 1e-9 else "0%"


def _spread(found: dict[str, Any], name: str, across: str, of: str = "rows") -> Figure | None:
    """Histograms of one or two models over the same bins, as shares of their rows."""
    start, step = facts.number(found.get("start")), facts.number(found.get("step"))
    heights, rest = {}, 0.0
    for who in MODELS:
        one = facts.mapping(found.get(who))
        counts = values(one.get("counts"))
        outside = (facts.number(one.get("below")) or 0.0) + (facts.number(one.get("above")) or 0.0)
        whole = sum(counts) + outside
        if counts and 0 < whole < 1e300:
            heights[who] = [max(0.0, n) / whole for n in counts]
            rest = max(rest, outside / whole)
    if start is None or step is None or not 0 < step < 1e290 or not heights:
        return None
    bins = max(map(len, heights.values()))
    most = max(max(one) for one in heights.values()) or 1.0
    panel = Panel((start, start + bins * step), (0, most * 1.05), (across, f"share of the {of}"))
    if panel.x.low <= 0 <= panel.x.high:
        panel.add(svg.line(panel.x(0), panel.y.start, panel.x(0), panel.y.end, "zero"))
    for who, shelf in reversed(heights.items()):
        if who == "challenger":
            outline = stairs(start, step, shelf)
            panel.add(svg.path([(panel.x(a), panel.y(b)) for a, b in outline], "area", step=True))
        panel.line(stairs(start, step, shelf), MODELS[who][1], step=True)
    rows: list[tuple[Child, ...]] = [
        (
            f"{words.number(start + n * step, 3)} to {words.number(start + (n + 1) * step, 3)}",
            *(_part(shelf[n]) if n < len(shelf) else None for _, shelf in reversed(heights.items())),
        )
        for n in range(bins)
    ]
    far = f"{words.share(rest, 1)} lie beyond the edges." if rest > 0 else ""
    head = ("From", *(MODELS[who][0].capitalize() for who in reversed(heights)))
    return Figure(name, panel.canvas(f"{name}: {across}"), far, head, rows)
