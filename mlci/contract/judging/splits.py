"""Is a dataset apart from others? No key or row of theirs, later than they are, its labels as frequent as theirs.

A model that has seen its holdout is judged too well. What is in both is found by joins, which spill to disk: whole
rows by their hashes first (equal rows have equal hashes), and then by their values, so the answer is exact.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

from mlci.config.model import Balance, Split
from mlci.contract.query.alike import alike, axis, point, text
from mlci.contract.query.engine import Engine, engine
from mlci.contract.query.judge import CLIP, shown
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import Column, Table, open_tables, reason
from mlci.contract.report import Violation

_SHOWN = 8
"""So many columns of a row that is in both are shown."""
_CLOSE = 1e-12


@dataclass(frozen=True)
class Pair:
    """A dataset's tables, those of the other one, and how samples are shown."""

    mine: tuple[Table, ...]
    theirs: tuple[Table, ...]
    other: str
    samples: int
    sensitive: frozenset[str]

    def sides(self, column: str) -> list[tuple[Table, Column]]:
        """The column in all tables, this dataset's first."""
        found = ((table, table.column(column)) for table in (*self.mine, *self.theirs))
        return [(table, c) for table, c in found if c]

    def lacks(self, column: str) -> bool:
        """Whether a table has no such column."""
        return len(self.sides(column)) < len(self.mine) + len(self.theirs)


def splits(
    files: Sequence[Path],
    others: Mapping[str, Sequence[Path]],
    rules: Sequence[Split],
    *,
    samples: int = 5,
    sensitive: frozenset[str] = frozenset(),
    lines: Sequence[int] = (),
) -> tuple[Violation, ...]:
    """What keeps the rows of `files` from being apart from those of `others` (files by the name of their dataset).

    Rows with a null in a key, or in a column of time, are left out, as in SQL; in whole rows null equals null. Values
    of `sensitive` columns are masked; `lines` are those of the rules in their file. A file of the others that cannot
    be read is a violation.

    Raises WorldError for a file that is not there, UsageError for a kind of file that is not known, KeyError for a
    dataset that is not among the others.
    """
    found: list[Violation] = []
    with engine() as db:
        db.rows("SET TimeZone = 'UTC'")
        mine, _ = open_tables(db, tuple(dict.fromkeys(files)))
        sources: dict[str, tuple[Table, ...]] = {}
        for name in dict.fromkeys(name for rule in rules for name in rule.apart_from):
            tables, unreadable = open_tables(db, tuple(dict.fromkeys(others[name])))
            sources[name] = tuple(tables)
            found += [_unreadable(name, f"{file.name}: {why}") for file, why in unreadable.items()]
        for rule, line in zip_longest(rules, lines) if mine else ():
            for name in rule.apart_from:
                if sources[name]:
                    told = _judged(db, Pair(tuple(mine), sources[name], name, samples, sensitive), rule)
                    found += [replace(v, line=line) for v in told]
    return tuple(found)


def _judged(db: Engine, pair: Pair, rule: Split) -> list[Violation]:
    import duckdb

    try:
        ((rows,),) = db.rows(f"SELECT sum(n)::BIGINT FROM ({_union([_counted(t) for t in pair.mine])})")
        found = list(_found(db, pair, rule))
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
        raise  # our SQL is wrong, not the data
    except duckdb.Error as error:
        return [_unreadable(pair.other, reason(error))]
    return [
        replace(
            v,
            severity=rule.severity,
            tolerance=0.0 if v.found else rule.tolerance,
            tolerated=not v.found and 0 < v.count <= rule.tolerance * rows,
        )
        for v in found
    ]


def _unreadable(other: str, why: str) -> Violation:
    return Violation("", "readable", f"a whole file, to be apart from {other}", 1, ({"(problem)": why},))


def _found(db: Engine, pair: Pair, rule: Split) -> Iterator[Violation]:
    named = dict.fromkeys((*rule.keys, *rule.after, *((rule.balance.column,) if rule.balance else ())))
    lacking = [column for column in named if pair.lacks(column)]
    for column in lacking:
        where = "here" if any(not t.column(column) for t in pair.mine) else f"in {pair.other}"
        expected = f"a column of this name, here and in {pair.other}"
        yield Violation(column, "required", expected, 1, (), found=f"none {where}")
    if rule.keys and not set(rule.keys) & set(lacking):
        yield from _same_keys(db, pair, rule.keys)
    if rule.after and not set(rule.after) & set(lacking):
        yield from _later(db, pair, rule.after, rule.gap)
    if rule.balance and rule.balance.column not in lacking:
        yield from _balanced(db, pair, rule.balance)
    if not (rule.keys or rule.after or rule.balance):
        yield from _same_rows(db, pair)


