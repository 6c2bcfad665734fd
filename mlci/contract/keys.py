"""Unique keys, exactly: rows with a null in the key are left out, as in SQL; the others must differ.

A key of one integer column is counted by a bitmap where its range allows (a fifth of the time of a hash table, and a
bounded memory). Cells of CSV and JSON lines are compared as text: `1` and `1.0` are two keys there.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.quote)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.contract.engine import Engine
from mlci.contract.judge import CLIP
from mlci.contract.quote import literal
from mlci.contract.tables import Column, Table

_BITS = 2**27
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def duplicates(
    engine: Engine, tables: Sequence[Table], key: Sequence[str], samples: int, sensitive: frozenset[str]
) -> tuple[int, list[dict[str, Any]]]:
    """How many rows repeat a key that an earlier row has, and some of those keys with their number of rows."""
    found = [[table.column(name) for name in key] for table in tables]
    parts = [(table, [c for c in columns if c]) for table, columns in zip(tables, found, strict=True) if all(columns)]
    if not parts:
        return 0, []
    alike = len({tuple(c.type for c in columns) for _, columns in parts}) == 1
    source = " UNION ALL ".join(_part(table, columns, alike) for table, columns in parts)
    whole = alike and len(key) == 1 and parts[0][1][0].type in _SMALL
    rows, distinct = _by_bitmap(engine, source) if whole else _by_hash(engine, source, len(key))
    if rows == distinct or not samples:
        return rows - distinct, []
    names = ", ".join(f"k{i}" for i in range(len(key)))
    texts = [f"left(k{i}::VARCHAR, {CLIP + 1})" for i in range(len(key))]
    shown = ", ".join("'***'" if name in sensitive else text for name, text in zip(key, texts, strict=True))
    more_than_once = f"FROM ({source}) GROUP BY {names} HAVING count(*) > 1"
    repeated = engine.rows(f"SELECT {shown}, count(*) {more_than_once} ORDER BY {names} LIMIT {samples}")
    return rows - distinct, [dict(zip((*key, "(rows)"), row, strict=True)) for row in repeated]


def _part(table: Table, columns: Sequence[Column], alike: bool) -> str:
    """The key's columns of one table, without rows that have a null among them."""
    values = [_value(table, column, alike) for column in columns]
    selected = ", ".join(f"{value} AS k{i}" for i, value in enumerate(values))
    there = " AND ".join(f"{value} IS NOT NULL" for value in values)
    return f"SELECT {selected} FROM {table.source} WHERE {there}"


def _value(table: Table, column: Column, alike: bool) -> str:
    if table.form == "json":
        return f"nullif({column.sql}::VARCHAR, {literal('null')})"
    return column.sql if alike else f"{column.sql}::VARCHAR"


def _by_hash(engine: Engine, source: str, width: int) -> tuple[int, int]:
    names = ", ".join(f"k{i}" for i in range(width))
    counted = f"SELECT count(*) AS n FROM ({source}) GROUP BY {names}"
    ((rows, distinct),) = engine.rows(f"SELECT coalesce(sum(n), 0)::BIGINT, count(*) FROM ({counted})")
    return rows, distinct


def _by_bitmap(engine: Engine, source: str) -> tuple[int, int]:
    ((rows, low, high),) = engine.rows(f"SELECT count(*), min(k0), max(k0) FROM ({source})")
    if not rows or high - low >= min(_BITS, 64 * rows + 4096):
        return _by_hash(engine, source, 1)
    bits = f"bitstring_agg(k0::BIGINT - ({low}), 0, {high - low})"
    ((distinct,),) = engine.rows(f"SELECT bit_count({bits}) FROM ({source})")
    return rows, distinct
