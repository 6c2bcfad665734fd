"""From a contract's file to a `Contract`; whatever cannot be checked exactly is a located mistake, never let through.

`KEYWORDS` is the list of what a column's schema may say; a new keyword is a line there, a predicate in `plan`
and its print in `sql`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlci.contract.nodes import Complaints, Node, read
from mlci.contract.pattern import Refused, compile_error, translate
from mlci.contract.schema import TYPES, Contract, Property, Rule, TableRules
from mlci.errors import ConfigError, Problem

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FORMATS = ("date", "date-time")
ANNOTATIONS = ("title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly")
_ROOT = ("type", "properties", "required", "additionalProperties", "x-table")
_EXACT = 2**53


def load(file: Path) -> Contract:
    """Read a contract. Raises ConfigError with every mistake at its place."""
    try:
        node, complaints = read(file)
        contract = _contract(node, complaints)
    except RecursionError:
        raise ConfigError([Problem(file, 1, 1, "the contract is nested too deep")]) from None
    complaints.settle()
    return contract


def _contract(node: Node, complaints: Complaints) -> Contract:
    parts = _mapping(node, "a JSON Schema for a row", complaints)
    parts = _known(parts, (*_ROOT, *ANNOTATIONS), complaints, hint="properties" if "properties" not in parts else "")
    for name, (_, value) in parts.items():
        if name == "type" and value.plain() != "object":
            complaints.add(value, "a row is an object", "write `type: object`, or leave it out")
    properties: tuple[Property, ...] = ()
    if "properties" in parts:
        columns = _mapping(parts["properties"][1], "the columns by name", complaints)
        properties = tuple(_property(name, key, value, complaints) for name, (key, value) in columns.items())
    required = _names(parts["required"][1], complaints) if "required" in parts else ()
    closed = "additionalProperties" in parts and not _boolean(parts["additionalProperties"][1], complaints)
    table = _table(parts["x-table"][1], complaints) if "x-table" in parts else TableRules()
    return Contract(complaints.file, properties, required, closed, table)


def _property(name: str, key: Node, node: Node, complaints: Complaints) -> Property:
    if node.value is True:
        return Property(name, None, (), False, key.line)
    parts = _mapping(node, f"what column `{name}` may hold (`{{}}` for anything)", complaints)
    parts = _known(parts, ("type", *KEYWORDS, "x-sensitive", *ANNOTATIONS), complaints)
    types = _types(parts["type"][1], complaints) if "type" in parts else None
    sensitive = "x-sensitive" in parts and _boolean(parts["x-sensitive"][1], complaints) is True
    rules = []
    for keyword, reader in KEYWORDS.items():
        if keyword in parts:
            at, value_node = parts[keyword]
            value = reader(value_node, complaints)
            if value is not None:
                rules.append(Rule(keyword, value, _shown(value_node), at.line))
    line = parts["type"][0].line if "type" in parts else key.line
    return Property(name, types, tuple(rules), sensitive, line)


def _known(
    parts: dict[str, tuple[Node, Node]], names: Iterable[str], complaints: Complaints, hint: str = ""
) -> dict[str, tuple[Node, Node]]:
    """The keywords that are supported; each other one is a mistake."""
    allowed = tuple(names)
    for name, (key, value) in parts.items():
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1, 0.75)
            meant = f"did you mean `{near[0]}`? " if near else ""
            meant += f"columns stand under `{hint}`. " if hint and not near else ""
            spoken = ", ".join(n for n in allowed if n not in ANNOTATIONS)
            complaints.add(key, f"keyword `{name}` is not supported yet here", f"{meant}supported: {spoken}")
        elif name == "$schema" and value.plain() not in (DIALECT, DIALECT + "#"):
            complaints.add(value, f"the dialect must be draft 2020-12, not {_shown(value)}", f"write {DIALECT}")
    return {name: entry for name, entry in parts.items() if name in allowed}


def _mapping(node: Node, what: str, complaints: Complaints) -> dict[str, tuple[Node, Node]]:
    if isinstance(node.value, dict):
        return node.value
    complaints.add(node, f"expected {what}, as a mapping; found {_shown(node)}")
    return {}


def _boolean(node: Node, complaints: Complaints) -> bool | None:
    if isinstance(node.value, bool):
        return node.value
    complaints.add(node, f"expected true or false; found {_shown(node)}")
    return None


def _names(node: Node, complaints: Complaints) -> tuple[str, ...]:
    """A list of column names, none twice."""
    items = node.value if isinstance(node.value, list) else None
    if items is None:
        complaints.add(node, f"expected a list of column names; found {_shown(node)}")
        return ()
    names: list[str] = []
    for item in items:
        if not isinstance(item.value, str):
            complaints.add(item, f"expected a column name; found {_shown(item)}")
        elif item.value in names:
            complaints.add(item, f"`{item.value}` is there twice")
        else:
            names.append(item.value)
    return tuple(names)


def _types(node: Node, complaints: Complaints) -> tuple[str, ...] | None:
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        complaints.add(node, "a list of no types allows nothing")
    types = []
    for item in items:
        if not isinstance(item.value, str) or item.value not in TYPES:
            near = difflib.get_close_matches(str(item.value), TYPES, 1) if item.value is not None else ["null"]
            meant = f'did you mean `"{near[0]}"`? ' if near else ""
            complaints.add(item, f"{_shown(item)} is not a type of JSON", f"{meant}types: {', '.join(TYPES)}")
        elif item.value in types:
            complaints.add(item, f"`{item.value}` is there twice")
        else:
            types.append(item.value)
    return tuple(types) or None


def _number(node: Node, complaints: Complaints) -> int | float | None:
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return node.value
    complaints.add(node, f"expected a number; found {_shown(node)}")
    return None


def _divisor(node: Node, complaints: Complaints) -> int | None:
    value = _number(node, complaints)
    if value is None:
        return None
    if value <= 0:
        complaints.add(node, "multipleOf must be more than 0")
    elif value != int(value) or value > _EXACT:
        complaints.add(node, f"multipleOf {value} cannot be checked exactly yet", "a whole number up to 2^53 can")
    else:
        return int(value)
    return None


def _count(node: Node, complaints: Complaints) -> int | None:
    value = node.value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and value == int(value):
        return int(value)
    complaints.add(node, f"expected a whole number, 0 or more; found {_shown(node)}")
    return None


def _values(node: Node, complaints: Complaints) -> tuple[Any, ...] | None:
    if not isinstance(node.value, list) or not node.value:
        complaints.add(node, f"expected a list of at least one value; found {_shown(node)}")
        return None
    found = [_constant(item, complaints) for item in node.value]
    return tuple(value for values in found if values for value in values)


def _constant(node: Node, complaints: Complaints) -> tuple[Any] | None:
    if isinstance(node.value, (dict, list)):
        complaints.add(node, "a list or a mapping as a value is not supported yet", "supported: scalars and null")
        return None
    return (node.value,)


def _pattern(node: Node, complaints: Complaints) -> str | None:
    if not isinstance(node.value, str):
        complaints.add(node, f"expected a regular expression; found {_shown(node)}")
        return None
    try:
        translated = translate(node.value)
    except Refused as why:
        complaints.add(node, f"this pattern cannot be checked: {why}", "patterns are ECMA-262, run as RE2")
        return None
    error = compile_error(translated)
    if error:
        complaints.add(node, f"this pattern cannot be checked: {error}")
        return None
    return translated


def _format(node: Node, complaints: Complaints) -> str | None:
    if node.value in FORMATS:
        return str(node.value)
    complaints.add(node, f"format {_shown(node)} is not supported yet", f"supported: {', '.join(FORMATS)}")
    return None


KEYWORDS: dict[str, Callable[[Node, Complaints], Any]] = {
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": _number,
    "exclusiveMaximum": _number,
    "multipleOf": _divisor,
    "enum": _values,
    "const": _constant,
    "pattern": _pattern,
    "minLength": _count,
    "maxLength": _count,
    "format": _format,
}
"""The rules of a column, in the order in which they are reported."""


def _table(node: Node, complaints: Complaints) -> TableRules:
    parts = _known(_mapping(node, "rules of the table", complaints), ("unique", "rows", "description"), complaints)
    keys: tuple[tuple[str, ...], ...] = ()
    if "unique" in parts:
        unique = parts["unique"][1]
        nested = isinstance(unique.value, list) and any(isinstance(item.value, list) for item in unique.value)
        lists = unique.value if nested else [unique]
        keys = tuple(names for item in lists if (names := _names(item, complaints)))
        for item in lists:
            if item.value == []:
                complaints.add(item, "a key needs at least one column")
    bounds: dict[str, int | None] = {"min": None, "max": None}
    if "rows" in parts:
        rows = _mapping(parts["rows"][1], "`min` and `max`", complaints)
        for name, (_, value) in _known(rows, ("min", "max"), complaints).items():
            bounds[name] = _count(value, complaints)
    return TableRules(keys, bounds["min"], bounds["max"])


def _shown(node: Node) -> str:
    """A value as a person would write it, on one line."""
    import json

    text = json.dumps(node.plain(), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
