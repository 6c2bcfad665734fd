"""One table against the plan: one aggregate query counts all rules; a second one fetches rows of the broken ones."""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.sql)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlci.contract import view
from mlci.contract.engine import Engine
from mlci.contract.plan import Check, Plan, Present
from mlci.contract.sql import fails, name
from mlci.contract.tables import FILE, Column, Table

CLIP = 120
"""Longer texts are cut in samples."""
_WIDE = 8
_BATCH = 500
_ROW = Check("", "type", "an object", Present(), None)
_AS_THEY_ARE = {"BOOLEAN", "FLOAT", "DOUBLE", *view.INTEGERS}


Sample = tuple[str, int | None, dict[str, Any]]
"""A row: its file, its number (1 is the first; None in text files), and values by column."""


@dataclass(frozen=True)
class Finding:
    """How often a check failed in a table, and some of the rows."""

    check: Check
    count: int
    samples: tuple[Sample, ...]


def judge(engine: Engine, table: Table, plan: Plan, samples: int) -> tuple[int, list[Finding]]:
    """The number of rows, and a finding for each check that fails somewhere. Raises `duckdb.Error`."""
    printed = _printed(table, plan)
    rows, counts = _count(engine, table, [sql for _, sql in printed])
    missing = [c for p in plan.columns if not table.column(p.name) for c in p.checks if isinstance(c.holds, Present)]
    nowhere: tuple[Sample, ...] = tuple((str(file), None, {}) for file in table.files[:samples])
    findings = [Finding(check, rows, nowhere) for check in missing]
    broken = [(check, sql, n) for (check, sql), n in zip(printed, counts, strict=True) if n]
    if broken:
        shown_rows = _sample(engine, table, [(check, sql) for check, sql, _ in broken], plan, samples)
        findings += [Finding(check, n, sample) for (check, _, n), sample in zip(broken, shown_rows, strict=True)]
    return rows, findings


def unnamed(column: str) -> Check:
    """The check that a column breaks which a closed contract does not name."""
    return Check(column, "additionalProperties", "no such column", Present(), None)


def unnamed_columns(table: Table, plan: Plan) -> list[Column]:
    """The columns that a closed contract does not name."""
    return [] if plan.named is None else [column for column in table.columns if column.name not in plan.named]


def _view(table: Table, column: Column, reads: frozenset[str]) -> view.View:
    """How a column of this table is read as JSON."""
    if table.form == "csv":
        return view.cell(column.sql, reads)
    if table.form == "json":
        return view.json(column.sql, f"{column.sql}_kind", f"{column.sql}_text", reads)
    return view.typed(column.sql, column.type)


def _printed(table: Table, plan: Plan) -> list[tuple[Check, str]]:
    """The checks that a row of this table can break, as SQL."""
    printed = []
    if table.form == "json":
        printed.append((_ROW, "json_type(json) <> 'OBJECT'"))
        printed += [(unnamed(c.name), f"({c.sql} IS NOT NULL)") for c in unnamed_columns(table, plan)]
    for column_plan in plan.columns:
        column = table.column(column_plan.name)
        if column:
            seen = _view(table, column, column_plan.reads)
            printed += [(check, sql) for check in column_plan.checks if (sql := fails(check.holds, seen))]
    return printed


def _count(engine: Engine, table: Table, conditions: Sequence[str]) -> tuple[int, list[int]]:
    """One query; more for a table so wide that its query would be too big for the engine."""
    rows, counts = 0, list[int]()
    for start in range(0, max(1, len(conditions)), _BATCH):
        filters = [f"count(*) FILTER (WHERE {condition})" for condition in conditions[start : start + _BATCH]]
        ((rows, *found),) = engine.rows(f"SELECT {', '.join(['count(*)', *filters])} FROM {table.source}")
        counts += found
    return rows, counts


def _sample(
    engine: Engine, table: Table, broken: Sequence[tuple[Check, str]], plan: Plan, samples: int
) -> list[tuple[Sample, ...]]:
    """The first rows (in text files: some rows) that break each check."""
    if not samples:
        return [()] * len(broken)
    position = "file_index::BIGINT * 1099511627776 + file_row_number" if table.numbered else "0"
    number = "file_row_number + 1" if table.numbered else "NULL"
    shown = {check: _columns(table, check.column, plan.keys) for check, _ in broken}
    wanted = list(dict.fromkeys(column for columns in shown.values() for column in columns))
    inner = [f"{_shown(column, plan)} AS s{i}" for i, column in enumerate(wanted)]
    inner += [f"{sql} AS b{i}" for i, (_, sql) in enumerate(broken)]
    outer = []
    for i, (check, _) in enumerate(broken):
        values = ", ".join(f"s{wanted.index(column)}" for column in shown[check])
        row = f"row(at_file, at_row, {values})" if values else "row(at_file, at_row)"
        outer.append(f"arg_min({row}, place, {samples}) FILTER (WHERE b{i})")
    places = f"{name(FILE)} AS at_file, {number} AS at_row, {position} AS place"
    source = f"SELECT {', '.join([places, *inner])} FROM {table.source}"
    anywhere = " OR ".join(sql for _, sql in broken)
    (found,) = engine.rows(f"SELECT {', '.join(outer)} FROM ({source} WHERE {anywhere})")
    return [
        tuple((file, row, _named(shown[check], values)) for file, row, *values in rows or ())
        for (check, _), rows in zip(broken, found, strict=True)
    ]


def _columns(table: Table, offending: str, keys: Sequence[Sequence[str]]) -> list[Column]:
    """The columns of a sample: those of a key, the offending one, and the others where the table is small."""
    others = [column.name for column in table.columns] if len(table.columns) <= _WIDE else []
    found = (
        table.column(wanted) for wanted in dict.fromkeys((*(name for key in keys for name in key), offending, *others))
    )
    return [column for column in found if column]


def _shown(column: Column, plan: Plan) -> str:
    if column.name in plan.sensitive:
        return f"CASE WHEN {column.sql} IS NOT NULL THEN '***' END"
    return shown(column)


def shown(column: Column) -> str:
    """SQL of a value that a person reads: numbers and booleans as they are, everything else as text, cut."""
    return column.sql if column.type in _AS_THEY_ARE else f"left({column.sql}::VARCHAR, {CLIP + 1})"


def _named(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    return {column.name: value for column, value in zip(columns, values, strict=True)}
