"""Groups of rows, one below the other: both models' intervals in each, and beside them their difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from mlci.report import svg, words
from mlci.report.facts import Estimate, Slice
from mlci.report.intervals import in_words
from mlci.report.markup import Markup, tag

_NAMES, _ROWS, _PANEL, _VALUE, _BESIDE, _MARGIN = 186.0, 92.0, 320.0, 64.0, 230.0, 72.0
_TOP, _ROW = 40.0, 26.0


@dataclass(frozen=True)
class Limits:
    """The value of all rows, how low (or high) a group may lie, and the difference it may have to the champion."""

    overall: float | None = None
    gap: float | None = None
    margin: float | None = None
    higher_is_better: bool = True


def slices_plot(found: Sequence[Slice], limits: Limits) -> Markup | None:
    """The groups in the order given; the wider half are the values, the other the differences where there are any."""
    drawable = [one for one in found if one.estimate]
    if not drawable:
        return None
    floor = _TOP + _ROW * len(drawable)
    start = _NAMES + _ROWS
    values = [e for one in drawable for e in (one.estimate, one.champion) if e]
    marks = [v for v in (limits.overall, limits.gap) if v is not None]
    x = svg.spanning([*_ends(values), *marks], start, start + _PANEL, 0.04)
    drawn = [svg.write(start, 12, "value", "panel"), *_values(x, limits, floor)]
    differences = [one.difference for one in drawable if one.difference]
    side: svg.Scale | None = None
    width = start + _PANEL + _VALUE
    if differences:
        asked = [limits.margin] if limits.margin is not None else []
        side = svg.spanning([*_ends(differences), 0.0, *asked], width + 16, width + 16 + _BESIDE, 0.06)
        drawn += [svg.write(side.start, 12, "new model less champion", "panel"), *_beside(side, limits, floor)]
        width += 16 + _BESIDE + _MARGIN
    spread = median(one.spread for one in values)
    apart = median(one.spread for one in differences) if differences else 0.0
    for n, one in enumerate(drawable):
        drawn.append(_slice(one, x, side, _TOP + _ROW * n + _ROW / 2, (spread, apart)))
    label = f"{len(drawable)} groups of rows with their intervals, the worst first; the numbers are in the table"
    return svg.canvas(width, floor + 20, drawn, label=label, class_="plot paired" if differences else "plot")


def _ends(estimates: Sequence[Estimate]) -> list[float]:
    return [v for one in estimates for v in (one.low, one.value, one.high)]


def _values(x: svg.Scale, limits: Limits, floor: float) -> list[Markup]:
    """The axis of the values, all rows, and the limit with its bad side."""
    drawn = svg.axis(x, floor, _TOP, 6)
    whole, gap = limits.overall, limits.gap
    if gap is not None:
        bad = (x.start, x(gap)) if limits.higher_is_better else (x(gap), x.end)
        drawn += _limit("limit", x(gap), bad, floor, limits.higher_is_better)
    if whole is not None:
        anchor = "start" if limits.higher_is_better else "end"
        drawn += [svg.line(x(whole), _TOP, x(whole), floor, "zero")]
        drawn.append(svg.write(x(whole), _TOP - 7, "all rows", "tick", anchor))
    return drawn


def _beside(x: svg.Scale, limits: Limits, floor: float) -> list[Markup]:
    drawn = svg.axis(x, floor, _TOP, 4)
    margin = limits.margin
    if margin is not None:
        bad = (x.start, x(margin)) if limits.higher_is_better else (x(margin), x.end)
        drawn += _limit("margin", x(margin), bad, floor, limits.higher_is_better)
    return [*drawn, svg.line(x(0), _TOP, x(0), floor, "zero")]


def _limit(name: str, at: float, bad: tuple[float, float], floor: float, below: bool) -> list[Markup]:
    return [
        svg.box(bad[0], _TOP, bad[1] - bad[0], floor - _TOP, "bad"),
        svg.line(at, _TOP, at, floor, "limit"),
        svg.write(at, _TOP - 7, name, "limit", "end" if below and at - bad[0] > 40 else "start"),
    ]


def _slice(one: Slice, x: svg.Scale, side: svg.Scale | None, y: float, spreads: tuple[float, float]) -> Markup:
    assert one.estimate is not None
    name = f"{one.by} = {one.value}"
    said = [name, in_words(one.estimate), words.count(one.rows, "row"), words.state(one.verdict)]
    lift = 4.5 if one.champion else 0.0
    parts = []
    if one.champion:
        said.insert(2, f"champion {in_words(one.champion)}")
        parts.append(_drawn(one.champion, x, y + lift, "old"))
    parts.append(_drawn(one.estimate, x, y - lift, f"new {one.verdict}"))
    parts.append(svg.write(x.end + 10, y + 4, words.fixed(one.estimate.value, spreads[0]), "value"))
    if side and one.difference:
        said.insert(-2, f"difference {in_words(one.difference, '+')}")
        parts.append(_drawn(one.difference, side, y, f"new {one.verdict}"))
        parts.append(svg.write(side.end + 10, y + 4, words.fixed(one.difference.value, spreads[1], "+"), "value"))
    return tag(
        "g",
        tag("title", words.line("; ".join(said), 600)),
        svg.badge(one.verdict, 9, y),
        svg.write(24, y + 4, svg.fit(name, _NAMES - (40 if one.stands_out else 26), 12.5), "label"),
        svg.write(_NAMES - 2, y + 4, "◆", "limit", "end") if one.stands_out else None,
        svg.write(_NAMES + _ROWS - 12, y + 4, words.count(one.rows, "row"), "tick", "end"),
        parts,
    )


def _drawn(one: Estimate, x: svg.Scale, y: float, look: str) -> Markup:
    return svg.interval(x(one.low), x(one.value), x(one.high), y, look)
