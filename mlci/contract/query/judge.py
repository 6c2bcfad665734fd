"""One table against the plan: one query finds the rows that break a rule, and counts them by file and rule.

The rows that break nothing are dropped by the first filter, so a rule costs little where it is kept. Rows of which the
engine cannot say whether they keep a rule are counted as well, and `fallback` judges those.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.plan import Check, Plan
from mlci.contract.language.predicates import All, Present, Sound, Type
from mlci.contract.query import rows, view
from mlci.contract.query.engine import Engine
from mlci.contract.query.footer import exactly
from mlci.contract.query.nested import Printer
from mlci.contract.query.proof import proven
from mlci.contract.query.quote import literal, name
from mlci.contract.query.sql import certain, fails
from mlci.contract.query.tables import FILE, TWICE, Column, Table

CLIP = 120
"""Longer texts are cut in samples."""
_WIDE = 8
_BATCH = 500
_ROW = Check("", "type", "an object", Present(), None, of_row=True)
_TWICE = Check("", "duplicate", "each key once", Present(), None, of_row=True)
OF_ROWS = {(check.column, check.rule): check for check in (_ROW, _TWICE)}
"""The checks of JSON lines that no contract has to ask for."""
_AS_THEY_ARE = {"BOOLEAN", "FLOAT", "DOUBLE", *view.INTEGERS}


@dataclass(frozen=True)
class Printed:
    """A check as SQL: TRUE where it fails; `unsure` if it may be NULL, where the engine cannot say."""

    check: Check
    fails: str
    unsure: bool = False


@dataclass(frozen=True)
class Sample:
    """A row: its number (1 is the first; None in text files), values by column, and a number it is picked by."""

    row: int | None
    values: dict[str, Any]
    pick: int = 0


@dataclass(frozen=True)
class Finding:
    """How often a check failed in a file, the first rows, and some picked from all of them."""

    check: Check
    count: int
    first: tuple[Sample, ...] = ()
    random: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """A file's number of rows, what was found, and for each check how many rows were left to the fallback."""

    rows: int
    findings: tuple[Finding, ...] = ()
    left: tuple[tuple[Check, int], ...] = ()


def judge(
    engine: Engine, table: Table, plan: Plan, samples: int, fallback: Callable[[], Fallback]
) -> dict[Path, Judgement]:
    """What each file of a table has of rows that break a check. Raises `duckdb.Error`."""
    printed = list(printed_checks(table, plan))
    kept = proven(engine, table, (p.check for p in printed))
    printed = [p for p in printed if p.check not in kept]
    rows_of, suspect = _rows(engine, table, printed)
    missing = [c for p in plan.columns if not table.column(p.name) for c in p.checks if isinstance(c.holds, Present)]
    found: dict[Path, list[Finding]] = {file: [Finding(c, n) for c in missing if n] for file, n in rows_of.items()}
    left: dict[Path, Counter[Check]] = defaultdict(Counter)
    for batch in _batches(printed if suspect else ()):
        for file, code, finding in _broken(engine, table, batch, plan, samples):
            if code < 0:
                left[file][finding.check] += finding.count
            else:
                found[file].append(finding)
    unsure = [p for p in printed if any(p.check in counts for counts in left.values())]
    for batch in _batches(unsure):
        for file, finding in _settle(engine, table, plan, batch, samples, fallback()):
            found[file] = [*_without(found[file], finding.check), _added(found[file], finding, samples)]
    return {
        file: Judgement(n, tuple(found[file]), tuple(left[file].items()) if file in left else ())
        for file, n in rows_of.items()
    }


def _without(findings: Sequence[Finding], check: Check) -> list[Finding]:
    return [finding for finding in findings if finding.check != check]


def _added(findings: Sequence[Finding], more: Finding, samples: int) -> Finding:
    """The finding together with the one of the same check that is there already."""
    for one in findings:
        if one.check == more.check:
            first, random = (*one.first, *more.first)[:samples], (*one.random, *more.random)[:samples]
            return Finding(one.check, one.count + more.count, first, random)
    return more


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
        yield Printed(_TWICE, name(TWICE))
        yield from (Printed(unnamed(c.name), f"({c.sql} IS NOT NULL)") for c in unnamed_columns(table, plan))
    for column_plan in plan.columns:
        column = table.column(column_plan.name)
        if column:
            seen = rows.flat(table, column, column_plan.reads)
            deep = rows.member(table, column, column_plan.reads)
            yield from (p for check in column_plan.checks if (p := _print(check, seen, deep)))
    whole = rows.whole(table, plan.reads) if plan.rows else None
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
    return Printed(check, there, printer.unsure)


def _rows(engine: Engine, table: Table, printed: Sequence[Printed]) -> tuple[dict[Path, int], bool]:
    """The number of rows of each file, and whether any row may break a check.

    Parquet says in its footer how many rows there are; a text file is read for that, so it is asked for both at once.
    """
    files = {str(file): file for file in table.files}
    counts = dict.fromkeys(table.files, 0)
    if table.form == "parquet":
        paths = ", ".join(literal(exactly(file)) for file in table.files)
        for file, n in engine.rows(f"SELECT file_name, num_rows FROM parquet_file_metadata([{paths}])"):
            counts[files[file]] = n
        return counts, any(counts.values())
    suspects = " + ".join(f"count(*) FILTER (WHERE {_any(batch)})" for batch in _batches(printed)) or "0"
    counted = f"SELECT {name(FILE)}, count(*), {suspects} FROM {table.source} GROUP BY ALL"
    suspect = 0
    for file, n, some in engine.rows(counted):
        counts[files[file]] = n
        suspect += some
    return counts, suspect > 0


