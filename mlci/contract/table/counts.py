"""`counts`: how many rows keep a schema of the contract's own kind, as a number or as a share of all rows.

A row of which the engine cannot say so exactly is judged by jsonschema-rs, as everywhere.
"""

# ruff: noqa: ARG001, S608  (functions take what any kind may need; every name and value is quoted by quote)

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.plan import spoken
from mlci.contract.language.predicates import Predicate
from mlci.contract.language.schema import Rule, TableRule
from mlci.contract.query import rows as row_views
from mlci.contract.query.nested import Printer
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import FILE, Table
from mlci.contract.table.figures import between, of_rows, outside
from mlci.contract.table.scan import Outcome, Scan, State

_ROOT = "urn:mlci:contract"


@dataclass(frozen=True)
class Where:
    """The schema that is counted, and where it stands in the contract (a JSON pointer)."""

    holds: Predicate
    pointer: str


def states(rule: TableRule, table: Table, scan: Scan) -> dict[str, State]:
    """The number of rows of each file that keep the schema."""
    where: Where = rule.detail
    more = spoken((Rule("where", None, "", rule.line, where.holds),))
    named: dict[str | None, frozenset[str]] = {c.name: scan.reads(c.name, more) for c in table.columns}
    reads = {None: scan.plan.others, **named}
    printer = Printer()
    fails = printer.whole(where.holds, row_views.whole(table, reads))
    unsure = f"({fails}) IS NULL" if printer.unsure else "FALSE"
    sums = f"count(*) FILTER (WHERE NOT ({fails})), count(*) FILTER (WHERE {unsure})"
    found = scan.db.rows(f"SELECT {quoted(FILE)}, {sums} FROM {table.source} GROUP BY {quoted(FILE)}")
    counts = {file: n for file, n, _ in found}
    if any(open_rows for _, _, open_rows in found):
        keeps = Fallback(_schema(where, scan), formats=True)
        row = row_views.written(table, reads)
        for batch in scan.db.batches(f"SELECT {quoted(FILE)}, {row} FROM {table.source} WHERE {unsure}"):
            for file, text in batch:
                counts[file] += _valid(keeps, text)
    return {file: {"count": n} for file, n in counts.items()}


def _valid(keeps: Fallback, text: str) -> bool:
    try:
        return keeps.valid(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _schema(where: Where, scan: Scan) -> Any:
    """The schema with all of the contract beside it, so that its references lead where they led."""
    whole = {"$id": _ROOT, **scan.contract.schema}
    return {"$ref": f"{whole['$id']}#{where.pointer}", "$defs": {"contract": whole}}


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    return {"count": sum(state["count"] for state in states)}


def expected(rule: TableRule) -> str:
    """In words."""
    return f"{between(rule)} of the rows" if _shares(rule) else f"{between(rule)} rows"


def _shares(rule: TableRule) -> bool:
    return any(limit.share for limit in (rule.low, rule.high) if limit)


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """Exactly."""
    found: int = state["count"]
    return Outcome(of_rows(found, rows)) if outside(found, rule, rows) else None
