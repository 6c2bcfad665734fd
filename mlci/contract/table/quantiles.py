"""`quantiles`: a quantile of a column's numbers, exactly, without sorting them.

The q-quantile of n numbers is the one at place max(1, ceil(q n)) as they sort (the inverse of the empirical
distribution: definition 1 of Hyndman & Fan, Am. Stat. 50(4), 1996; `quantile_disc` of DuckDB). It is at most `max` just
where that many are, and less than `min` just where that many are: so three counts decide it, and they add up over
files. Only to tell the value of a broken one, the column is read again.
"""

# ruff: noqa: ARG001, S608  (functions take what any kind may need; every name and value is quoted by quote)

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from mlci.contract.language.predicates import Bound
from mlci.contract.language.schema import Limit, TableRule
from mlci.contract.query.sql import leaf
from mlci.contract.query.tables import Table
from mlci.contract.query.view import View
from mlci.contract.table.figures import between, decimal
from mlci.contract.table.scan import Outcome, Scan, State, union

Quantile = Fraction
"""The `detail` of a rule."""


def aggregates(rule: TableRule, table: Table, scan: Scan) -> list[str]:
    """How many numbers, how many below the lower end, how many above the upper one."""
    (column,) = rule.columns
    number = scan.number(table, column)
    seen = View("FALSE", number=number)
    below = leaf(Bound("<", _plain(rule.low)), seen) if rule.low else None
    above = leaf(Bound(">", _plain(rule.high)), seen) if rule.high else None
    return [f"count({number.sql})", *(f"count(*) FILTER (WHERE {test})" if test else "0" for test in (below, above))]


def _plain(limit: Limit) -> int | float:
    return int(limit.value) if limit.value.denominator == 1 else float(limit.value)


def state(rule: TableRule, values: Sequence[Any]) -> State:
    """The counts."""
    return dict(zip(("n", "below", "above"), values, strict=True))


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    return {name: sum(state[name] for state in states) for name in ("n", "below", "above")}


def expected(rule: TableRule) -> str:
    """In words."""
    return between(rule)


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """A quantile of no numbers is within no limits."""
    if not state["n"]:
        return Outcome("no numbers")
    quantile: Quantile = rule.detail
    place = max(1, math.ceil(quantile * state["n"]))
    if state["below"] < place and state["n"] - state["above"] >= place:
        return None
    return Outcome(_value(rule, scan))


def _value(rule: TableRule, scan: Scan) -> str:
    (name,) = rule.columns
    if name in scan.sensitive:
        return "***"
    tables = [table for table in scan.tables if table.column(name)]
    parts = [f"SELECT ({scan.number(table, name).sql})::DOUBLE AS v FROM {table.source}" for table in tables]
    ((value,),) = scan.db.rows(f"SELECT quantile_disc(v, {float(rule.detail)!r}) FROM ({union(parts)})")
    return decimal(value)
