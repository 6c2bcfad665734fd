"""From judgements to parts of files, and from the parts of all files to violations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlci.contract.language.plan import Check, Plan
from mlci.contract.language.predicates import Present
from mlci.contract.query.judge import OF_ROWS, Finding, Judgement, Sample, unnamed, unnamed_columns
from mlci.contract.query.keys import Key, Span
from mlci.contract.query.part import Broken, Part, Rule
from mlci.contract.query.tables import Table
from mlci.contract.report import Left, Violation, plain


def part(
    table: Table,
    judged: Judgement,
    plan: Plan,
    spans: Mapping[Key, Span],
    states: Mapping[str, dict[str, Any]],
) -> Part:
    """A file as it was judged."""
    broken = {(c.column, c.rule): Broken(judged.rows) for c in (*_twice(table), *_unnamed(table, plan))}
    broken |= {(f.check.column, f.check.rule): _kept(f) for f in judged.findings}
    left = {(check.column, check.rule): n for check, n in judged.left}
    columns = tuple((column.name, column.type) for column in table.columns)
    return Part(judged.rows, columns, broken, left, spans, states)


def _kept(finding: Finding) -> Broken:
    first, random = (
        tuple(
            dataclasses.replace(row, values={name: plain(value) for name, value in row.values.items()}) for row in rows
        )
        for rows in (finding.first, finding.random)
    )
    return Broken(finding.count, first, random)


def _twice(table: Table) -> list[Check]:
    names = [column.name for column in table.columns]
    return [_double(name) for name in dict.fromkeys(names) if names.count(name) > 1]


def _double(column: str) -> Check:
    return Check(column, "duplicate", "one column of this name", Present(), None)


def _unnamed(table: Table, plan: Plan) -> list[Check]:
    if table.form == "json":  # there, each row has keys of its own, and each is a check
        return []
    return [unnamed(column.name) for column in unnamed_columns(table, plan)]


def violations(parts: Mapping[str, Part], plan: Plan, samples: int) -> Iterator[Violation]:
    """The rules that files break, all together, in the order of the contract. `parts` are by the file's name."""
    for name, one in parts.items():
        if one.problem is not None:
            yield Violation("", "readable", "a whole file", 1, ({"(file)": name, "(problem)": one.problem},))
    checks = {(c.column, c.rule): c for c in (*(c for p in plan.columns for c in p.checks), *plan.rows)}
    order = {rule: i for i, rule in enumerate(checks)}
    found = dict.fromkeys(rule for one in parts.values() for rule in one.broken)
    for rule in sorted(found, key=lambda rule: (order.get(rule, -1), rule)):
        check = checks.get(rule) or _of_the_file(rule)
        where = {name: one.broken[rule] for name, one in parts.items() if rule in one.broken}
        counts = sorted(((name, broken.count) for name, broken in where.items()), key=lambda item: -item[1])
        first = [_shown(name, row) for name, broken in where.items() for row in broken.first]
        if not first:  # what is wrong with the columns of a file is wrong in all its rows
            first = [{"(file)": name} for name in where]
        yield Violation(
            check.column,
            check.rule,
            check.expected,
            sum(n for _, n in counts),
            tuple(first[:samples]),
            check.line,
            severity=check.severity,
            tolerance=check.tolerance,
            random=tuple(_picked(where, first, samples)),
            files=tuple(counts),
        )


def _of_the_file(rule: Rule) -> Check:
    """The checks of no line of the contract."""
    column, keyword = rule
    return OF_ROWS.get(rule) or (_double(column) if keyword == "duplicate" else unnamed(column))


def _picked(where: Mapping[str, Broken], first: Sequence[dict[str, Any]], samples: int) -> list[dict[str, Any]]:
    """Rows from all that break a rule, without those that are among the first."""
    rows = sorted(((row.pick, name, row) for name, one in where.items() for row in one.random), key=lambda r: r[:2])
    shown = [_shown(name, row) for _, name, row in rows[:samples]]
    return [row for row in shown if row not in first[:samples]]


def _shown(name: str, row: Sample) -> dict[str, Any]:
    return {"(file)": name, **({} if row.row is None else {"(row)": row.row}), **row.values}


def left(parts: Mapping[str, Part]) -> Iterator[Left]:
    """How many rows the fallback judged, by rule."""
    for rule in sorted({rule for one in parts.values() for rule in one.left}):
        yield Left(*rule, sum(one.left.get(rule, 0) for one in parts.values()))


def columns(parts: Mapping[Path, Part] | Mapping[str, Part]) -> tuple[tuple[str, str], ...]:
    """The columns of all files; one of several types has them all."""
    types: dict[str, dict[str, None]] = {}
    for one in parts.values():
        for name, kind in one.columns:
            types.setdefault(name, {})[kind] = None
    return tuple((name, " | ".join(kinds)) for name, kinds in types.items())
