"""`sql`: a figure of the table that no other rule has, as an expression in DuckDB's SQL over the table `data`.

A contract may come from a stranger's pull request, so only the functions below may be called (`mlci.expression`).
"""

# ruff: noqa: ARG001, S608  (names are quoted, and the expression is checked by `refusal`)

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlci import expression as expressions
from mlci.contract.language.schema import TYPES, TableRule
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import Table, reason
from mlci.contract.table.figures import between, decimal, outside
from mlci.contract.table.scan import Outcome, Scan, State, union

Expression = str
"""The `detail` of a rule."""
_AGGREGATES = """any_value arg_max arg_min avg bool_and bool_or corr count count_star covar_pop covar_samp entropy fsum
kurtosis mad max mean median min mode product quantile_cont quantile_disc regr_slope skewness stddev_pop stddev_samp
stddev sum var_pop var_samp variance approx_count_distinct approx_quantile"""
_SCALARS = """+ - * / // % ** ^ || ~~ !~~ ~~* !~~* abs ceil floor round trunc sign sqrt exp ln log log10 log2 pow power
greatest least coalesce ifnull nullif isnan isfinite isinf mod divide length strlen lower upper trim ltrim rtrim left
right substr substring replace split_part starts_with ends_with prefix suffix contains position strpos concat
regexp_matches regexp_full_match date_part date_trunc date_diff datediff datesub date_sub date_add year month day hour
minute second quarter week dayofweek isodow weekday dayofyear epoch epoch_ms epoch_us last_day age to_seconds to_minutes
to_hours to_days to_weeks to_months to_years make_date make_timestamp strptime try_strptime hash md5 len list_value
array_length list_contains list_sum list_min list_max list_avg json_extract json_extract_string -> ->> json_type
json_array_length"""
_GIVEN, _COUNTS = frozenset(_AGGREGATES.split()), frozenset({"count", "count_star", "approx_count_distinct"})
FUNCTIONS = frozenset((_AGGREGATES + " " + _SCALARS).split())


def refusal(expression: Expression) -> str | None:
    """Why an expression is not let through; None: it is."""
    return expressions.refusal(expression, FUNCTIONS)


def expected(rule: TableRule) -> str:
    """In words."""
    return between(rule)


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """The value over all files; one that is not there, or no number, is within no limits."""
    import duckdb

    source = (
        union([_part(table, scan) for table in scan.tables], by_name=True) if scan.tables else "SELECT 1 WHERE FALSE"
    )
    try:
        ((value,),) = scan.db.rows(f"WITH data AS ({source}) {expressions.query(rule.detail)}")
    except duckdb.BinderException as error:
        said = str(error).splitlines()[0]
        lacking = re.search(r'Referenced column "(.+)" not found', said)
        return Outcome(f"no column {lacking[1]}" if lacking else f"it cannot be computed: {said}")
    except (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError) as error:
        return Outcome(f"it cannot be computed: {reason(error)}")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or value != value:  # noqa: PLR0124
        return Outcome("no number")
    if value in (float("inf"), float("-inf")):
        return Outcome(str(value))
    if not outside(Fraction(value), rule):
        return None
    return Outcome("***" if _shows(rule.detail, scan.sensitive) else decimal(Fraction(value)))


def _shows(expression: Expression, sensitive: frozenset[str]) -> bool:
    """Whether the value may be one of a sensitive column: it speaks of one, and does more than count."""
    tree, folded = expressions.parsed(expression), {name.lower() for name in sensitive}
    named = {str(name).lower() for node in _nodes(tree) for name in node.get("column_names") or ()}
    called = {str(node.get("function_name", "")).lower() for node in _nodes(tree) if node.get("class") == "FUNCTION"}
    return bool(named & folded) and not (called & _GIVEN).issubset(_COUNTS)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All nodes of a parsed expression."""
    if isinstance(tree, dict):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(part)


def _part(table: Table, scan: Scan) -> str:
    """The rows with the columns' own names; cells of text files as the numbers or booleans that `type` calls them."""
    columns = {column.name: column for column in reversed(table.columns)}
    values = [f"{_value(table, name, scan)} AS {quoted(name)}" for name in columns]
    return f"SELECT {', '.join(values) or '1'} FROM {table.source}"


def _value(table: Table, name: str, scan: Scan) -> str:
    column, seen = scan.view(table, name)
    reads = scan.reads(name) & {*TYPES} - {"null"}
    if table.form == "parquet":
        return column.sql
    if seen.number and reads and reads <= {"integer", "number"}:
        return f"({seen.number.sql})"
    if seen.boolean and reads == {"boolean"}:
        return f"({seen.boolean})"
    return f"{column.sql}_text" if table.form == "json" else column.sql
