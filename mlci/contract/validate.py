"""Files and a contract in, a report out. A file that cannot be read is a finding; the others are still judged."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlci.contract.engine import Engine, engine
from mlci.contract.fallback import Fallback
from mlci.contract.judge import Finding, Judgement, Sample, judge, unnamed, unnamed_columns
from mlci.contract.keys import duplicates
from mlci.contract.plan import Check, Plan, plan
from mlci.contract.predicates import Present
from mlci.contract.report import Left, Report, Violation
from mlci.contract.schema import Contract
from mlci.contract.tables import Table, open_tables, reason
from mlci.errors import ConfigError, Problem, UsageError, WorldError

Judged = tuple[Table, Judgement]


def validate(files: Sequence[Path], contract: Contract, *, samples: int = 5) -> Report:
    """Check Parquet, CSV (`.csv`, `.tsv`) and JSON lines files against a contract, all as one table.

    SQL NULL is JSON null where the column is there; `required` asks for the column (in JSON lines: for the key in each
    row). At most `samples` rows are shown for each rule.

    Raises UsageError for no files or a kind of file that is not known, WorldError for a file that is not there.
    """
    if not files:
        raise UsageError("there are no files to validate", help="check `path` of the dataset: it matches nothing")
    files = tuple(dict.fromkeys(files))
    whole = plan(contract)
    with engine() as db:
        tables, unreadable = open_tables(db, files)
        fallback = functools.cache(lambda: _fallback(contract))
        judged = [part for table in tables for part in _judged(db, table, whole, samples, unreadable, fallback)]
        rows = sum(found.rows for _, found in judged)
        names = _names(files)
        violations = [_unreadable(names[file], why) for file, why in unreadable.items()]
        violations += _columns(judged, whole, names, samples)
        violations += _rules(judged, whole, names, samples)
        violations += _keys(db, [table for table, _ in judged], whole, samples)
        violations += _rows(rows, contract)
        violations = [replace(v, tolerated=0 < v.count <= v.tolerance * rows) for v in violations]
    return Report(rows, len(files), _found_columns(judged), tuple(violations), contract.file, _left(judged))


def _fallback(contract: Contract) -> Fallback:
    try:
        return Fallback(contract.schema, formats=True)
    except ValueError as why:
        raise ConfigError([Problem(contract.file, 1, 1, f"jsonschema-rs refuses the contract: {why}")]) from None


def _left(judged: Sequence[Judged]) -> tuple[Left, ...]:
    """How many rows the fallback judged, by check."""
    rows: Counter[Check] = Counter()
    for _, found in judged:
        rows.update(dict(found.left))
    return tuple(Left(check.column, check.rule, n) for check, n in rows.items())


def _judged(
    db: Engine,
    table: Table,
    whole: Plan,
    samples: int,
    unreadable: dict[Path, str],
    fallback: Callable[[], Fallback],
) -> Iterator[Judged]:
    """Judge a table; if it breaks off, each of its files alone, and set the broken ones aside."""
    import duckdb

    try:
        yield table, judge(db, table, whole, samples, fallback)
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our SQL is wrong, not the data
    except duckdb.Error as error:
        if len(table.files) == 1:
            unreadable[table.files[0]] = reason(error)
            return
        for file in table.files:
            yield from _judged(db, replace(table, files=(file,)), whole, samples, unreadable, fallback)


def _unreadable(name: str, why: str) -> Violation:
    return Violation("", "readable", "a whole file", 1, ({"(file)": name, "(problem)": why},))


def _columns(judged: Sequence[Judged], whole: Plan, names: dict[Path, str], samples: int) -> Iterator[Violation]:
    """Columns that are there twice, and those that a closed contract does not name. Counts are rows."""
    found: dict[Check, list[tuple[Table, int]]] = {}
    for table, judgement in judged:
        for column, times in Counter(column.name for column in table.columns).items():
            if times > 1:
                check = Check(column, "duplicate", "one column of this name", Present(), None)
                found.setdefault(check, []).append((table, judgement.rows))
        if table.form != "json":  # there, each row has keys of its own
            for extra in unnamed_columns(table, whole):
                found.setdefault(unnamed(extra.name), []).append((table, judgement.rows))
    for check, where in found.items():
        shown = [{"(file)": names[file]} for table, _ in where for file in table.files]
        yield Violation(check.column, check.rule, check.expected, sum(n for _, n in where), tuple(shown[:samples]))


def _rules(judged: Sequence[Judged], whole: Plan, names: dict[Path, str], samples: int) -> Iterator[Violation]:
    """The findings of all tables, added up, in the order of the contract."""
    found: dict[Check, list[Finding]] = {}
    for _, judgement in judged:
        for finding in judgement.findings:
            found.setdefault(finding.check, []).append(finding)
    place = {check: i for i, check in enumerate((*(c for p in whole.columns for c in p.checks), *whole.rows))}
    for check, findings in sorted(found.items(), key=lambda item: place.get(item[0], -1)):
        rows = [_sample(sample, names) for finding in findings for sample in finding.samples]
        count = sum(finding.count for finding in findings)
        broken = Violation(check.column, check.rule, check.expected, count, tuple(rows[:samples]), check.line)
        yield replace(broken, severity=check.severity, tolerance=check.tolerance)


def _sample(sample: Sample, names: dict[Path, str]) -> dict[str, Any]:
    file, row, values = sample
    place = {"(file)": names[Path(file)]}
    return {**place, **({} if row is None else {"(row)": row}), **values}


def _keys(db: Engine, tables: Sequence[Table], whole: Plan, samples: int) -> Iterator[Violation]:
    import duckdb

    for key in whole.keys:
        name = ", ".join(key)
        try:
            count, rows = duplicates(db, tables, key, samples, whole.sensitive)
        except duckdb.Error as error:
            found = f"the key {name} cannot be counted: the files' pages or statistics are corrupt"
            raise WorldError(found, help="write the files anew") from error
        if count:
            yield Violation(name, "unique", "no two rows alike", count, tuple(rows))


def _rows(rows: int, contract: Contract) -> Iterator[Violation]:
    low, high = contract.table.min_rows, contract.table.max_rows
    if low is not None and rows < low:
        yield Violation("", "rows", f"at least {low:,} rows", 1, (), found=f"{rows:,}")
    if high is not None and rows > high:
        yield Violation("", "rows", f"at most {high:,} rows", 1, (), found=f"{rows:,}")


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """What files are called: their path below the folder that they share, so a report is the same on every machine."""
    folder = os.path.commonpath([file.absolute().parent for file in files])
    return {file: file.absolute().relative_to(folder).as_posix() for file in files}


def _found_columns(judged: Sequence[Judged]) -> tuple[tuple[str, str], ...]:
    types: dict[str, dict[str, None]] = {}
    for table, _ in judged:
        for column in table.columns:
            types.setdefault(column.name, {})[column.type] = None
    return tuple((name, " | ".join(kinds)) for name, kinds in types.items())
