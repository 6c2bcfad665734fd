"""`sql`: a figure of the table that no other rule has, as an expression in DuckDB's SQL over the table `data`.

A contract may come from a stranger's pull request, so an expression must not read files, reach the net, or change the
engine. It is parsed by DuckDB itself (`json_serialize_sql`), and only what is known to be harmless is let through:
columns, constants, operators, and the functions below. There are no subqueries, tables or settings in it.
"""

# ruff: noqa: ARG001, S608  (names are quoted, and the expression is checked by `refusal`)

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mlci.contract.language.schema import TYPES, TableRule
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import Table, reason
from mlci.contract.table.figures import between, decimal, outside
from mlci.contract.table.scan import Outcome, Scan, State, union

Expression = str
"""The `detail` of a rule."""
_CLASSES = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR"}
_CLASSES |= {"TYPE"}
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
_EMPTY = ("modifiers", "group_expressions", "group_sets", "where_clause", "having", "sample", "qualify")


def refusal(expression: Expression) -> str | None:
    """Why an expression is not let through; None: it is."""
    tree = _tree(expression)
    if tree.get("error"):
        return f"it cannot be parsed: {tree.get('error_message')}"
    nodes = [statement.get("node", {}) for statement in tree.get("statements", ())]
    if len(nodes) != 1 or not _plain(nodes[0]):
        return "it must be one expression, with nothing after it"
    return next(_wrong(nodes[0]["select_list"][0]), None)


def _tree(expression: Expression) -> dict[str, Any]:
    """The query as DuckDB parses it."""
    import duckdb

    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        found = connection.execute("SELECT json_serialize_sql($1)", [_query(expression)]).fetchone()
    tree: dict[str, Any] = json.loads(found[0]) if found else {}
    return tree


def _query(expression: Expression) -> str:
    return f"SELECT\n{expression}\nFROM data"


def _plain(node: dict[str, Any]) -> bool:
    """Whether a query is `SELECT one expression FROM data` and no more."""
    source = node.get("from_table") or {}
    return (
        node.get("type") == "SELECT_NODE"
        and len(node.get("select_list", ())) == 1
        and not any(node.get(part) for part in _EMPTY)
        and not (node.get("cte_map") or {}).get("map")
        and node.get("aggregate_handling") == "STANDARD_HANDLING"
        and source.get("type") == "BASE_TABLE"
        and source.get("table_name") == "data"
        and not any(source.get(part) for part in ("schema_name", "catalog_name", "alias", "sample", "at_clause"))
    )


def _wrong(node: Any) -> Iterator[str]:
    """What of a tree is not known to be harmless."""
    if isinstance(node, list):
        for part in node:
            yield from _wrong(part)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind is not None and kind not in _CLASSES:
        yield f"a {str(kind).lower().replace('_', ' ')} is not allowed in it"
    if kind == "FUNCTION":
        called = str(node.get("function_name", "")).lower()
        if called not in FUNCTIONS or node.get("schema") or node.get("catalog"):
            yield f"the function `{called}` is not allowed in it"
    for part in node.values():
        yield from _wrong(part)


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
        ((value,),) = scan.db.rows(f"WITH data AS ({source}) {_query(rule.detail)}")
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
    tree, folded = _tree(expression), {name.lower() for name in sensitive}
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
