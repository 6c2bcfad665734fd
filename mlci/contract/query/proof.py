"""What the footers of Parquet files prove: a column of which every rule is proven is not read.

DuckDB proves as much of one file, by its statistics propagation, but would still read the column for the rows to show;
and it has no statistics of a union of files.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from mlci.contract.language.plan import Check
from mlci.contract.language.predicates import Bound, NotNull
from mlci.contract.query.engine import Engine
from mlci.contract.query.footer import exactly
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import Table

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_PLAIN = {*_WHOLE, "BOOLEAN", "DATE", "VARCHAR"}
"""Types with one null: NaN is another one to some contracts."""
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def proven(engine: Engine, table: Table, checks: Iterable[Check]) -> set[Check]:
    """The checks that no row of any of the files breaks, by the minima, maxima and counts of nulls of all row groups.

    None where the engine is not to believe footers. Raises `duckdb.Error`.
    """
    if table.form != "parquet" or not engine.footer:
        return set()
    types = {column.name: column.type for column in reversed(table.columns)}
    asked = [c for c in checks if _may_be(c, types.get(c.column, ""))]
    if not asked:
        return set()
    ends = _ends(engine, table, {check.column for check in asked})
    return {check for check in asked if check.column in ends and _holds(check, *ends[check.column])}


def _may_be(check: Check, kind: str) -> bool:
    return kind in (_WHOLE if isinstance(check.holds, Bound) else _PLAIN if isinstance(check.holds, NotNull) else ())


def _ends(engine: Engine, table: Table, columns: set[str]) -> dict[str, tuple[int | None, int | None, int | None]]:
    """The least and the greatest value, and how many nulls; None where a row group does not say."""
    metadata = f"parquet_metadata([{', '.join(literal(exactly(file)) for file in table.files)}])"
    names = ", ".join(map(literal, columns))
    said = ", ".join(
        f"CASE WHEN count({value}) = count(*) THEN {of}({value}) END"
        for of, value in (
            ("min", "TRY_CAST(stats_min_value AS HUGEINT)"),
            ("max", "TRY_CAST(stats_max_value AS HUGEINT)"),
            ("max", "stats_null_count"),
        )
    )
    # of two columns of one name, and of members of a struct that are written like one, there are more than row groups
    groups = f"SELECT count(*) FROM {metadata} WHERE column_id = 0"
    rows = engine.rows(
        f"SELECT path_in_schema, {said} FROM {metadata} WHERE path_in_schema IN ({names}) "
        f"GROUP BY path_in_schema HAVING count(*) = ({groups})"
    )
    return {column: (low, high, nulls) for column, low, high, nulls in rows}


def _holds(check: Check, low: int | None, high: int | None, nulls: int | None) -> bool:
    if not isinstance(check.holds, Bound):
        return nulls == 0
    fails = _RELATIONS[check.holds.fails]
    return not any(value is None or fails(value, check.holds.limit) for value in (low, high))
