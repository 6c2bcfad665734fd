"""Unique keys, exactly: rows with a null in the key are left out, as in SQL; the others must differ.

Files whose keys are in ranges of their own cannot share one, so each is counted once and for all; only files whose
ranges overlap are read together. A key of one integer column is counted by bitmaps, where its range allows: a fifth of
the time of a hash table, and a bounded memory. Cells of CSV and JSON lines are compared as text: `1` and `1.0` are two
keys there.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.quote)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlci.contract.engine import Engine
from mlci.contract.judge import CLIP
from mlci.contract.quote import literal, name
from mlci.contract.tables import FILE, Column, Table, only

_BITS = 2**28
_BUCKET = 16
"""A bitmap is of so many bits' worth (2 to the power of) of neighbouring keys."""
_SMALL = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
Key = tuple[str, ...]
Repeats = tuple[int, list[dict[str, Any]]]


@dataclass(frozen=True)
class Span:
    """A file's values of a key: how many rows have one, and from where to where those of its first column are.

    Without an end nothing is known of the range. `repeats`: how many rows repeat a key of the file; None: not counted.
    """

    rows: int
    low: int | str | None = None
    high: int | str | None = None
    repeats: int | None = None

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
        value = "k0" if columns[0].type in _SMALL else "k0::VARCHAR"
        ends = "NULL, NULL" if hidden else f"min({value}), max({value})"
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
    engine: Engine, tables: Sequence[Table], key: Key, known: Mapping[Path, Span], samples: int, *, hidden: bool
) -> tuple[Repeats, dict[Path, Span]]:
    """How many rows repeat a key that an earlier row has, some of those keys, and the spans with what is counted now.

    `tables` have at least the files whose repeats are not known. A `hidden` key is shown as `***`.
    """
    groups = [group for group in _groups(known) if len(group) > 1 or known[group[0]].repeats != 0]
    counted = dict(known)
    if not groups:
        return (0, []), counted
    total, shown = _repeats(engine, tables, key, [f for group in groups for f in group], samples, hidden=hidden)
    if not total:
        counted |= {f: replace(known[f], repeats=0) for group in groups for f in group}
    return (total, shown), counted


def unsettled(known: Mapping[Path, Span]) -> list[Path]:
    """The files that have to be read to count the repeats of them all."""
    return [f for group in _groups(known) if len(group) > 1 or known[group[0]].repeats != 0 for f in group]


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
    for file, span in sorted(there, key=lambda item: item[1].low or 0):
        if group and widest.apart(span):
            yield group
            group, widest = [], Span(0)
        group.append(file)
        widest = span if not widest.rows or not span.high <= widest.high else widest  # type: ignore[operator]
    if group:
        yield group


def _repeats(
    engine: Engine, tables: Sequence[Table], key: Key, files: Sequence[Path], samples: int, *, hidden: bool
) -> Repeats:
    parts = [(table, columns) for table in only(tables, files) if (columns := _columns(table, key))]
    alike = len({tuple(c.type for c in columns) for _, columns in parts}) == 1
    source = " UNION ALL ".join(_part(table, columns, alike=alike) for table, columns in parts)
    width = len(key)
    if alike and width == 1 and parts[0][1][0].type in _SMALL:
        found = _by_bitmap(engine, source, samples)
    else:
        found = _by_hash(engine, source, width, samples)
    total, repeated = found
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
        return f"nullif({column.sql}::VARCHAR, {literal('null')})"
    return column.sql if alike else f"{column.sql}::VARCHAR"


def _by_hash(engine: Engine, source: str, width: int, samples: int) -> tuple[int, Sequence[tuple[Any, ...]]]:
    names = ", ".join(f"k{i}" for i in range(width))
    texts = ", ".join(f"left(k{i}::VARCHAR, {CLIP + 1})" for i in range(width))
    counted = f"SELECT {names}, count(*) AS n FROM ({source}) GROUP BY {names}"
    some = f", min(row({texts}, n), {samples}) FILTER (WHERE n > 1)" if samples else ""
    ((repeats, *found),) = engine.rows(f"SELECT coalesce(sum(n) - count(*), 0)::BIGINT{some} FROM ({counted})")
    return repeats, (found and found[0]) or ()


def _by_bitmap(engine: Engine, source: str, samples: int) -> tuple[int, Sequence[tuple[Any, ...]]]:
    ((rows, low, high),) = engine.rows(f"SELECT count(*), min(k0), max(k0) FROM ({source})")
    if not rows or high - low >= min(_BITS, 64 * rows + 4096):
        return _by_hash(engine, source, 1, samples)
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
