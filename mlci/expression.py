"""Expressions of DuckDB's SQL that may come from a stranger's pull request.

One must not read files, reach the net, or change the engine. DuckDB itself parses it (`json_serialize_sql`), and only
what is known to be harmless is let through: columns, constants, operators, and the functions that the caller names.
There are no subqueries, tables, windows or settings in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_CLASSES = {"BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR"}
_CLASSES |= {"TYPE"}
_EMPTY = ("modifiers", "group_expressions", "group_sets", "where_clause", "having", "sample", "qualify")


def refusal(expression: str, functions: frozenset[str]) -> str | None:
    """Why an expression is not let through; None: it is. `functions` are the names that it may call."""
    tree = parsed(expression)
    if tree.get("error"):
        return f"it cannot be parsed: {tree.get('error_message')}"
    nodes = [statement.get("node", {}) for statement in tree.get("statements", ())]
    if len(nodes) != 1 or not _plain(nodes[0]):
        return "it must be one expression, with nothing after it"
    return next(_wrong(nodes[0]["select_list"][0], functions), None)


def parsed(expression: str) -> dict[str, Any]:
    """The query of an expression as DuckDB parses it; nothing is run."""
    import duckdb

    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        found = connection.execute("SELECT json_serialize_sql($1)", [query(expression)]).fetchone()
    tree: dict[str, Any] = json.loads(found[0]) if found else {}
    return tree


def query(expression: str) -> str:
    """The expression over the table `data`."""
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


def _wrong(node: Any, functions: frozenset[str]) -> Iterator[str]:
    """What of a tree is not known to be harmless."""
    if isinstance(node, list):
        for part in node:
            yield from _wrong(part, functions)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind is not None and kind not in _CLASSES:
        yield f"a {str(kind).lower().replace('_', ' ')} is not allowed in it"
    if kind == "FUNCTION":
        called = str(node.get("function_name", "")).lower()
        if called not in functions or node.get("schema") or node.get("catalog"):
            yield f"the function `{called}` is not allowed in it"
    for part in node.values():
        yield from _wrong(part, functions)
