"""`mean`: the mean of a column's numbers.

Whole numbers and decimals are added exactly, doubles with compensation (`fsum`: Kahan, Comm. ACM 8(1), 1965; over files
`math.fsum`: Shewchuk, Discrete Comput. Geom. 18, 1997), so the order of rows and files makes no difference
that matters.
"""

# ruff: noqa: ARG001  (the functions of `kinds.Kind`, which take what any kind may need)

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from mlci.contract.language.schema import TableRule
from mlci.contract.query.tables import Table
from mlci.contract.query.view import Number
from mlci.contract.table.figures import between, decimal, outside
from mlci.contract.table.scan import Outcome, Scan, State

_SAFE = 20
"""Sums of so many digits do not overflow 38, whatever the number of rows."""


def aggregates(rule: TableRule, table: Table, scan: Scan) -> list[str]:
    """How many, the sum of those that are added exactly, the sum of the others."""
    number = scan.number(table, rule.name)
    exact, rest = _sums(number)
    return [f"count({number.sql})", f"({exact})::VARCHAR", rest]


def _sums(number: Number) -> tuple[str, str]:
    x = f"({number.sql})"
    if number.digits and number.digits <= _SAFE:
        return f"sum({x})", "NULL"
    if number.digits and not number.scale:
        small = f"abs({x}) < 1000000000000000000"
        return f"sum({x}) FILTER (WHERE {small})", f"fsum({x}::DOUBLE) FILTER (WHERE NOT {small})"
    return "NULL", f"fsum({x}::DOUBLE)"


def state(rule: TableRule, values: Sequence[Any]) -> State:
    """The sums; `exact` is a fraction in text, `rest` is None where doubles are too large to be added."""
    n, exact, rest = values
    finite = rest is None or math.isfinite(rest)
    return {"n": n, "exact": str(Fraction(exact or "0")), "rest": (rest or 0.0) if finite else None}


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    n, exact = sum(s["n"] for s in states), sum((Fraction(s["exact"]) for s in states), Fraction(0))
    rests = [s["rest"] for s in states]
    try:
        rest = None if None in rests else math.fsum(rests)
    except OverflowError:
        rest = None
    return {"n": n, "exact": str(exact), "rest": rest}


def expected(rule: TableRule) -> str:
    """In words."""
    return f"{between(rule)} on average"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """A mean of no numbers is within no limits."""
    if not state["n"]:
        return Outcome("no numbers")
    if state["rest"] is None:
        return Outcome("numbers too large to be added")
    value = (Fraction(state["exact"]) + Fraction(state["rest"])) / state["n"]
    return Outcome(decimal(value)) if outside(value, rule) else None
