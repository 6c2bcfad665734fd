"""The states of all rules over some files: one query for each table, and one more for each rule that needs its own."""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlci.contract.language.schema import Contract, TableRule
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import FILE, Table
from mlci.contract.table.kinds import KINDS, PRIVATE, Counted, Queried
from mlci.contract.table.scan import Scan, State

_BATCH = 200


def measure(scan: Scan) -> dict[Path, dict[str, State]]:
    """The states of each file, by the rules' ids: what need not be measured again while the contract, the file and
    the `files` of the contract are the same.

    Raises ConfigError where another file that a rule names cannot be used, `duckdb.Error` for the data.
    """
    rules = [rule for rule in scan.contract.table.rules if keeps(rule, scan)]
    return measured(rules, scan)


def keeps(rule: TableRule, scan: Scan) -> bool:
    """Whether a rule has a state that may be kept."""
    private = rule.kind in PRIVATE and bool(scan.sensitive & set(rule.columns))
    return isinstance(KINDS.get(rule.kind), Counted | Queried) and not private


def files(contract: Contract) -> tuple[Path, ...]:
    """The other files that the rules are about: tables that are referred to, profiles."""
    found = (getattr(rule.detail, "file", None) for rule in contract.table.rules)
    return tuple(dict.fromkeys(file for file in found if file))


def has_freshness(contract: Contract) -> bool:
    """Whether a rule asks what time it is, so that an answer does not last."""
    return any(rule.kind == "freshness" for rule in contract.table.rules)


def measured(rules: Sequence[TableRule], scan: Scan) -> dict[Path, dict[str, State]]:
    """The states of these rules. A file without one of a rule's columns has a state that says so."""
    found: dict[Path, dict[str, State]] = {file: {} for table in scan.tables for file in table.files}
    for table in scan.tables:
        there = [rule for rule in rules if all(map(table.column, rule.columns))]
        for rule in rules:
            if rule not in there:
                for file in table.files:
                    found[file][rule.id] = {"absent": 0, "keys": table.form == "json"}
        counted = [rule for rule in there if isinstance(KINDS[rule.kind], Counted)]
        absent = len(there) < len(rules)
        for start in range(0, max(len(counted), 1 if absent else 0), _BATCH):
            _count(counted[start : start + _BATCH], table, scan, found)
        for rule in there:
            kind = KINDS[rule.kind]
            if isinstance(kind, Queried):
                states = kind.states(rule, table, scan)
                for file in table.files:
                    found[file][rule.id] = states.get(str(file), kind.merge(rule, ()))
    return found


def _count(rules: Sequence[TableRule], table: Table, scan: Scan, found: dict[Path, dict[str, State]]) -> None:
    """One query for the rules that are counted, and for the rows of files that lack a column."""
    kinds = [(rule, kind) for rule in rules if isinstance(kind := KINDS[rule.kind], Counted)]
    parts = [kind.aggregates(rule, table, scan) for rule, kind in kinds]
    selected = ", ".join([quoted(FILE), "count(*)", *(sql for part in parts for sql in part)])
    lines = scan.db.rows(f"SELECT {selected} FROM {table.source} GROUP BY {quoted(FILE)}")
    by_file = {file: (rows, values) for file, rows, *values in lines}
    for file in table.files:
        rows, values = by_file.get(str(file), (0, None))
        for state in found[file].values():
            if "absent" in state:
                state["absent"] = rows
        taken = iter(values or ())
        for (rule, kind), part in zip(kinds, parts, strict=True):
            mine = _take(taken, len(part)) if values else None
            found[file][rule.id] = kind.merge(rule, ()) if mine is None else kind.state(rule, mine)


def _take(values: Iterator[Any], n: int) -> list[Any]:
    return [next(values) for _ in range(n)]