def _same_keys(db: Engine, pair: Pair, keys: Sequence[str]) -> Iterator[Violation]:
    mine, theirs = _selected(pair, keys)
    there = " AND ".join(f"k{i} IS NOT NULL" for i in range(len(keys)))
    equal = " AND ".join(f"h.k{i} = t.k{i}" for i in range(len(keys)))
    shared = f"(SELECT * FROM ({mine}) WHERE {there}) h SEMI JOIN ({theirs}) t ON {equal}"
    yield from _shared(db, pair, shared, keys, f"no key of {pair.other}", len(keys))


def _same_rows(db: Engine, pair: Pair) -> Iterator[Violation]:
    columns = [c for c in dict.fromkeys(c.name for c in pair.mine[0].columns) if not pair.lacks(c)]
    if not columns:
        said = f"columns that are also in {pair.other}"
        yield Violation("", "apart", said, 1, (), found="no column in common")
        return
    n = len(columns)
    hashed = f"hash({', '.join(f'k{i}' for i in range(n))})"
    mine, theirs = (f"SELECT *, {hashed} AS h FROM ({side})" for side in _selected(pair, columns))
    alike_by_hash = f"SELECT DISTINCT h FROM (SELECT h FROM ({mine})) SEMI JOIN (SELECT h FROM ({theirs})) USING (h)"
    db.rows(f"CREATE OR REPLACE TEMP TABLE candidates AS {alike_by_hash}")
    ((candidates,),) = db.rows("SELECT count(*) FROM candidates")
    if candidates:
        equal = " AND ".join(f"h.k{i} IS NOT DISTINCT FROM t.k{i}" for i in range(n))
        mine, theirs = (f"(SELECT * FROM ({side}) SEMI JOIN candidates USING (h))" for side in (mine, theirs))
        shared = f"{mine} h SEMI JOIN {theirs} t ON h.h = t.h AND {equal}"
        yield from _shared(db, pair, shared, columns, f"no row of {pair.other}", min(n, _SHOWN))


def _shared(
    db: Engine, pair: Pair, shared: str, columns: Sequence[str], expected: str, width: int
) -> Iterator[Violation]:
    """A violation for the rows that are in both, if there are any."""
    ((count,),) = db.rows(f"SELECT count(*) FROM {shared}")
    if not count:
        return
    keys = ", ".join(f"k{i}" for i in range(len(columns)))
    values = ", ".join(f"any_value(s{i})" for i in range(width))
    rows = db.rows(f"SELECT {values}, count(*) FROM {shared} GROUP BY {keys} ORDER BY {keys} LIMIT {pair.samples}")
    named = expected.startswith("no key")
    samples = tuple(dict(zip((*columns[:width], "(rows)"), row, strict=True)) for row in rows)
    yield Violation(", ".join(columns) if named else "", "apart", expected, count, samples)


def _selected(pair: Pair, columns: Sequence[str]) -> tuple[str, str]:
    """SQL of both datasets: k0, k1 … to be compared and, of the first, s0, s1 … to be shown."""
    sides = [pair.sides(column) for column in columns]
    values = [alike(found) for found in sides]
    selected = []
    for at, table in enumerate((*pair.mine, *pair.theirs)):
        parts = [f"{value[at]} AS k{i}" for i, value in enumerate(values)]
        if at < len(pair.mine):
            parts += [f"{_seen(pair, found[at][1])} AS s{i}" for i, found in enumerate(sides)]
        selected.append(f"SELECT {', '.join(parts)} FROM {table.source}")
    return _union(selected[: len(pair.mine)]), _union(selected[len(pair.mine) :])


