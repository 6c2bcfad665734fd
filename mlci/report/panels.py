"""Square drawings with two axes, for the curves of two models; the lines are told apart by their dashes too."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mlci.report import svg
from mlci.report.markup import Markup, join, tag

WIDTH, HEIGHT = 340.0, 300.0
LEFT, RIGHT, TOP, FLOOR = 48.0, 14.0, 12.0, 260.0

Points = Sequence[tuple[float, float]]


class Panel:
    """A frame with its scales, on which lines and points are drawn in their own units."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], names: tuple[str, str], *, floor: float = FLOOR
    ) -> None:
        self.x = svg.Scale(*_apart(*x), LEFT, WIDTH - RIGHT)
        self.y = svg.Scale(*_apart(*y), floor, TOP)
        self.floor = floor
        self.names = names
        self._drawn: list[Markup] = []

    def add(self, *parts: Markup) -> None:
        """What stands on the frame, the last on top."""
        self._drawn.extend(parts)

    def line(self, points: Points, look: str, *, step: bool = False) -> None:
        """A line through points."""
        if points:
            self.add(svg.path([(self.x(x), self.y(y)) for x, y in points], f"series {look}", step=step))

    def band(self, low: Points, high: Points, look: str) -> None:
        """What lies between two lines."""
        if low:
            around = [(self.x(x), self.y(y)) for x, y in (*low, *reversed(high))]
            self.add(svg.path(around, f"band {look}"))

    def dots(self, points: Points, look: str, radius: float = 4) -> None:
        """Points."""
        self.add(
            *(
                tag("circle", cx=f"{self.x(x):g}", cy=f"{self.y(y):g}", r=f"{radius:g}", class_=f"dot {look}")
                for x, y in points
            )
        )

    def upright(self, x: float, low: float, high: float, look: str, shift: float = 0) -> None:
        """An upright interval."""
        at = self.x(x) + shift
        self.add(svg.line(at, self.y(low), at, self.y(high), f"upright {look}"))

    def across(self, low: float, high: float) -> None:
        """The line on which x and y are the same."""
        self.add(svg.line(self.x(low), self.y(low), self.x(high), self.y(high), "zero"))

    def canvas(self, label: str, *below: Markup, height: float = HEIGHT) -> Markup:
        """The drawing; `label` says what it shows."""
        return svg.canvas(WIDTH, height, tag("title", label), self._frame(), self._drawn, below, label=label)

    def _frame(self) -> Markup:
        marks = svg.ticks(self.y, 5)
        step = _step(marks)
        sides = [
            (
                svg.line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), "grid"),
                svg.write(LEFT - 6, self.y(value) + 4, svg.tick_text(value, step), "tick", "end"),
            )
            for value in marks
        ]
        across, up = self.names
        turned = tag(
            "text",
            up,
            x="0",
            y="0",
            class_="tick",
            text_anchor="middle",
            transform=f"translate(10 {self.floor / 2:g}) rotate(-90)",
        )
        name = svg.write((LEFT + WIDTH - RIGHT) / 2, self.floor + 33, across, "tick", "middle")
        return join(sides, svg.axis(self.x, self.floor, TOP, 5), name, turned)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Two ends that are not one."""
    return (low, high) if high > low else (low - (abs(low) or 1), high + (abs(high) or 1))


def _step(marks: Sequence[float]) -> float:
    return next((b - a for a, b in pairwise(marks)), abs(marks[0]) if marks else 1.0)


def stairs(start: float, step: float, heights: Sequence[float]) -> Points:
    """The outline of a histogram, from the axis back to it, for a line with steps."""
    tops = [(start + n * step, height) for n, height in enumerate(heights)]
    return [(start, 0.0), *tops, (start + len(heights) * step, 0.0)] if heights else []
