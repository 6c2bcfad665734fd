"""From a contract's file to a `Contract`; whatever cannot be checked exactly is a located mistake, never let through.

Columns and their rules are read here, each rule by `compile`; what is said of a row as a whole is a rule of no column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mlci.contract.judging.fallback import TOGETHER
from mlci.contract.language.compile import DIALECT, KNOWN, META, Compiler, Parts, Place, unknown
from mlci.contract.language.nodes import Complaints, Node, read
from mlci.contract.language.predicates import ANYTHING, Members, Never, Predicate, Unclaimed
from mlci.contract.language.refs import base_of
from mlci.contract.language.schema import Contract, Nan, Property, Rule, TableRules
from mlci.contract.language.sensitive import sensitive
from mlci.contract.language.values import (
    read_boolean,
    read_mapping,
    read_names,
    read_nan,
    read_severity,
    read_share,
    read_types,
    shown,
)
from mlci.contract.table.load import read_table
from mlci.errors import ConfigError, Problem

_ROOT = ("type", "properties", "required", "additionalProperties", "x-table")


def load(file: Path | str) -> Contract:
    """Read a contract. Raises ConfigError with every mistake at its place."""
    file = Path(file)
    try:
        node, complaints = read(file)
        contract = _contract(node, complaints)
    except RecursionError:
        raise ConfigError([Problem(file, 1, 1, "the contract is nested too deep")]) from None
    complaints.settle()
    return contract


def _contract(node: Node, complaints: Complaints) -> Contract:
    read_mapping(node, "a JSON Schema for a row", complaints)
    if not isinstance(node.value, dict):
        return Contract(complaints.file, (), (), False, TableRules(), (), None)
    compiler = Compiler(node, complaints)
    place = Place(base_of(node, ""))
    parts = node.value
    for key, _ in parts.values():
        if key.value not in (*KNOWN, "x-table"):
            columns = "" if "properties" in parts else "columns stand under `properties`"
            unknown(key, (*_ROOT, *KNOWN), complaints, columns)
        elif key.value in ("x-sensitive", "x-severity", "x-tolerance"):
            complaints.add(key, f"`{key.value}` is of a column", "write it in the column's own rules")
    if "type" in parts and parts["type"][1].plain() != "object":
        complaints.add(parts["type"][1], "a row is an object", "write `type: object`, or leave it out")
    nan = read_nan(parts["x-nan"][1], complaints) if "x-nan" in parts else "error"
    named = _columns(parts, complaints)
    hidden = sensitive(node, compiler.index, complaints)
    properties = tuple(
        replace(_property(name, key, value, compiler, place, nan), sensitive=name in hidden)
        for name, key, value in named
    )
    required = read_names(parts["required"][1], complaints) if "required" in parts else ()
    closed = "additionalProperties" in parts and parts["additionalProperties"][1].value is False
    rows = tuple(_row_rules(node, compiler, place, closed=closed and "patternProperties" not in parts))
    types = {column.name: column.types for column in properties}
    table = read_table(parts["x-table"][1], compiler, node, types) if "x-table" in parts else TableRules()
    for _, definition in parts["$defs"][1].items() if "$defs" in parts and parts["$defs"][1].value else ():
        compiler.schema(definition, place.inside())  # a definition that nothing uses may be wrong as well
    closed = closed and "patternProperties" not in parts
    plain = node.plain()
    if plain.get("$schema") == META:  # which jsonschema-rs has never heard of
        plain["$schema"] = DIALECT
    return Contract(
        complaints.file, properties, required, closed, table, rows, plain, nan, _lines(parts, required, table)
    )


def _lines(parts: Parts, required: Sequence[str], table: TableRules) -> dict[str, int]:
    """Where a column is asked for by `required` or by a key."""
    keys = {column: rule.line for rule in table.rules if rule.kind == "unique" for column in rule.columns}
    items = parts["required"][1].value if required else ()
    return keys | {name: item.line for name, item in zip(required, items, strict=False)}


def _columns(parts: Parts, complaints: Complaints) -> Iterator[tuple[str, Node, Node]]:
    if "properties" in parts:
        columns = read_mapping(parts["properties"][1], "the columns by name", complaints)
        yield from ((name, key, value) for name, (key, value) in columns.items())


def _row_rules(node: Node, compiler: Compiler, place: Place, *, closed: bool) -> Iterator[Rule]:
    """What is said of the row as a whole: all that is not said of a column, or of which columns there are."""
    columnwise = {"type", "properties", "required", "x-table", "x-nan"} | (
        {"additionalProperties"} if closed else set()
    )
    rest = {name: entry for name, entry in node.value.items() if name in KNOWN and name not in columnwise}
    outside = Place(here=frozenset({id(node)}))
    columns = tuple((name, ANYTHING) for name, _, _ in _columns(node.value, compiler.complaints))
    for keyword, _, found in compiler.rules(replace(node, value=rest), outside):
        holds = found
        if isinstance(found, Unclaimed):
            holds = replace(found, claims=tuple(compiler.claimed(node.value, place, found.kind, own=False)))
        elif isinstance(found, Members):  # of the columns that are named, each has rules of its own
            holds = replace(found, named=columns)
        yield _rule(keyword, node.value, holds)


def _rule(keyword: str, parts: Parts, holds: Predicate) -> Rule:
    """A rule with all that it asks: `if` is nothing without `then`, nor `contains` without how often."""
    key, value = parts[keyword]
    others = {name: parts[name][1] for name in TOGETHER.get(keyword, ()) if name in parts}
    if not others:
        return Rule(keyword, value.plain(), shown(value), key.line, holds)
    asks = {keyword: value, **others}
    said = ", ".join([shown(value), *(f"{name} {shown(at)}" for name, at in others.items())])
    return Rule(keyword, {name: at.plain() for name, at in asks.items()}, said, key.line, holds)


def _property(name: str, key: Node, node: Node, compiler: Compiler, place: Place, nan: Nan) -> Property:
    complaints = compiler.complaints
    if isinstance(node.value, bool):
        never: tuple[Rule, ...] = () if node.value else (Rule("false", False, "no such column", key.line, Never()),)
        return Property(name, None, never, False, key.line, nan=nan)
    parts = read_mapping(node, f"what column `{name}` may hold (`{{}}` for anything)", complaints)
    if not parts:
        return Property(name, None, (), False, key.line, nan=nan)
    types = read_types(parts["type"][1], complaints) if "type" in parts else None
    compiler.size = 0
    if "x-sensitive" in parts:
        read_boolean(parts["x-sensitive"][1], complaints)
    rules = tuple(
        _rule(keyword, parts, found) for keyword, _, found in compiler.rules(node, place.inside()) if keyword != "type"
    )
    line = parts["type"][0].line if "type" in parts else key.line
    severity = read_severity(parts["x-severity"][1], complaints) if "x-severity" in parts else "error"
    tolerance = read_share(parts["x-tolerance"][1], complaints) if "x-tolerance" in parts else 0.0
    nan = read_nan(parts["x-nan"][1], complaints) if "x-nan" in parts else nan
    return Property(name, types, rules, False, line, severity, tolerance, nan)
