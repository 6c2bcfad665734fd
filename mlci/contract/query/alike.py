"""One column of several tables, as SQL values that can be compared whatever each file has made of them.

The same key is an INTEGER here, a DOUBLE there (a column with gaps that went through pandas) and a cell of text in a
CSV file. Columns of one type are compared as they are. Else `1`, `1.0` and `"1"` are the same, and so are two spellings
of one instant; what is neither is compared as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from mlci.contract.query.engine import Engine
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import Column, Table
from mlci.contract.query.view import INTEGERS

Side = tuple[Table, Column]
Axis = Literal["number", "time"]
_WHOLE = literal("0|-?[1-9][0-9]*")
_NUMBER = literal(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXACT = "DECIMAL(38, 9)"


def alike(sides: Sequence[Side]) -> list[str]:
    """For each table's column an expression: two are equal where the values are the same; null is NULL."""
    types = {column.type for _, column in sides}
    if len(types) == 1 and not types & {"CSV", "JSON"}:
        return [column.sql for _, column in sides]
    if types <= INTEGERS.keys() - {"UHUGEINT"}:
        return [f"{column.sql}::HUGEINT" for _, column in sides]
    if any(_temporal(kind) for kind in types):
        return [f"coalesce(({_instant(side)})::VARCHAR, {text(side)})" for side in sides]
    if not any(_numeric(kind) or kind in ("CSV", "JSON") for kind in types):
        return [text(side) for side in sides]
    return [_plain_number(side) for side in sides]


def axis(engine: Engine, sides: Sequence[Side], *, timed: bool) -> Axis:
    """Whether values are ordered as numbers or as instants. Text is numbers where all of it is; `timed`: instants."""
    if timed or any(_temporal(column.type) for _, column in sides):
        return "time"
    if any(_numeric(column.type) for _, column in sides):
        return "number"
    for side in sides:
        value = text(side)
        other = f"{value} IS NOT NULL AND TRY_CAST({value} AS {_EXACT}) IS NULL"
        ((found,),) = engine.rows(f"SELECT count(*) FROM {side[0].source} WHERE {other}")  # noqa: S608
        if found:
            return "time"
    return "number"


def point(side: Side, along: Axis) -> str:
    """Where a value stands, exactly: the number itself, or nanoseconds since 1970 (UTC where no offset is given).

    NULL for what is no such value.
    """
    if along == "time":
        return f"({_instant(side)})::{_EXACT}"
    return f"TRY_CAST({side[1].sql if _numeric(side[1].type) else text(side)} AS {_EXACT})"


def text(side: Side) -> str:
    """The value as text, a JSON string without its quotes."""
    table, column = side
    if table.form == "json":
        return f"{column.sql}_text"
    return column.sql if table.form == "csv" else f"{column.sql}::VARCHAR"


def _instant(side: Side) -> str:
    column = side[1]
    if column.type == "TIMESTAMP_NS":
        return f"epoch_ns({column.sql})::HUGEINT"
    value = column.sql if _temporal(column.type) else f"TRY_CAST({text(side)} AS TIMESTAMPTZ)"
    return f"epoch_us({value})::HUGEINT * 1000"


def _plain_number(side: Side) -> str:
    """Text in which each number has one spelling; whole ones are exact, others are as doubles have them."""
    column = side[1]
    if column.type in INTEGERS:
        return f"{column.sql}::VARCHAR"
    value = text(side)
    double = f"TRY_CAST({value} AS DOUBLE)"
    whole = f"abs({double}) < 1e37 AND {double} = floor({double}) THEN {double}::HUGEINT::VARCHAR"
    if _numeric(column.type) and not column.type.startswith("DECIMAL"):
        return f"(CASE WHEN {whole} ELSE {value} END)"
    number = f"CASE WHEN {whole} ELSE {double}::VARCHAR END"
    spelt = f"WHEN regexp_full_match({value}, {_WHOLE}) THEN {value} WHEN regexp_full_match({value}, {_NUMBER})"
    return f"(CASE {spelt} THEN {number} ELSE {value} END)"


def _numeric(kind: str) -> bool:
    return kind in INTEGERS or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL")


def _temporal(kind: str) -> bool:
    return kind == "DATE" or kind.startswith("TIMESTAMP")
