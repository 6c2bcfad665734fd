"""`foreignKeys`: each row's values are among those that another table has.

Rows with a null among these values are left out, as in SQL.
"""

# ruff: noqa: ARG001, S608  (functions take what any kind may need; every name and value is quoted by quote)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlci.contract.language.schema import TableRule
from mlci.contract.query.judge import CLIP
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import FILE, Table, open_tables, reason
from mlci.contract.table.scan import SAMPLES, Outcome, Scan, State, union
from mlci.errors import UsageError

_ALLOWED = quoted("mlci:allowed")


@dataclass(frozen=True)
class Reference:
    """The other table: its file, as it is called in the contract, and the columns there."""

    file: Path
    shown: str
    to: tuple[str, ...]


def states(rule: TableRule, table: Table, scan: Scan) -> dict[str, State]:
    """How many rows of each file have values that are not there, and the most frequent of these values."""
    import duckdb

    keys = [f"k{i}" for i in range(len(rule.columns))]
    try:
        scan.db.rows(f"CREATE OR REPLACE TEMP TABLE {_ALLOWED} AS {_allowed(rule, scan, keys)}")
    except duckdb.Error as error:
        raise scan.wrong(rule.line, f"{rule.detail.shown} cannot be read: {reason(error)}") from None
    mine = ", ".join(f"{scan.text(table, column)} AS {k}" for column, k in zip(rule.columns, keys, strict=True))
    there = " AND ".join(f"{k} IS NOT NULL" for k in keys)
    listed = ", ".join(keys)
    lacking = (
        f"SELECT f, {listed}, count(*) AS n FROM (SELECT {quoted(FILE)} AS f, {mine} FROM {table.source}) "
        f"ANTI JOIN {_ALLOWED} USING ({listed}) WHERE {there} GROUP BY ALL"
    )
    shown = [
        "'***'" if column in scan.sensitive else f"left(substr({k}, 2), {CLIP + 1})"
        for column, k in zip(rule.columns, keys, strict=True)
    ]
    sample = f"arg_min([{', '.join(shown)}, n::VARCHAR], (-n, {listed}), {SAMPLES})"
    query = f"SELECT f, sum(n)::BIGINT, {sample} FROM ({lacking}) GROUP BY f"
    return {
        file: {
            "count": count,
            "samples": [{**dict(zip(rule.columns, row, strict=False)), "(rows)": int(row[-1])} for row in rows],
        }
        for file, count, rows in scan.db.rows(query)
    }


def _allowed(rule: TableRule, scan: Scan, keys: Sequence[str]) -> str:
    """SQL of the other table's values, read as those of this one are. Raises ConfigError where they are not there."""
    reference: Reference = rule.detail
    if not reference.file.is_file():
        raise scan.wrong(rule.line, f"there is no file {reference.shown}", "it is looked for beside the contract")
    try:
        tables, unreadable = open_tables(scan.db, [reference.file])
    except UsageError as error:
        raise scan.wrong(rule.line, str(error), error.help) from None
    for why in unreadable.values():
        raise scan.wrong(rule.line, f"{reference.shown} cannot be read: {why}")
    parts = []
    for table in tables:
        for column in reference.to:
            if not table.column(column):
                raise scan.wrong(rule.line, f"{reference.shown} has no column `{column}`", "name its columns in `to`")
        values = (scan.text(table, column, mine) for column, mine in zip(reference.to, rule.columns, strict=True))
        selected = ", ".join(f"{value} AS {k}" for value, k in zip(values, keys, strict=True))
        parts.append(f"SELECT DISTINCT {selected} FROM {table.source}")
    return union(parts)


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    return {"count": sum(state["count"] for state in states), "samples": []}


def expected(rule: TableRule) -> str:
    """In words."""
    reference: Reference = rule.detail
    return f"values of {', '.join(reference.to)} in {reference.shown}"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """How many rows have other values."""
    return Outcome(count=state["count"]) if state["count"] else None
