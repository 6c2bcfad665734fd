"""Unique keys, exactly: rows with a null in the key are left out, as in SQL; the others must differ.

Files whose keys are in ranges of their own cannot share one, so each is counted once and for all; only files whose
ranges overlap are read together. A key of one integer column is counted by bitmaps, where its range allows: a fifth of
the time of a hash table, and a bounded memory. Columns of several types are compared as text, in which a number is the
same whatever its type; cells of CSV and JSON lines are the text that they are: `1` and `1.0` are two keys there.

For what is kept of a file to hold beside any others, values of one type must be equal just where their texts are.

Files that were counted together and repeat nothing are *settled*: a new file is only looked up in them, by a semi join
with the new one's keys as the hash table. Whatever that finds is counted anew in full.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlci.contract.query.engine import Engine
from mlci.contract.query.judge import CLIP
from mlci.contract.query.quote import literal, name
from mlci.contract.query.tables import FILE, Column, Table, only

_BITS = 2**28
_BUCKET = 16
"""A bitmap is of so many bits' worth (2 to the power of) of neighbouring keys."""
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FLOATS = ("FLOAT", "DOUBLE")
_LOOSE = ("[", "STRUCT", "MAP", "UNION", "INTERVAL", "VARIANT")
"""Types with values that are equal and have different texts (or the other way round): they tell no range."""
_MOST = 4
"""New keys are looked up where so many times as many are settled."""
Key = tuple[str, ...]
Repeats = tuple[int, list[dict[str, Any]]]


@dataclass(frozen=True)
class Span:
    """A file's values of a key: how many rows have one, and from where to where those of its first column are.

    Without an end nothing is known of the range. `settled` is a name that files share which were counted together, and
    in all of which no key is there twice; None: not counted, or repeated.
    """

    rows: int
    low: int | str | None = None
    high: int | str | None = None
    settled: str | None = None

    def apart(self, other: Span) -> bool:
        """Whether no key can be in both, where `self` begins first."""
        ends = (self.high, other.low)
        if not self.rows or not other.rows:
            return True
        if isinstance(ends[0], int) and isinstance(ends[1], int):
            return ends[0] < ends[1]
        return isinstance(ends[0], str) and isinstance(ends[1], str) and ends[0] < ends[1]


def spans(engine: Engine, tables: Sequence[Table], key: Key, *, hidden: bool) -> dict[Path, Span]:
    """The span of each file; one that lacks a column of the key has no rows. A `hidden` key tells no range."""
    found: dict[Path, Span] = {}
    for table in tables:
        columns = _columns(table, key)
        found |= dict.fromkeys(table.files, Span(0))
        if columns is None:
            continue
        alone = len(table.files) == 1  # DuckDB has the answer in the footer then
        source = _part(table, columns, alike=True, files=not alone)
        value = "k0" if columns[0].type in _SMALL else _text("k0", columns[0])
        loose = any(word in column.type for column in columns for word in _LOOSE)
        ends = "NULL, NULL" if hidden or loose else f"min({value}), max({value})"
        rows = engine.rows(
            f"SELECT {literal(str(table.files[0])) if alone else 'file'}, count(*), {ends} FROM ({source})"
            f"{'' if alone else ' GROUP BY file'}"
        )
        found |= {Path(file): _span(n, low, high) for file, n, low, high in rows}
    return found


def _span(rows: int, low: Any, high: Any) -> Span:
    """Long texts are cut, so that the range is rather too wide."""
    if isinstance(high, str) and len(high) > CLIP:
        low, high = low[:CLIP], high[:CLIP] + "\U0010ffff"
    return Span(rows, low, high)


def count(
    engine: Engine,
    tables: Sequence[Table],
    key: Key,
    known: Mapping[Path, Span],
    samples: int,
    *,
    alike: bool,
    hidden: bool,
) -> tuple[Repeats, dict[Path, Span]]:
    """How many rows repeat a key that an earlier row has, some of those keys, and the spans with what is counted now.

    `tables` have at least the files that are `unsettled`; `alike` says that the key's columns have the same types in
    all files. A `hidden` key is shown as `***`.
    """
    files = unsettled(known)
    if not files:
        return (0, []), dict(known)
    tables = only(tables, files)
    total, shown = 0, list[dict[str, Any]]()
    if not _new_alone(engine, tables, key, {file: known[file] for file in files}, alike=alike):
        total, shown = _repeats(engine, tables, key, samples, alike=alike, hidden=hidden)
    together = None if total else os.urandom(8).hex()
    return (total, shown), {**known, **{file: replace(known[file], settled=together) for file in files}}


def unsettled(known: Mapping[Path, Span]) -> list[Path]:
    """The files that have to be read to count the repeats of them all."""
    return [file for group in _groups(known) if not _settled([known[f] for f in group]) for file in group]


def _settled(group: Sequence[Span]) -> bool:
    names = {span.settled for span in group}
    return len(names) == 1 and None not in names


def _new_alone(engine: Engine, tables: Sequence[Table], key: Key, known: Mapping[Path, Span], *, alike: bool) -> bool:
    """Whether most rows are settled, and the others repeat neither a key of those nor one of their own."""
    rows: Counter[str | None] = Counter()
    for span in known.values():
        rows[span.settled] += span.rows if span.settled else 0
    ((most, n),) = rows.most_common(1)
    if n < _MOST * (sum(span.rows for span in known.values()) - n):
        return False
    old, new = (
        _source(only(tables, [file for file, span in known.items() if (span.settled == most) is is_old]), key, alike)
        for is_old in (True, False)
    )
    names = ", ".join(f"k{i}" for i in range(len(key)))
    again = f"SELECT count(*) - count(DISTINCT ({names})) FROM ({new})"
    ((repeats, shared),) = engine.rows(
        f"SELECT ({again}), (SELECT count(*) FROM ({old}) SEMI JOIN ({new}) USING ({names}))"
    )
    return not repeats and not shared


