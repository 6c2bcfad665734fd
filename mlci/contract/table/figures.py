"""Figures and their limits: compared exactly, and in words."""

from __future__ import annotations

from fractions import Fraction

from mlci.contract.language.schema import TableRule


def outside(figure: Fraction | int, rule: TableRule, rows: int = 0) -> bool:
    """Whether a figure is beyond a limit of its rule; limits that are a share are of so many rows."""
    low, high = rule.low, rule.high
    below = low is not None and figure < low.value * (rows if low.share else 1)
    above = high is not None and figure > high.value * (rows if high.share else 1)
    return below or above


def between(rule: TableRule) -> str:
    """The limits in words."""
    ends = [f"at least {rule.low.shown}"] if rule.low else []
    ends += [f"at most {rule.high.shown}"] if rule.high else []
    return " and ".join(ends)


def decimal(value: Fraction | float) -> str:
    """A figure as a person reads it, six digits of it."""
    number = float(value)
    return f"{int(number):,}" if number == int(number) and abs(number) < 1e15 else f"{number:.6g}"


def of_rows(count: int, rows: int) -> str:
    """`12 of 164 rows (7.3%)`."""
    share = f" ({100 * count / rows:.3g}%)" if rows else ""
    return f"{count:,} of {rows:,} rows{share}"
