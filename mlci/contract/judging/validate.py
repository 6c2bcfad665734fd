"""Files and a contract in, a report out. A file that cannot be read is a finding; the others are still judged."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlci.contract import table as table_rules
from mlci.contract.judging import parts as of
from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.plan import Plan, plan
from mlci.contract.language.rules import rules
from mlci.contract.language.schema import Contract
from mlci.contract.query.damage import explained
from mlci.contract.query.engine import Engine, engine
from mlci.contract.query.judge import Judgement, judge
from mlci.contract.query.keys import Key, Span, count, spans, unsettled
from mlci.contract.query.part import Part
from mlci.contract.query.tables import Table, open_tables
from mlci.contract.report import Report, Violation
from mlci.errors import ConfigError, Problem, UsageError, WorldError

_NOTHING: Mapping[Path, Part] = {}


def validate(
    files: Sequence[Path],
    contract: Contract,
    *,
    samples: int = 5,
    known: Mapping[Path, Part] = _NOTHING,
    footer: bool = True,
) -> Report:
    """Check Parquet, CSV (`.csv`, `.tsv`) and JSON lines files against a contract, all as one table.

    SQL NULL is JSON null where the column is there; `required` asks for the column (in JSON lines: for the key in each
    row). At most `samples` rows are shown for each rule. Files of which a part is `known` are not read again unless
    they may share a key with others; the report has the parts of all. Without `footer`, nothing is taken from the
    statistics in Parquet files.

    Raises UsageError for no files or a kind of file that is not known, WorldError for a file that is not there.
    """
    if not files:
        raise UsageError("there is no data to validate", help="name at least one file; a list of rows needs a row")
    files = tuple(dict.fromkeys(files))
    whole = plan(contract)
    names = _names(files)
    with engine(footer=footer) as db:
        new = [file for file in files if file not in known]
        tables, parts = _judged(db, new, contract, whole, samples)
        parts = {file: known.get(file) or parts[file] for file in files}
        named = {names[file]: part for file, part in parts.items()}
        rows = sum(part.rows for part in parts.values())
        violations = list(of.violations(named, whole, samples))
        for key in whole.keys:
            broken, parts = _key(db, tables, key, parts, samples, hidden=not whole.sensitive.isdisjoint(key))
            violations += broken
        violations = table_rules.termed([*violations, *_rows(rows, contract)], contract.table)
        everything = _Opened(db, tables, [file for file, part in parts.items() if part.problem is None])
        scan = table_rules.Scan(db, everything, contract, whole, samples)
        violations += table_rules.violations(scan, {file: part.states for file, part in parts.items()}, rows, names)
    violations = [replace(v, tolerated=0 < v.count <= v.tolerance * rows) for v in violations]
    asked, left = rules(contract, whole), tuple(of.left(named))
    return Report(rows, len(files), of.columns(named), tuple(violations), contract.file, left, asked, parts)


class _Opened(Sequence[Table]):
    """The tables of all files. Those of files that are known are opened only when somebody asks."""

    def __init__(self, db: Engine, tables: Sequence[Table], files: Sequence[Path]) -> None:
        there = {file for table in tables for file in table.files}
        self._all = functools.cache(lambda: [*tables, *open_tables(db, [f for f in files if f not in there])[0]])

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, at: Any) -> Any:
        return self._all()[at]


def _fallback(contract: Contract) -> Fallback:
    try:
        return Fallback(contract.schema, formats=True)
    except ValueError as why:
        raise ConfigError([Problem(contract.file, 1, 1, f"jsonschema-rs refuses the contract: {why}")]) from None


def _judged(
    db: Engine, files: Sequence[Path], contract: Contract, whole: Plan, samples: int
) -> tuple[list[Table], dict[Path, Part]]:
    """The tables that can be read, and a part for each file."""
    tables, unreadable = open_tables(db, files)
    fallback = functools.cache(lambda: _fallback(contract))
    found = [one for table in tables for one in _whole(db, table, whole, samples, unreadable, fallback)]
    tables = [table for table, _ in found]
    ends = {key: _spans(db, tables, key, hidden=not whole.sensitive.isdisjoint(key)) for key in whole.keys}
    states = table_rules.measured_now(table_rules.Scan(db, tables, contract, whole))
    parts = {
        file: of.part(table, one, whole, {key: ends[key][file] for key in whole.keys}, states.get(file, {}))
        for table, judged in found
        for file, one in judged.items()
    }
    return tables, parts | {file: Part(problem=why) for file, why in unreadable.items()}


def _whole(
    db: Engine,
    table: Table,
    whole: Plan,
    samples: int,
    unreadable: dict[Path, str],
    fallback: Callable[[], Fallback],
) -> Iterator[tuple[Table, dict[Path, Judgement]]]:
    """Judge a table; if it breaks off, each of its files alone, and set the broken ones aside."""
    import duckdb

    try:
        yield table, judge(db, table, whole, samples, fallback)
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our SQL is wrong, not the data
    except duckdb.Error as error:
        if len(table.files) == 1:
            unreadable[table.files[0]] = explained(db, table, error)
            return
        for file in table.files:
            yield from _whole(db, replace(table, files=(file,)), whole, samples, unreadable, fallback)


def _spans(db: Engine, tables: Sequence[Table], key: Key, *, hidden: bool) -> dict[Path, Span]:
    import duckdb

    try:
        return spans(db, tables, key, hidden=hidden)
    except duckdb.Error as error:
        raise _uncounted(key) from error


def _key(
    db: Engine, tables: Sequence[Table], key: Key, parts: dict[Path, Part], samples: int, *, hidden: bool
) -> tuple[list[Violation], dict[Path, Part]]:
    """The violation of a key, if there is one, and the parts with what is known of it now."""
    import duckdb

    known = {file: part.spans[key] for file, part in parts.items() if part.problem is None}
    types = {tuple(dict(reversed(parts[file].columns))[name] for name in key) for file, s in known.items() if s.rows}
    open_files = {file for table in tables for file in table.files}
    try:
        older, gone = open_tables(db, [file for file in unsettled(known) if file not in open_files])
        if gone:
            raise _uncounted(key)
        (total, rows), counted = count(db, [*tables, *older], key, known, samples, alike=len(types) == 1, hidden=hidden)
    except duckdb.Error as error:
        raise _uncounted(key) from error
    parts = {
        file: replace(part, spans={**part.spans, key: counted[file]}) if file in counted else part
        for file, part in parts.items()
    }
    found = Violation(", ".join(key), "unique", "no two rows alike", total, tuple(rows))
    return [found] if total else [], parts


def _uncounted(key: Key) -> WorldError:
    found = f"the key {', '.join(key)} cannot be counted: the files' pages or statistics are corrupt"
    return WorldError(found, help="write the files anew")


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