def _source(tables: Sequence[Table], key: Key, alike: bool) -> str:
    parts = [(table, columns) for table in tables if (columns := _columns(table, key))]
    return " UNION ALL ".join(_part(table, columns, alike=alike) for table, columns in parts)


def _groups(known: Mapping[Path, Span]) -> Iterator[list[Path]]:
    """The files in groups that can share no key."""
    there = [(file, span) for file, span in known.items() if span.rows]
    blurred = [file for file, span in there if span.low is None]
    kinds = {type(span.low) for _, span in there}
    if blurred or len(kinds) > 1:
        yield [file for file, _ in there]
        return
    group: list[Path] = []
    widest = Span(0)
    for file, span in sorted(there, key=lambda item: item[1].low):  # type: ignore[arg-type, return-value]
        if group and widest.apart(span):
            yield group
            group, widest = [], Span(0)
        group.append(file)
        widest = span if not widest.rows or not span.high <= widest.high else widest  # type: ignore[operator]
    if group:
        yield group


def _repeats(engine: Engine, tables: Sequence[Table], key: Key, samples: int, *, alike: bool, hidden: bool) -> Repeats:
    source = _source(tables, key, alike)
    columns = next(columns for table in tables if (columns := _columns(table, key)))
    if alike and len(key) == 1 and columns[0].type in _SMALL:
        total, repeated = _by_bitmap(engine, source, columns, samples)
    else:
        total, repeated = _by_hash(engine, source, columns, samples)
    texts = [["***" if hidden else _cut(value) for value in values] for *values, _ in repeated]
    rows = [dict(zip((*key, "(rows)"), (*text, n), strict=True)) for text, (*_, n) in zip(texts, repeated, strict=True)]
    return total, rows


def _cut(value: Any) -> str:
    return str(value)[: CLIP + 1]


def _columns(table: Table, key: Key) -> list[Column] | None:
    found = [table.column(part) for part in key]
    return [column for column in found if column] if all(found) else None


def _part(table: Table, columns: Sequence[Column], *, alike: bool, files: bool = False) -> str:
    """The key's columns of one table, without rows that have a null among them."""
    values = [_value(table, column, alike) for column in columns]
    selected = [f"{value} AS k{i}" for i, value in enumerate(values)] + ([f"{name(FILE)} AS file"] if files else [])
    there = " AND ".join(f"{value} IS NOT NULL" for value in values)
    return f"SELECT {', '.join(selected)} FROM {table.source} WHERE {there}"


def _value(table: Table, column: Column, alike: bool) -> str:
    if table.form == "json":
        return f"{column.sql}_text"
    if not alike:
        return _text(column.sql, column)
    return f"CASE WHEN {column.sql} = 0 THEN 0 ELSE {column.sql} END" if column.type in _FLOATS else column.sql  # -0.0


def _text(value: str, column: Column) -> str:
    """SQL of a value as text: of a number, the same text whatever its type."""
    if column.type in _FLOATS:
        whole = f"{value} = floor({value}) AND abs({value}) < 1e38"
        return f"CASE WHEN {whole} THEN {value}::HUGEINT::VARCHAR ELSE {value}::VARCHAR END"
    if column.type.startswith("DECIMAL") and not column.type.endswith(",0)"):
        return f"rtrim(rtrim({value}::VARCHAR, '0'), '.')"
    return f"{value}::VARCHAR"


def _by_hash(
    engine: Engine, source: str, columns: Sequence[Column], samples: int
) -> tuple[int, Sequence[tuple[Any, ...]]]:
    names = ", ".join(f"k{i}" for i in range(len(columns)))
    texts = ", ".join(f"left(k{i}::VARCHAR, {CLIP + 1})" for i in range(len(columns)))
    counted = f"SELECT {names}, count(*) AS n FROM ({source}) GROUP BY {names}"
    some = f", arg_min(row({texts}, n), row({names}), {samples}) FILTER (WHERE n > 1)" if samples else ""
    ((repeats, *found),) = engine.rows(f"SELECT coalesce(sum(n) - count(*), 0)::BIGINT{some} FROM ({counted})")
    return repeats, (found and found[0]) or ()


def _by_bitmap(
    engine: Engine, source: str, columns: Sequence[Column], samples: int
) -> tuple[int, Sequence[tuple[Any, ...]]]:
    ((rows, low, high),) = engine.rows(f"SELECT count(*), min(k0), max(k0) FROM ({source})")
    if not rows or high - low >= min(_BITS, 64 * rows + 4096):
        return _by_hash(engine, source, columns, samples)
    size = 1 << _BUCKET
    at = f"(k0::BIGINT - ({low}))"
    buckets = (
        f"SELECT {at} >> {_BUCKET} AS b, count(*) - bit_count(bitstring_agg({at} & {size - 1}, 0, {size - 1})) AS n "
        f"FROM ({source}) GROUP BY b"
    )
    ((repeats, found),) = engine.rows(
        f"SELECT coalesce(sum(n), 0)::BIGINT, min(b, {samples or 1}) FILTER (WHERE n > 0) FROM ({buckets})"
    )
    if not repeats or not samples:
        return repeats, ()
    inside = " OR ".join(f"k0 BETWEEN {low + b * size} AND {low + (b + 1) * size - 1}" for b in found)
    repeated = f"SELECT k0, count(*) AS n FROM ({source}) WHERE {inside} GROUP BY k0 HAVING n > 1"
    return repeats, engine.rows(f"{repeated} ORDER BY k0 LIMIT {samples}")
