"""Small drawings: scales, ticks and marks, made into inline SVG. Units are pixels of the drawing.

Colours come from classes of the style sheet, so that a drawing follows the light or dark page it stands in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlci.report import words
from mlci.report.markup import Child, Markup, tag

_LEAST = 1e-30
"""The least room at the ends of a scale: below it, steps between ticks would vanish."""
_ICONS = {
    "pass": "M-3.4 .3 L-1 2.7 L3.6 -2.6",
    "fail": "M-2.7 -2.7 L2.7 2.7 M2.7 -2.7 L-2.7 2.7",
    "rolled-back": "M3.4 2.6 V.6 A1.6 1.6 0 0 0 1.8 -1 H-3.2 M-1 -3.2 L-3.4 -1 L-1 1.2",
    "error": "M0 -3.6 V.8 M0 3.2 V3.4",
    "inconclusive": "M-3.4 1 Q-1.7 -2.6 0 0 T3.4 -1",
    "skipped": "M-3 0 H3",
}


@dataclass(frozen=True)
class Scale:
    """From values to pixels; with `log` the values must be above zero. Values outside are held at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, inside))
        part = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + part * (self.end - self.start), 1)


def spanning(values: Sequence[float], start: float, end: float, pad: float = 0.08) -> Scale:
    """A scale over all values with some room at both ends."""
    low, high = min(values), max(values)
    room = max((high - low) * pad or abs(high) * 0.1 or 1.0, _LEAST)
    return Scale(low - room, high + room, start, end)


def ticks(scale: Scale, about: int = 5) -> list[float]:
    """Round values inside a scale: steps of 1, 2 or 5 times a power of ten; on a log scale powers of ten."""
    if scale.log:
        low, high = math.ceil(math.log10(scale.low) - 1e-9), math.floor(math.log10(scale.high) + 1e-9)
        every = max(1, math.ceil((high - low + 1) / about))
        return [10.0**n for n in range(low, high + 1) if n % every == 0]
    raw = (scale.high - scale.low) / max(1, about)
    if raw <= 0 or not math.isfinite(raw):
        return [scale.low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((power * f for f in (1, 2, 5) if power * f >= raw * 0.999), power * 10)
    first = math.ceil(scale.low / step - 1e-9)
    found = [n * step for n in range(first, first + 4 * about) if n * step <= scale.high + step * 1e-9]
    return found or ticks(scale, about + 1)  # the scale lies between two round values


def tick_text(value: float, step: float) -> str:
    """A tick's value with as many digits as its step needs; far from one with a power of ten."""
    if abs(value) <= abs(step) / 2 or value == 0:
        return "0"
    if step <= 0:
        return words.number(value, 3)
    digits = max(1, math.floor(math.log10(abs(value)) + 1e-9) - math.floor(math.log10(step) + 1e-9) + 1)
    if abs(value) >= 1e6 or step < 1e-7 or (step < 1e-4 and digits <= 3):
        return words.power(value, min(digits, 12))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return words.minus(f"{value:,.{min(decimals, 12)}f}")


def canvas(width: float, height: float, *children: Child, label: str, class_: str = "plot") -> Markup:
    """A drawing; `label` says in words what it shows."""
    return tag(
        "svg",
        *children,
        class_=class_,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=label,
    )


def write(x: float, y: float, text: object, class_: str = "", anchor: str = "start", title: str = "") -> Markup:
    """Text with its baseline at (x, y)."""
    hint = tag("title", title) if title else None
    return tag("text", str(text), hint, x=_n(x), y=_n(y), class_=class_ or None, text_anchor=anchor)


def fit(text: object, width: float, size: float = 12) -> str:
    """A text cut to a width, as far as that can be known without the font."""
    room = max(1, int(width / (size * 0.56)))
    found = words.line(text)
    return found if len(found) <= room else found[: max(1, room - 1)] + "…"


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=class_)


def box(x: float, y: float, width: float, height: float, class_: str, radius: float = 0) -> Markup:
    """A rectangle."""
    return tag("rect", x=_n(x), y=_n(y), width=_n(max(0, width)), height=_n(height), rx=radius or None, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, step: bool = False) -> Markup:
    """A line through points; with `step` each value holds until the next point."""
    parts: list[str] = []
    for x, y in points:
        corner = f"H{_n(x)}V{_n(y)}" if step else f"L{_n(x)} {_n(y)}"
        parts.append(corner if parts else f"M{_n(x)} {_n(y)}")
    return tag("path", d=Markup("".join(parts)), class_=class_)  # of any length, and our own


def interval(low: float, value: float, high: float, y: float, class_: str) -> Markup:
    """A value with its interval, lying; the ends have caps, so that it reads without colour."""
    return tag(
        "g",
        line(low, y, high, y, "whisker"),
        line(low, y - 4, low, y + 4, "whisker"),
        line(high, y - 4, high, y + 4, "whisker"),
        tag("circle", cx=_n(value), cy=_n(y), r="4.5"),
        class_=f"estimate {class_}",
    )


def badge(status: str, x: float, y: float) -> Markup:
    """The mark of a status: a shape and a sign."""
    shape = {
        "fail": tag("rect", x="-7", y="-7", width="14", height="14", rx="3"),
        "error": tag("path", d="M0 -8.6 L8.6 6.6 H-8.6 Z"),
        "rolled-back": tag("rect", x="-6.6", y="-6.6", width="13.2", height="13.2", rx="2", transform="rotate(45)"),
    }.get(status, tag("circle", r="7.5"))
    sign = tag("path", d=_ICONS.get(status, _ICONS["skipped"]), class_="sign")
    return tag("g", shape, sign, class_=f"badge {status}", transform=f"translate({_n(x)} {_n(y)})")


def mark(status: str) -> Markup:
    """A status as a picture of its own; the words stand beside it."""
    return tag(
        "svg", badge(status, 0, 0), class_="mark", viewBox="-11 -11 22 22", width="44", height="44", aria_hidden="true"
    )


def axis(
    scale: Scale, y: float, top: float, about: int = 5, show: Callable[[float, float], str] = tick_text
) -> list[Markup]:
    """A lying axis at `y`, with fine lines up to `top`."""
    found = ticks(scale, about)
    step = found[1] - found[0] if len(found) > 1 else abs(found[0]) if found else 1.0
    drawn = [line(scale.start, y, scale.end, y, "axis")]
    for value in found:
        x = scale(value)
        drawn += [line(x, top, x, y, "grid"), write(x, y + 15, show(value, step), "tick", "middle")]
    return drawn


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
