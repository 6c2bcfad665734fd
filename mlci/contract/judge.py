"""One table against the plan: one aggregate query counts all rules; a second one fetches rows of the broken ones.

Rows of which the engine cannot say whether they keep a rule are counted as well, and `fallback` judges those.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.quote)

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlci.contract import rows, view
from mlci.contract.engine import Engine
from mlci.contract.fallback import Fallback
from mlci.contract.nested import Printer
from mlci.contract.plan import Check, Plan
from mlci.contract.predicates import All, Present, Sound, Type
from mlci.contract.quote import name
from mlci.contract.sql import certain, fails
from mlci.contract.tables import FILE, Column, Table

CLIP = 120
"""Longer texts are cut in samples."""
_WIDE = 8
_BATCH = 500
_ROW = Check("", "type", "an object", Present(), None)
_AS_THEY_ARE = {"BOOLEAN", "FLOAT", "DOUBLE", *view.INTEGERS}


@dataclass(frozen=True)
class Printed:
    """A check as SQL: TRUE where it fails; and where the engine cannot say (None: it always can)."""

    check: Check
    fails: str
    unsure: str | None = None


Sample = tuple[str, int | None, dict[str, Any]]
"""A row: its file, its number (1 is the first; None in text files), and values by column."""


@dataclass(frozen=True)
class Finding:
    """How often a check failed in a table, and some of the rows."""

    check: Check
    count: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Judgement:
    """A table's number of rows, what was found, and for each check how many rows were left to the fallback."""

    rows: int
    findings: tuple[Finding, ...]
    left: tuple[tuple[Check, int], ...] = ()


def judge(engine: Engine, table: Table, plan: Plan, samples: int, fallback: Callable[[], Fallback]) -> Judgement:
    """A finding for each check that fails somewhere. Raises `duckdb.Error`."""
    printed = list(printed_checks(table, plan))
    n_rows, counts, left = _count(engine, table, printed)
    missing = [c for p in plan.columns if not table.column(p.name) for c in p.checks if isinstance(c.holds, Present)]
    nowhere: tuple[Sample, ...] = tuple((str(file), None, {}) for file in table.files[:samples])
    found = {check: Finding(check, n_rows, nowhere) for check in missing}
    broken = [(p, n) for p, n in zip(printed, counts, strict=True) if n]
    if broken:
        shown_rows = _sample(engine, table, [(p.check, p.fails) for p, _ in broken], plan, samples)
        found |= {p.check: Finding(p.check, n, sample) for (p, n), sample in zip(broken, shown_rows, strict=True)}
    open_checks = [p for p, n in zip(printed, left, strict=True) if n]
    if open_checks:
        for finding in _settle(engine, table, plan, open_checks, samples, fallback()):
            found[finding.check] = _added(found.get(finding.check), finding, samples)
    return Judgement(
        n_rows, tuple(found.values()), tuple((p.check, n) for p, n in zip(printed, left, strict=True) if n)
    )


def _added(one: Finding | None, two: Finding, samples: int) -> Finding:
    return replace(one, count=one.count + two.count, samples=(*one.samples, *two.samples)[:samples]) if one else two


def unnamed(column: str) -> Check:
    """The check that a column breaks which a closed contract does not name."""
    return Check(column, "additionalProperties", "no such column", Present(), None)


def unnamed_columns(table: Table, plan: Plan) -> list[Column]:
    """The columns that a closed contract does not name."""
    return [] if plan.named is None else [column for column in table.columns if column.name not in plan.named]


def printed_checks(table: Table, plan: Plan) -> Iterator[Printed]:
    """The checks that a row of this table can break, as SQL."""
    if table.form == "json":
        yield Printed(_ROW, "json_type(json) <> 'OBJECT'")
        yield from (Printed(unnamed(c.name), f"({c.sql} IS NOT NULL)") for c in unnamed_columns(table, plan))
    for column_plan in plan.columns:
        column = table.column(column_plan.name)
        if column:
            seen = rows.flat(table, column, column_plan.reads)
            deep = rows.member(table, column, column_plan.reads)
            yield from (p for check in column_plan.checks if (p := _print(check, seen, deep)))
    whole = rows.whole(table, {p.name: p.reads for p in plan.columns}) if plan.rows else None
    yield from (p for check in plan.rows if whole and (p := _print(check, whole, whole)))


def _print(check: Check, seen: view.View, deep: view.View) -> Printed | None:
    """A check as SQL, None where nothing can break it: a plain one on its column, a tree in three values."""
    holds = check.holds
    if isinstance(holds, Type) and (seen.array or seen.object) and not seen.sound:
        holds = All((holds, Sound()))
    if certain(holds):
        sql = fails(holds, seen)
        return Printed(check, sql) if sql else None
    printer = Printer()
    sql = printer.whole(holds, deep)
    if sql == "FALSE":
        return None
    there = f"({deep.present} AND {sql})" if deep.present else sql
    return Printed(check, there, f"({there}) IS NULL" if printer.unsure else None)


