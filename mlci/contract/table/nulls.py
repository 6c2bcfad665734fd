"""`nulls`: how large a share of the rows has no value: null, or in JSON lines no such key."""

# ruff: noqa: ARG001  (the functions of `kinds.Kind`, which take what any kind may need)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.contract.language.schema import TableRule
from mlci.contract.query.tables import Table
from mlci.contract.table.figures import between, of_rows, outside
from mlci.contract.table.scan import Outcome, Scan, State


def aggregates(rule: TableRule, table: Table, scan: Scan) -> list[str]:
    """The number of rows without a value."""
    column, seen = scan.view(table, rule.name)
    return [f"count(*) FILTER (WHERE {column.sql} IS NULL OR ({seen.null}))"]


def state(rule: TableRule, values: Sequence[Any]) -> State:
    """So many."""
    return {"nulls": values[0]}


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    return {"nulls": sum(state["nulls"] for state in states)}


def expected(rule: TableRule) -> str:
    """In words."""
    return f"{between(rule)} null"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """Exactly: counts are compared, not rounded shares."""
    found: int = state["nulls"]
    return Outcome(of_rows(found, rows)) if outside(found, rule, rows) else None
