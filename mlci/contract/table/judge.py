"""From states to violations, in the order of the kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlci.contract.language.schema import TableRule, TableRules
from mlci.contract.report import Violation
from mlci.contract.table.kinds import KINDS, Counted, Queried
from mlci.contract.table.measure import keeps, measure, measured
from mlci.contract.table.scan import Outcome, Scan, State
from mlci.errors import WorldError

States = Mapping[Path, Mapping[str, State]]


def measured_now(scan: Scan) -> Mapping[Path, Mapping[str, State]]:
    """The states of the files of a scan; none where no rule has one. Raises as `violations` does."""
    if not any(rule.kind in KINDS for rule in scan.contract.table.rules):
        return {}
    with _of_data():
        return measure(scan)


def violations(scan: Scan, states: States, rows: int, names: Mapping[Path, str]) -> list[Violation]:
    """Judge by the states. `names` says what files are called, in their order.

    Raises ConfigError where another file that a rule names cannot be used, WorldError for files that are corrupt.
    """
    if not any(rule.kind in KINDS for rule in scan.contract.table.rules):
        return []
    with _of_data():
        return list(judge(scan, states, rows, names))


@contextmanager
def _of_data() -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our SQL is wrong, not the data
    except duckdb.Error as error:
        help = "write the files anew"
        raise WorldError("the rules of the table cannot be measured: a file is corrupt", help=help) from error


def judge(scan: Scan, states: States, rows: int, names: Mapping[Path, str]) -> Iterator[Violation]:
    """What is broken, given the states of all files and how many rows they have.

    `scan.tables` are of all files: rules without a state that is kept, and broken ones, are asked of them.
    """
    order = {kind: i for i, kind in enumerate(KINDS)}
    rules = sorted((r for r in scan.contract.table.rules if r.kind in KINDS), key=lambda r: order[r.kind])
    afresh = [r for r in rules if not keeps(r, scan) and isinstance(KINDS[r.kind], Counted | Queried)]
    again = measured(afresh, scan) if afresh else {}
    for rule in rules:
        kept = states if keeps(rule, scan) else again
        parts = [(name, kept[file][rule.id]) for file, name in names.items() if rule.id in kept.get(file, ())]
        yield from _judge(rule, parts, rows, scan)


def _judge(rule: TableRule, parts: Sequence[tuple[str, State]], rows: int, scan: Scan) -> Iterator[Violation]:
    kind = KINDS[rule.kind]
    there, absent = _sorted(rule, parts)
    if absent:
        lacking, nowhere = sum(state["absent"] for _, state in absent), [{"(file)": name} for name, _ in absent]
        yield _violation(rule, "a column of this name", Outcome("", lacking, tuple(nowhere[: scan.samples])))
        if not there:
            return
    merged = kind.merge(rule, [state for _, state in there]) if isinstance(kind, Counted | Queried) else {}
    if broken := kind.judge(rule, merged, rows, scan):
        samples = [{"(file)": name, **row} for name, state in there for row in state.get("samples", ())]
        outcome = replace(broken, samples=tuple(samples[: scan.samples]))
        yield _violation(rule, kind.expected(rule), outcome)


def _sorted(
    rule: TableRule, parts: Sequence[tuple[str, State]]
) -> tuple[list[tuple[str, State]], list[tuple[str, State]]]:
    """The states of files with the rule's columns, and of those that lack one. In JSON lines each row has keys of its
    own: a file where no row has the key is one of rows without a value, unless no file has it at all.
    """
    kind = KINDS[rule.kind]
    somewhere = any("absent" not in state for _, state in parts)
    there, absent = list[tuple[str, State]](), list[tuple[str, State]]()
    for name, state in parts:
        if "absent" not in state:
            there.append((name, state))
        elif somewhere and state["keys"] and isinstance(kind, Counted | Queried):
            empty = kind.merge(rule, ())
            there.append((name, {**empty, "nulls": state["absent"]} if rule.kind == "nulls" else empty))
        else:
            absent.append((name, state))
    return there, absent


def called(rule: TableRule) -> tuple[str, str]:
    """What a rule is called in reports: its columns (empty: the table), and the kind with what tells it from others."""
    column = ", ".join(rule.columns)
    rest = rule.name if not column else rule.name.removeprefix(column).lstrip(".") if rule.kind == "quantiles" else ""
    return column, f"{rule.kind} {rest}".strip()


def _violation(rule: TableRule, expected: str, outcome: Outcome) -> Violation:
    found = Violation(*called(rule), expected, outcome.count, outcome.samples, rule.line, outcome.found)
    return replace(found, severity=rule.severity, tolerance=rule.tolerance)


def termed(found: Iterable[Violation], table: TableRules) -> list[Violation]:
    """Broken keys and numbers of rows, with the line, the severity and the tolerance of their rule."""
    rules: dict[tuple[str, str], Any] = {(r.kind, ", ".join(r.columns)): r for r in table.rules}
    return [
        replace(v, line=rule.line, severity=rule.severity, tolerance=rule.tolerance)
        if v.rule in ("unique", "rows") and (rule := rules.get((v.rule, v.column)))
        else v
        for v in found
    ]
