"""What is in each column, by one query over a table: how many of which type, from where to where, some values."""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.sql)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlci.contract.query import view
from mlci.contract.query.engine import Engine
from mlci.contract.query.tables import Column, Table

FEW = 32
"""So many distinct values are told one by one."""
_COLUMNS = 100
"""A wider table takes more than one query."""
_KINDS = ("boolean", "integer", "number", "string", "array", "object")
_PARTS = (
    *("seen", "nulls", "low", "high", "whole_low", "whole_high", "shortest", "longest"),
    *("first", "last", "some", "distinct", "few"),
)


@dataclass(frozen=True)
class Facts:
    """A column over all rows that have it.

    `kinds` counts the values of each JSON type (`number` counts the integers too), `low` and `high` are of numbers
    (`whole_…` the same exactly, where whole numbers are read from text), `first` and `last` of texts as they sort.
    `distinct` is an estimate unless `few` has all values; `some` are texts picked by their hash, the same each time.
    """

    name: str
    type: str
    seen: int
    nulls: int
    kinds: dict[str, int]
    low: Any = None
    high: Any = None
    whole_low: Any = None
    whole_high: Any = None
    shortest: int | None = None
    longest: int | None = None
    first: str | None = None
    last: str | None = None
    distinct: int = 0
    few: tuple[Any, ...] | None = None
    some: tuple[str, ...] = ()

    @property
    def values(self) -> int:
        """How many values there are that are not null."""
        return self.seen - self.nulls


def measure(engine: Engine, table: Table) -> tuple[int, list[Facts]]:
    """The number of rows, and the facts of each column. Raises `duckdb.Error`."""
    rows, facts = 0, list[Facts]()
    for start in range(0, max(1, len(table.columns)), _COLUMNS):
        columns = table.columns[start : start + _COLUMNS]
        parts = [part for column in columns for part in _parts(table, column)]
        ((rows, *found),) = engine.rows(f"SELECT {', '.join(['count(*)', *parts])} FROM {table.source}")
        width = len(_PARTS) + len(_KINDS)
        facts += [_facts(c, found[i * width : (i + 1) * width]) for i, c in enumerate(columns)]
    return rows, facts


@dataclass(frozen=True)
class _Answers:
    """SQL over one column: is it null, is it of each type, its number, the same exactly where it is whole, its text."""

    null: str
    kinds: dict[str, str]
    number: str | None
    whole: str | None
    text: str | None
    distinct: str | None


def _parts(table: Table, column: Column) -> list[str]:
    """The aggregates of one column."""
    x = _answers(table, column)
    there = f"({column.sql} IS NOT NULL)" if table.form == "json" else "TRUE"
    value = f"{there} AND NOT ({x.null})"
    kinds = [f"count(*) FILTER (WHERE {value} AND {x.kinds[kind]})" if kind in x.kinds else "0" for kind in _KINDS]
    numbers = [f"{end}({sql})" if sql else "NULL" for sql in (x.number, x.whole) for end in ("min", "max")]
    texts = ["NULL"] * 5
    if t := x.text:
        texts = [f"min(length({t}))", f"max(length({t}))", f"min({t})", f"max({t})", f"arg_min({t}, hash({t}), {FEW})"]
    few = f"approx_top_k({x.distinct}, {FEW + 1})" if x.distinct else "NULL"
    seen = [f"count(*) FILTER (WHERE {there})", f"count(*) FILTER (WHERE {there} AND {x.null})"]
    return [*seen, *numbers, *texts, f"approx_count_distinct({x.distinct or column.sql})", few, *kinds]


def _answers(table: Table, column: Column) -> _Answers:
    """A cell of a text file is asked as each type; what it is stands in the counts."""
    x = column.sql
    if table.form == "csv":
        whole, number, boolean = (view.cell(x, frozenset({kind})) for kind in ("integer", "number", "boolean"))
        kinds = {"integer": whole.kinds["integer"], "number": number.kinds["number"], "string": "TRUE"}
        kinds["boolean"] = boolean.kinds["boolean"]
        return _Answers(whole.null, kinds, _sql(number), _sql(whole), x, x)
    if table.form == "json" or column.type == "JSON":
        seen, whole = (
            view.json(x, f"json_type({x})", f"({x}->>'$')", frozenset({kind}), absent=table.form == "json")
            for kind in ("number", "integer")
        )
        return _Answers(seen.null, dict(seen.kinds), _sql(seen), _sql(whole), seen.text, f"({x}->>'$')")
    seen = view.typed(x, column.type)
    number_sql = seen.number.sql if seen.number else None
    counted = number_sql if column.type in view.INTEGERS else seen.text
    return _Answers(seen.null, dict(seen.kinds), number_sql, None, seen.text, counted)


def _sql(seen: view.View) -> str:
    assert seen.number is not None
    return seen.number.sql


def _facts(column: Column, found: Sequence[Any]) -> Facts:
    parts = dict(zip(_PARTS, found, strict=False))
    few = parts["few"]
    parts["few"] = tuple(sorted(few)) if few is not None and len(few) <= FEW else None
    if parts["few"] is not None:
        parts["distinct"] = len(parts["few"])
    parts["some"] = tuple(parts["some"] or ())
    kinds = {kind: n for kind, n in zip(_KINDS, found[len(_PARTS) :], strict=True) if n}
    return Facts(column.name, column.type, kinds=kinds, **parts)
