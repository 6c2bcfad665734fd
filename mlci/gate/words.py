"""Numbers as people read them: as many digits as the interval bears, and never rounded across a limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci.gate.deciding.intervals import Estimate

MOST = 12


def plain(number: float) -> str:
    """A limit as it was written, with a real minus sign."""
    return f"{number:.10g}".replace("-", "−")


def places(estimate: Estimate, limit: float | None = None) -> int:
    """Decimals that show the half width to one digit, and each number on its own side of the limit."""
    half = (estimate.high - estimate.low) / 2
    if half == 0 and float(estimate.value).is_integer() and (limit is None or float(limit).is_integer()):
        return 0  # it was counted
    digits = 4 if half <= 0 else max(0, -math.floor(math.log10(half)))
    digits = min(max(digits, 3 if abs(estimate.value) < 10 else 0), MOST)
    if limit is not None:
        ends = (estimate.value, estimate.low, estimate.high)
        while digits < MOST and any(_side(round(x, digits), limit) != _side(x, limit) for x in ends):
            digits += 1
    return digits


def _side(number: float, limit: float) -> int:
    return (number > limit) - (number < limit)


def estimate(given: Estimate, limit: float | None = None) -> str:
    """`0.712 (0.708 to 0.716)`."""
    n = places(given, limit)
    return f"{given.value:.{n}f} ({given.low:.{n}f} to {given.high:.{n}f})".replace("-", "−")


def difference(given: Estimate, limit: float | None = None) -> str:
    """`+0.002, −0.001 to +0.005`."""
    n = places(given, limit)
    # Adding zero takes the sign off a rounded -0.
    value, low, high = (f"{round(x, n) + 0.0:+.{n}f}" for x in (given.value, given.low, given.high))
    return f"{value}, {low} to {high}".replace("-", "−")


def many(count: int, noun: str) -> str:
    """`1 row`, `12,000 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rough(count: float) -> int:
    """A count rounded up to two digits, as a guess should be."""
    step: int = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return math.ceil(count / step) * step


def size(count: int) -> str:
    """Bytes with a unit: `1.2 MB`."""
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """A table for a terminal: columns padded to their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
