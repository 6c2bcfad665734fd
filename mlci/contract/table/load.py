"""From `x-table` to rules; every mistake is told at its place.

Each kind has a reader. Beside what the kind asks for, each rule may have a `severity`, and those that count rows a
`tolerance`: a rule that bounds a figure has its limits to be tolerant with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from mlci.contract.language.compile import Compiler, Parts, Place, unknown
from mlci.contract.language.nodes import Complaints, Node
from mlci.contract.language.refs import base_of
from mlci.contract.language.schema import Limit, TableRule, TableRules
from mlci.contract.language.values import (
    read_count,
    read_mapping,
    read_names,
    read_number,
    read_severity,
    read_share,
    shown,
)
from mlci.contract.table.counts import Where
from mlci.contract.table.distribution import Drift
from mlci.contract.table.drift import FIGURES
from mlci.contract.table.expression import refusal
from mlci.contract.table.freshness import Ages
from mlci.contract.table.monotonic import ORDERS
from mlci.contract.table.references import Reference

Unit = Literal["count", "share", "count or share", "number"]
Types = Mapping[str, tuple[str, ...] | None]
"""The types of the columns that the contract names."""
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_QUANTILE = re.compile(r"0(\.[0-9]+)?|1(\.0+)?")


@dataclass(frozen=True)
class Reading:
    """What the readers share."""

    complaints: Complaints
    compiler: Compiler
    root: Node
    types: Types

    @property
    def folder(self) -> Path:
        """Where the contract is: other files are beside it."""
        return self.complaints.file.parent


def read_table(node: Node, compiler: Compiler, root: Node, types: Types) -> TableRules:
    """The rules of a contract."""
    reading = Reading(compiler.complaints, compiler, root, types)
    parts = read_mapping(node, "rules of the table", reading.complaints)
    rules: list[TableRule] = []
    for name, (key, value) in parts.items():
        if name in READERS:
            rules += READERS[name](key, value, reading)
        elif name != "description":
            unknown(key, (*READERS, "description"), reading.complaints)
    keys = tuple(rule.columns for rule in rules if rule.kind == "unique")
    rows = next((rule for rule in rules if rule.kind == "rows"), None)
    low, high = (int(limit.value) if limit else None for limit in ((rows.low, rows.high) if rows else (None, None)))
    return TableRules(keys, low, high, tuple(rules))


def _unique(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    """A list of columns, or a list of such lists and of rules that are written out."""
    items = node.value if isinstance(node.value, list) else []
    each = items if any(isinstance(item.value, (list, dict)) for item in items) else [node]
    seen = set()
    for item in each:
        base = TableRule("unique", "", (), item.line)
        names = item
        if isinstance(item.value, dict):
            parts = _parts(item, ("columns", *_COUNTING), ("columns",), reading)
            base, names = _terms(base, parts, reading), parts["columns"][1] if "columns" in parts else item
            if "columns" not in parts:
                continue
        columns = _columns(names, reading)
        if columns and columns not in seen:
            seen.add(columns)
            yield replace(base, name=", ".join(columns), columns=columns)


def _rows(key: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    parts = _parts(node, _FIGURE, (), reading)
    yield _limited(TableRule("rows", "", (), key.line), node, parts, "count", reading, empty=True)


def _column(kind: str, unit: Unit, *, numbers: bool = False) -> Callable[[Node, Node, Reading], Iterator[TableRule]]:
    """The reader of a kind that bounds one figure of each of some columns."""

    def read(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
        for name, key, value in _by_column(node, reading, numbers=kind if numbers else ""):
            parts = _parts(value, _FIGURE, (), reading)
            yield _limited(TableRule(kind, name, (name,), key.line), value, parts, unit, reading)

    return read


def _quantiles(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for name, _key, value in _by_column(node, reading, numbers="quantiles"):
        entries = read_mapping(value, "limits by quantile: `0.99: {max: 300}`", reading.complaints)
        if not entries and isinstance(value.value, dict):
            reading.complaints.add(value, "no quantile is named", "write `0.99: {max: 300}`")
        for text, (key, inner) in entries.items():
            if not _QUANTILE.fullmatch(text):
                reading.complaints.add(key, f"a quantile is between 0 and 1; found {shown(key)}")
                continue
            base = TableRule("quantiles", f"{name}.{text}", (name,), key.line, detail=Fraction(text))
            yield _limited(base, inner, _parts(inner, _FIGURE, (), reading), "number", reading)


def _freshness(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for name, key, value in _by_column(node, reading):
        parts = _parts(value, ("maxAge", "minAge", "severity"), (), reading)
        youngest, oldest = (_duration(parts[k][1], reading) if k in parts else None for k in ("minAge", "maxAge"))
        if "minAge" not in parts and "maxAge" not in parts and isinstance(value.value, dict):
            reading.complaints.add(
                value, "it asks for nothing", "write `maxAge: 2d`, or `minAge: 0` (not in the future)"
            )
        said = tuple(str(parts[k][1].plain()) if k in parts else "" for k in ("minAge", "maxAge"))
        if youngest is not None and oldest is not None and youngest > oldest:
            reading.complaints.add(value, "no age is at least `minAge` and at most `maxAge`")
        ages = Ages(youngest, oldest, (said[0], said[1]))
        yield _terms(TableRule("freshness", name, (name,), key.line, detail=ages), parts, reading)


def _duration(node: Node, reading: Reading) -> float | None:
    from mlci.config.units import seconds

    if isinstance(node.value, (str, int, float)) and not isinstance(node.value, bool):
        try:
            found = seconds(node.value)
        except ValueError:
            found = -1
        if found >= 0:
            return found
    reading.complaints.add(node, f"expected a duration; found {shown(node)}", "write 2d, 12h, 30m or 90s")
    return None


def _monotonic(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for name, key, value in _by_column(node, reading):
        base, order = TableRule("monotonic", name, (name,), key.line), value
        if isinstance(value.value, dict):
            parts = _parts(value, ("order", *_COUNTING), ("order",), reading)
            base = _terms(base, parts, reading)
            if "order" not in parts:
                continue
            order = parts["order"][1]
        if order.value in ORDERS:
            yield replace(base, detail=order.value)
        else:
            reading.complaints.add(order, f"expected an order; found {shown(order)}", f"one of {', '.join(ORDERS)}")


def _references(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for item in _items(node, "foreign keys: `[{columns: [carrier], references: carriers.parquet}]`", reading):
        parts = _parts(item, ("columns", "references", "to", *_COUNTING), ("columns", "references"), reading)
        columns = _columns(parts["columns"][1], reading) if "columns" in parts else ()
        to = _columns(parts["to"][1], reading) if "to" in parts else columns
        file = _file(parts, "references", reading)
        if columns and to and len(columns) != len(to):
            reading.complaints.add(parts["to"][1], f"{len(columns)} columns cannot be found in {len(to)}")
        elif columns and to and file:
            name = f"{', '.join(columns)} in {file} ({', '.join(to)})"
            detail = Reference(reading.folder / file, file, to)
            yield _terms(TableRule("foreignKeys", name, columns, item.line, detail=detail), parts, reading)


def _counts(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    seen = set[Any]()
    for i, item in enumerate(_items(node, "counts: `[{name: cheap, where: {…}, max: 5%}]`", reading)):
        parts = _parts(item, ("name", "where", *_FIGURE), ("name", "where"), reading)
        name = parts["name"][1] if "name" in parts else None
        if name and (not isinstance(name.value, str) or not name.value or name.value in seen):
            twice = "is there twice" if name.value in seen else "is no name"
            reading.complaints.add(name, f"{shown(name)} {twice}")
        if not name or "where" not in parts:
            continue
        seen.add(name.value)
        place = Place(base_of(reading.root, "")).inside()
        where = Where(reading.compiler.schema(parts["where"][1], place), f"/x-table/counts/{i}/where")
        base = TableRule("counts", str(name.value), (), item.line, detail=where)
        yield _limited(base, item, parts, "count or share", reading)


def _distribution(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for name, key, value in _by_column(node, reading):
        parts = _parts(value, ("profile", *FIGURES, "severity"), ("profile",), reading)
        file = _file(parts, "profile", reading)
        limits = {}
        for figure in FIGURES:
            if figure in parts:
                limit = read_number(parts[figure][1], reading.complaints)
                if limit is not None and limit < 0:
                    reading.complaints.add(parts[figure][1], f"{figure} is never below 0")
                limits[figure] = float(limit or 0)
        if not limits and isinstance(value.value, dict):
            reading.complaints.add(value, "it asks for nothing", f"bound one of {', '.join(FIGURES)}")
        if file and limits:
            detail = Drift(reading.folder / file, file, limits)
            yield _terms(TableRule("distribution", name, (name,), key.line, detail=detail), parts, reading)


def _sql(_: Node, node: Node, reading: Reading) -> Iterator[TableRule]:
    for name, (key, value) in read_mapping(node, "expressions by name", reading.complaints).items():
        parts = _parts(value, ("select", *_FIGURE), ("select",), reading)
        if "select" not in parts:
            continue
        select = parts["select"][1]
        why = refusal(select.value) if isinstance(select.value, str) else f"found {shown(select)}"
        if why:
            help = "an aggregate over the table `data`: `count(*) FILTER (WHERE a > b)`"
            reading.complaints.add(select, f"this expression cannot be run: {why}", help)
        base = TableRule("sql", name, (), key.line, detail=select.value)
        yield _limited(base, value, parts, "number", reading)


_FIGURE = ("min", "max", "severity")
_COUNTING = ("severity", "tolerance")
READERS: dict[str, Callable[[Node, Node, Reading], Iterator[TableRule]]] = {
    "unique": _unique,
    "rows": _rows,
    "nulls": _column("nulls", "share"),
    "distinct": _column("distinct", "count"),
    "foreignKeys": _references,
    "freshness": _freshness,
    "monotonic": _monotonic,
    "counts": _counts,
    "mean": _column("mean", "number", numbers=True),
    "quantiles": _quantiles,
    "distribution": _distribution,
    "sql": _sql,
}


def _parts(node: Node, known: tuple[str, ...], needed: tuple[str, ...], reading: Reading) -> Parts:
    """The entries of a rule that are known; others are mistakes, and so is one that has to be there and is not."""
    parts = read_mapping(node, f"{', '.join(f'`{name}`' for name in known)}", reading.complaints)
    for name, (key, _) in parts.items():
        if name == "tolerance" and name not in known:
            help = "let the limits be wider; a tolerance is of rules that count rows"
            reading.complaints.add(key, "this rule counts no rows that could be tolerated", help)
        elif name not in known:
            unknown(key, known, reading.complaints)
    if isinstance(node.value, dict):
        for name in needed:
            if name not in parts:
                reading.complaints.add(node, f"`{name}` is missing")
    return {name: entry for name, entry in parts.items() if name in known}


def _terms(rule: TableRule, parts: Parts, reading: Reading) -> TableRule:
    severity = read_severity(parts["severity"][1], reading.complaints) if "severity" in parts else "error"
    tolerance = read_share(parts["tolerance"][1], reading.complaints) if "tolerance" in parts else 0.0
    return replace(rule, severity=severity, tolerance=tolerance)


def _limited(
    rule: TableRule, node: Node, parts: Parts, unit: Unit, reading: Reading, *, empty: bool = False
) -> TableRule:
    low, high = (_limit(parts[end][1], unit, reading) if end in parts else None for end in ("min", "max"))
    if "min" not in parts and "max" not in parts and not empty and isinstance(node.value, dict):
        reading.complaints.add(node, "it asks for nothing", "write `min`, `max` or both")
    if low and high and low.share == high.share and low.value > high.value:
        reading.complaints.add(node, f"nothing is at least {low.shown} and at most {high.shown}")
    return replace(_terms(rule, parts, reading), low=low, high=high)


def _limit(node: Node, unit: Unit, reading: Reading) -> Limit | None:
    """An end of a figure's range. Where both are possible, a share is a text in per cent or a fraction below 1."""
    value = node.value
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if unit == "number":
        found = read_number(node, reading.complaints)
        return None if found is None else Limit(_exact(found), f"{found:,}")
    if unit == "share" or (unit == "count or share" and (isinstance(value, str) or (number and 0 < value < 1))):
        read_share(node, reading.complaints)
        percent = _SHARE.fullmatch(value) if isinstance(value, str) else None
        if not percent and not number:
            return None
        exact = Fraction(percent[1]) / 100 if percent else _exact(value)
        return Limit(exact, f"{percent[1]}%" if percent else f"{float(exact * 100):g}%", share=True)
    count = read_count(node, reading.complaints)
    return None if count is None else Limit(Fraction(count), f"{count:,}")


