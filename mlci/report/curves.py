"""What the receipt keeps of both models' curves, drawn: each figure with a table that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlci.report import facts, svg, words
from mlci.report.markup import Child, Markup
from mlci.report.panels import FLOOR, LEFT, RIGHT, WIDTH, Panel, Points, stairs

MODELS = {"champion": ("champion", "old"), "challenger": ("new model", "new")}
"""The names and looks of the models. Lines are drawn the other way round: through dashes one sees what lies below."""
_MOST = 400
"""Points of a line that are drawn at most, whatever a receipt holds."""


@dataclass(frozen=True)
class Figure:
    """A drawing with its name, what it says in a sentence, and its table: head, rows, columns of numbers."""

    name: str
    plot: Markup
    note: str
    head: tuple[str, ...]
    rows: list[tuple[Child, ...]]


def binary(found: dict[str, Any]) -> list[Figure]:
    """ROC, precision and recall, and calibration, of those that there are."""
    made = (_roc(found), _precision(found), _calibration(found))
    return [one for one in made if one]


def pairs(raw: Any) -> list[tuple[float, float]]:
    """Points of two finite numbers."""
    out = []
    for one in raw[:_MOST] if isinstance(raw, (list, tuple)) else ():
        x, y = (
            (facts.number(part) for part in one) if isinstance(one, (list, tuple)) and len(one) == 2 else (None, None)
        )
        if x is not None and y is not None:
            out.append((x, y))
    return out


def values(raw: Any) -> list[float]:
    """The finite numbers of a list; empty when one is none."""
    found = [facts.number(one) for one in raw[:_MOST]] if isinstance(raw, (list, tuple)) else []
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else []


def lines(found: dict[str, Any], name: str) -> dict[str, list[tuple[float, float]]]:
    """A line of each model that has it."""
    made = {who: pairs(facts.mapping(found.get(who)).get(name)) for who in MODELS}
    return {who: line for who, line in made.items() if len(line) > 1}


def _roc(found: dict[str, Any]) -> Figure | None:
    drawn = lines(found, "roc")
    if not drawn:
        return None
    panel = Panel((0, 1), (0, 1), ("false positives, of all negative rows", "recall, of all positive rows"))
    panel.across(0, 1)
    _draw(panel, drawn)
    at = _thresholds(panel, found, "false_positive_rate", "recall")
    rates = (0.01, 0.05, 0.1, 0.2, 0.5)
    return Figure(
        "ROC",
        panel.canvas("ROC: recall against false positives of both models; dotted is chance"),
        f"Dotted: chance.{at}",
        ("False positives", *_names(drawn)),
        [(words.share(x, 1), *(words.share(_at(line, x), 1) for line in _newest(drawn))) for x in rates],
    )


def _precision(found: dict[str, Any]) -> Figure | None:
    drawn = lines(found, "pr")
    if not drawn:
        return None
    panel = Panel((0, 1), (0, 1), ("recall", "precision"))
    base = facts.number(found.get("positives"))
    if base is not None:
        panel.add(svg.line(panel.x(0), panel.y(base), panel.x(1), panel.y(base), "zero"))
    _draw(panel, drawn)
    at = _thresholds(panel, found, "recall", "precision")
    chance = f"Dotted: chance, {words.share(base, 1)} of the rows are positive." if base is not None else ""
    rates = (0.1, 0.3, 0.5, 0.7, 0.9)
    return Figure(
        "Precision and recall",
        panel.canvas("Precision against recall of both models; dotted is chance"),
        f"{chance}{at}",
        ("Recall", *_names(drawn)),
        [(words.share(x, 1), *(words.share(_at(line, x), 1) for line in _newest(drawn))) for x in rates],
    )


def _draw(panel: Panel, drawn: dict[str, list[tuple[float, float]]]) -> None:
    for who, line in reversed(drawn.items()):
        panel.line(line, MODELS[who][1])


def _names(drawn: dict[str, Any]) -> list[str]:
    return [MODELS[who][0].capitalize() for who in reversed(drawn)]


def _newest(drawn: dict[str, Any]) -> list[Any]:
    return list(reversed(drawn.values()))


def _thresholds(panel: Panel, found: dict[str, Any], across: str, up: str) -> str:
    """Mark the thresholds in use on both curves; says so."""
    named = []
    for who, (_, look) in MODELS.items():
        for one in facts.objects(facts.mapping(found.get(who)).get("at"))[:8]:
            x, y, at = (facts.number(one.get(key)) for key in (across, up, "threshold"))
            if x is not None and y is not None and at is not None:
                panel.dots([(x, y)], look, 5)
                named.append(words.number(at))
    return f" Marked: the threshold {', '.join(dict.fromkeys(named))} that metrics use." if named else ""


def _at(line: Points, x: float) -> float:
    """The height of a rising line at `x`, straight between its points."""
    for (a, low), (b, high) in pairwise(line):
        if a <= x <= b:
            return low + (high - low) * (x - a) / (b - a) if b > a else max(low, high)
    return line[0][1] if x < line[0][0] else line[-1][1]


@dataclass(frozen=True)
class _Bin:
    predicted: float
    observed: float
    low: float
    high: float
    rows: float


def _calibration(found: dict[str, Any]) -> Figure | None:
    drawn = {who: _bins(facts.mapping(found.get(who)).get("calibration")) for who in MODELS}
    drawn = {who: bins for who, bins in drawn.items() if bins}
    if not drawn:
        return None
    most = max(max(one.predicted, one.high) for bins in drawn.values() for one in bins)
    top = 1.0 if most > 0.5 else min(1.0, most * 1.1) or 1.0
    panel = Panel((0, top), (0, top), ("score, mean of a bin", "share that is positive"), floor=FLOOR - 46)
    panel.across(0, top)
    for n, (who, bins) in enumerate(drawn.items()):
        look = MODELS[who][1]
        panel.line([(one.predicted, one.observed) for one in bins], f"{look} thin")
        for one in bins:
            panel.upright(one.predicted, one.low, one.high, look, n * 2 - 1)
        panel.dots([(one.predicted, one.observed) for one in bins], look, 3.5)
    below = _scores(found, top)
    return Figure(
        "Calibration",
        panel.canvas("Calibration: the share of positive rows against the score of both models", *below),
        "Dotted: the share is what the score says. Bins of equal size, each with its interval. Below: the scores.",
        ("Model", "Score", "Share positive", "Interval", "Rows"),
        [
            (
                MODELS[who][0],
                words.number(one.predicted, 3),
                words.number(one.observed, 3),
                f"{words.number(one.low, 3)} to {words.number(one.high, 3)}",
                words.number(one.rows),
            )
            for who, bins in reversed(drawn.items())
            for one in bins
        ],
    )


def _bins(raw: Any) -> list[_Bin]:
    out = []
    for one in facts.objects(raw)[:_MOST]:
        read = [facts.number(one.get(key)) for key in ("predicted", "observed", "low", "high", "rows")]
        known = [value for value in read if value is not None]
        if len(known) == len(read):
            out.append(_Bin(*known))
    return out


def _scores(found: dict[str, Any], top: float) -> list[Markup]:
    """Where the scores lie, as outlines of histograms of the same scale as the panel above, below its axis."""
    heights = {}
    for who in MODELS:
        classes = facts.mapping(facts.mapping(found.get(who)).get("scores"))
        good, bad = values(classes.get("positive")), values(classes.get("negative"))
        if good and len(good) == len(bad):
            heights[who] = [a + b for a, b in zip(good, bad, strict=True)]
    most = max((max(one) for one in heights.values()), default=0.0)
    if most <= 0:
        return []
    x, y = svg.Scale(0, top, LEFT, WIDTH - RIGHT), svg.Scale(0, most, FLOOR + 34, FLOOR)
    drawn = [svg.line(LEFT, FLOOR + 34, WIDTH - RIGHT, FLOOR + 34, "axis")]
    for who, shelf in reversed(heights.items()):
        outline = [(a, b) for a, b in stairs(0.0, 1 / len(shelf), shelf) if a <= top]
        drawn.append(svg.path([(x(a), y(b)) for a, b in outline], f"series {MODELS[who][1]} thin", step=True))
    return drawn