def _count(engine: Engine, table: Table, printed: Sequence[Printed]) -> tuple[int, list[int], list[int]]:
    """One query; more for a table so wide that its query would be too big for the engine.

    The rows; for each check the rows that break it, and those of which it cannot be said.
    """
    total, counts, left = 0, list[int](), list[int]()
    for start in range(0, max(1, len(printed)), _BATCH):
        batch = printed[start : start + _BATCH]
        filters = [f"count(*) FILTER (WHERE {p.fails})" for p in batch]
        filters += [f"count(*) FILTER (WHERE {p.unsure})" for p in batch if p.unsure]
        ((total, *found),) = engine.rows(f"SELECT {', '.join(['count(*)', *filters])} FROM {table.source}")
        counts += found[: len(batch)]
        unsure = iter(found[len(batch) :])
        left += [next(unsure) if p.unsure else 0 for p in batch]
    return total, counts, left


def _settle(
    engine: Engine, table: Table, plan: Plan, printed: Sequence[Printed], samples: int, fallback: Fallback
) -> list[Finding]:
    """The fallback's findings on the rows of which the engine could not say whether they keep these checks."""
    shown = {p.check: _columns(table, p.check.column, plan.keys) for p in printed}
    wanted = list(dict.fromkeys(column for columns in shown.values() for column in columns))
    number = "file_row_number + 1" if table.numbered else "NULL"
    row = rows.written(table, {p.name: p.reads for p in plan.columns})
    unsure = [f"({p.unsure})" for p in printed]
    selected = [name(FILE), number, row, *unsure, *(_shown(column, plan) for column in wanted)]
    order = f" ORDER BY {name(FILE)}, file_row_number" if table.numbered else ""
    query = f"SELECT {', '.join(selected)} FROM {table.source} WHERE {' OR '.join(unsure)}{order}"
    counts = [0] * len(printed)
    found: list[list[Sample]] = [[] for _ in printed]
    for file, at, text, *rest in engine.stream(query):
        broken = fallback.broken(text)
        values = dict(zip(wanted, rest[len(printed) :], strict=True))
        for i, p in enumerate(printed):
            if rest[i] and broken(p.check.column, p.check.rule):
                counts[i] += 1
                if len(found[i]) < samples:
                    found[i].append((file, at, {column.name: values[column] for column in shown[p.check]}))
    triples = zip(printed, counts, found, strict=True)
    return [Finding(p.check, n, tuple(sample)) for p, n, sample in triples if n]


def _sample(
    engine: Engine, table: Table, broken: Sequence[tuple[Check, str]], plan: Plan, samples: int
) -> list[tuple[Sample, ...]]:
    """The first rows (in text files: some rows) that break each check."""
    if not samples:
        return [()] * len(broken)
    position = "file_index::BIGINT * 1099511627776 + file_row_number" if table.numbered else "0"
    number = "file_row_number + 1" if table.numbered else "NULL"
    shown = {check: _columns(table, check.column, plan.keys) for check, _ in broken}
    wanted = list(dict.fromkeys(column for columns in shown.values() for column in columns))
    inner = [f"{_shown(column, plan)} AS s{i}" for i, column in enumerate(wanted)]
    inner += [f"{sql} AS b{i}" for i, (_, sql) in enumerate(broken)]
    outer = []
    for i, (check, _) in enumerate(broken):
        values = ", ".join(f"s{wanted.index(column)}" for column in shown[check])
        row = f"row(at_file, at_row, {values})" if values else "row(at_file, at_row)"
        outer.append(f"arg_min({row}, place, {samples}) FILTER (WHERE b{i})")
    places = f"{name(FILE)} AS at_file, {number} AS at_row, {position} AS place"
    source = f"SELECT {', '.join([places, *inner])} FROM {table.source}"
    anywhere = " OR ".join(sql for _, sql in broken)
    (found,) = engine.rows(f"SELECT {', '.join(outer)} FROM ({source} WHERE {anywhere})")
    return [
        tuple((file, row, _named(shown[check], values)) for file, row, *values in rows or ())
        for (check, _), rows in zip(broken, found, strict=True)
    ]


def _columns(table: Table, offending: str, keys: Sequence[Sequence[str]]) -> list[Column]:
    """The columns of a sample: those of a key, the offending one, and the others where the table is small."""
    others = [column.name for column in table.columns] if len(table.columns) <= _WIDE else []
    found = (
        table.column(wanted) for wanted in dict.fromkeys((*(name for key in keys for name in key), offending, *others))
    )
    return [column for column in found if column]


def _shown(column: Column, plan: Plan) -> str:
    if column.name in plan.sensitive:
        return f"CASE WHEN {column.sql} IS NOT NULL THEN '***' END"
    return shown(column)


def shown(column: Column) -> str:
    """SQL of a value that a person reads: numbers and booleans as they are, everything else as text, cut."""
    return column.sql if column.type in _AS_THEY_ARE else f"left({column.sql}::VARCHAR, {CLIP + 1})"


def _named(columns: Sequence[Column], values: Sequence[Any]) -> dict[str, Any]:
    return {column.name: value for column, value in zip(columns, values, strict=True)}