def _later(db: Engine, pair: Pair, after: Sequence[str], gap: float | None) -> Iterator[Violation]:
    sides = [pair.sides(column) for column in after]
    axes = [axis(db, found, timed=gap is not None) for found in sides]
    selected = []
    for at, table in enumerate((*pair.mine, *pair.theirs)):
        points = [point(found[at], along) for found, along in zip(sides, axes, strict=True)]
        there = " AND ".join(f"{text(found[at])} IS NOT NULL" for found in sides)
        read = " AND ".join(f"{p} IS NOT NULL" for p in points)
        shows = ", ".join(f"{_seen(pair, found[at][1])} AS s{i}" for i, found in enumerate(sides))
        values = f"[{', '.join(points)}] AS p, {read} AS is_read, {shows}"
        selected.append(f"SELECT {values} FROM {table.source} WHERE {there}")
    mine, theirs = _union(selected[: len(pair.mine)]), _union(selected[len(pair.mine) :])
    column, kind = ", ".join(after), " and ".join(dict.fromkeys(_KINDS[along] for along in axes))
    for side, where in ((mine, ""), (theirs, f" in {pair.other}")):
        unread = Violation(column, "after", kind + where, 0, ())
        for found in _rows(db, pair, f"({side}) WHERE NOT is_read", after, unread):
            yield replace(found, found=f"{found.count:,} rows with other values") if where else found
    last_shown = ", ".join(f"s{i}::VARCHAR" for i in range(len(after)))
    ((last, said),) = db.rows(f"SELECT max(p), arg_max([{last_shown}], p) FROM ({theirs}) WHERE is_read")
    if last is None:
        return
    bound = [Decimal(value) for value in last]
    bound[0] += Decimal(gap or 0) * 10**9
    limit = f"[{', '.join(f'{value}::DECIMAL(38, 9)' for value in bound)}]"
    early = f"({mine}) WHERE is_read AND p {'<' if gap else '<='} {limit}"
    place = said[0] if len(said) == 1 else f"({', '.join(said)})"
    expected = f"{'at least ' + _span(gap) + ' ' if gap else ''}after {place}, the last in {pair.other}"
    yield from _rows(db, pair, early, after, Violation(column, "after", expected, 0, ()))


_KINDS = {"number": "numbers, or dates and times", "time": "dates and times"}


def _rows(db: Engine, pair: Pair, where: str, columns: Sequence[str], violation: Violation) -> Iterator[Violation]:
    """The violation with the number of such rows and the first of them, if there are any."""
    ((count,),) = db.rows(f"SELECT count(*) FROM {where}")
    if count:
        values = ", ".join(f"s{i}" for i in range(len(columns)))
        rows = db.rows(f"SELECT {values} FROM {where} ORDER BY p LIMIT {pair.samples}")
        samples = tuple(dict(zip(columns, row, strict=True)) for row in rows)
        yield replace(violation, count=count, samples=samples)


def _span(seconds: float) -> str:
    unit, length = next((u, n) for u, n in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds >= n or n == 1)
    return f"{seconds / length:g}{unit}"


def _balanced(db: Engine, pair: Pair, balance: Balance) -> Iterator[Violation]:
    """Rows without a label are left out. A value that one of them has not has the share 0 there."""
    mine, theirs = (f"SELECT k0 FROM ({side}) WHERE k0 IS NOT NULL" for side in _selected(pair, [balance.column]))
    share = "count(*) / (SELECT count(*) FROM ({0})) AS share FROM ({0}) GROUP BY k0"
    counted = [f"SELECT k0, {share.format(side)}" for side in (mine, theirs)]
    shares = "coalesce(a.share, 0) AS x, coalesce(b.share, 0) AS y"
    both = f"SELECT coalesce(a.k0, b.k0) AS v, {shares} FROM ({counted[0]}) a FULL JOIN ({counted[1]}) b ON a.k0 = b.k0"
    rules: list[tuple[str, str, str]] = []
    if balance.max_difference is not None:
        far = f"abs(x - y) > {balance.max_difference + _CLOSE!r}"
        expected = f"shares that differ from those in {pair.other} by at most {_percent(balance.max_difference)}"
        rules.append((far, "round(abs(x - y), 9) DESC", expected))
    if balance.min_share is not None:
        rare = f"x < {balance.min_share - _CLOSE!r}"
        rules.append((rare, "x", f"each value in at least {_percent(balance.min_share)} of the rows"))
    value = literal("***") if balance.column in pair.sensitive else f"left(v::VARCHAR, {CLIP + 1})"
    here, there = "(share)", f"(share in {pair.other})"
    for where, order, expected in rules:
        query = f"SELECT {value}, x, y, count(*) OVER () FROM ({both}) WHERE {where} ORDER BY {order}, v"
        rows = db.rows(f"{query} LIMIT {max(1, pair.samples)}")
        if rows:
            first, x, y, count = rows[0]
            shows = [{balance.column: v, here: _percent(x), there: _percent(y)} for v, x, y, _ in rows[: pair.samples]]
            found = f"{first}: {_percent(x)} here, {_percent(y)} in {pair.other}"
            yield Violation(balance.column, "balance", expected, count, tuple(shows), found=found)


def _seen(pair: Pair, column: Column) -> str:
    if column.name in pair.sensitive:
        return f"CASE WHEN {column.sql} IS NOT NULL THEN '***' END"
    return shown(column)


def _percent(share: float) -> str:
    return f"{share:.2%}".replace("%", " %")


def _counted(table: Table) -> str:
    return f"SELECT count(*) AS n FROM {table.source}"


def _union(parts: Sequence[str]) -> str:
    return " UNION ALL ".join(parts)