def _exact(value: float) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return Fraction(Decimal(repr(value)))


def _by_column(node: Node, reading: Reading, *, numbers: str = "") -> Iterator[tuple[str, Node, Node]]:
    """The rules by column. Those that speak of numbers are not for a column that the contract says has none."""
    for name, (key, value) in read_mapping(node, "rules by column", reading.complaints).items():
        types = reading.types.get(name)
        if numbers and types and not {"integer", "number"} & set(types):
            reading.complaints.add(key, f"column `{name}` is of type {' or '.join(types)}: it has no {numbers}")
        yield name, key, value


def _columns(node: Node, reading: Reading) -> tuple[str, ...]:
    names = read_names(node, reading.complaints)
    if node.value == []:
        reading.complaints.add(node, "a key needs at least one column")
    return names


def _items(node: Node, what: str, reading: Reading) -> list[Node]:
    if isinstance(node.value, list):
        return node.value
    reading.complaints.add(node, f"expected a list of {what}; found {shown(node)}")
    return []


def _file(parts: Parts, name: str, reading: Reading) -> str | None:
    if name not in parts:
        return None
    node = parts[name][1]
    if isinstance(node.value, str) and node.value:
        return node.value
    reading.complaints.add(node, f"expected a path, relative to the contract; found {shown(node)}")
    return None