def _batches(printed: Sequence[Printed]) -> Iterator[Sequence[Printed]]:
    for start in range(0, len(printed), _BATCH):
        yield printed[start : start + _BATCH]


def _any(printed: Sequence[Printed]) -> str:
    """SQL that is TRUE where a row breaks one of the checks, or may."""
    return " OR ".join(f"coalesce({p.fails}, TRUE)" if p.unsure else p.fails for p in printed)


def _broken(
    engine: Engine, table: Table, printed: Sequence[Printed], plan: Plan, samples: int
) -> Iterator[tuple[Path, int, Finding]]:
    """By file and check: how many rows break it (or, with a code below 0, are left), the first and some of them."""
    codes = [
        f"CASE WHEN {p.fails} THEN {i}{f' WHEN ({p.fails}) IS NULL THEN {-i}' if p.unsure else ''} END"
        for i, p in enumerate(printed, 1)
    ]
    shown = [_columns(table, p.check.column, plan.keys) for p in printed]
    wanted = list(dict.fromkeys(column for columns in shown for column in columns))
    values = "".join(f", {_shown(column, plan)}" for column in wanted)
    place = "file_row_number" if table.numbered else "0"
    pick = f"hash({place})" if table.numbered else f"hash({place}{values})"
    inner = (
        f"SELECT {name(FILE)} AS at_file, {place} AS place, {pick} AS pick, row({place}, {pick}{values}) AS found, "
        f"list_filter([{', '.join(codes)}], lambda code: code IS NOT NULL) AS codes "
        f"FROM {table.source} WHERE {_any(printed)}"
    )
    inner = f"SELECT at_file, place, pick, found, unnest(codes) AS code FROM ({inner})"
    some = f", arg_min(found, place, {samples}), arg_min(found, pick, {samples})" if samples else ""
    for file, code, count, *found in engine.rows(f"SELECT at_file, code, count(*){some} FROM ({inner}) GROUP BY ALL"):
        mine = shown[abs(code) - 1]
        places = [wanted.index(column) for column in mine]
        first, random = (
            tuple(
                Sample(at + 1 if table.numbered else None, _named(mine, [row[i] for i in places]), pick)
                for at, pick, *row in part
            )
            for part in found or ((), ())
        )
        yield Path(file), code, Finding(printed[abs(code) - 1].check, count, first, random)


def _settle(
    engine: Engine, table: Table, plan: Plan, printed: Sequence[Printed], samples: int, fallback: Fallback
) -> Iterator[tuple[Path, Finding]]:
    """The fallback's findings on the rows of which the engine could not say whether they keep these checks."""
    unsure = [f"(({p.fails}) IS NULL)" for p in printed]
    texts = [rows.said(table, plan.reads, p.check.judged) for p in printed]
    asked = [f"CASE WHEN {sql} THEN {text} END" for sql, text in zip(unsure, texts, strict=True)]
    selected = ", ".join([name(FILE), _place(table), *asked])
    counts: Counter[tuple[str, int]] = Counter()
    shown: dict[tuple[str, int], set[int | str]] = defaultdict(set)
    for batch in engine.batches(f"SELECT {selected} FROM {table.source} WHERE {' OR '.join(unsure)}"):
        for i, p in enumerate(printed):
            left = [(row[0], row[1], row[i + 2]) for row in batch if row[i + 2] is not None]
            answers = fallback.broken(p.check.judged, p.check.rule, [text for *_, text in left])
            for (file, at, text), broken in zip(left, answers, strict=True):
                if broken:
                    counts[file, i] += 1
                    shown[file, i].add(at if table.numbered else text)
        for key, some in shown.items():
            shown[key] = set(sorted(some)[:samples])
    picked = [Printed(p.check, _among(table, unsure[i], texts[i], shown, i)) for i, p in enumerate(printed)]
    first = {
        (str(file), code - 1): finding.first for file, code, finding in _broken(engine, table, picked, plan, samples)
    }
    for (file, i), n in counts.items():
        yield Path(file), Finding(printed[i].check, n, first.get((file, i), ()))


def _place(table: Table) -> str:
    """SQL of a number by which rows stand in order."""
    return "file_index::BIGINT * 1099511627776 + file_row_number" if table.numbered else "0"


def _among(table: Table, unsure: str, text: str, shown: Mapping[tuple[str, int], set[int | str]], i: int) -> str:
    """SQL that is TRUE for the rows to be shown of a check."""
    some = [at for (_, check), ats in shown.items() if check == i for at in ats]
    if not some:
        return "FALSE"
    if table.numbered:
        return f"({_place(table)} IN ({', '.join(map(str, some))}))"
    return f"({unsure} AND {text} IN ({', '.join(literal(str(at)) for at in some)}))"


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
