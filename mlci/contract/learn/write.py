"""A contract as a YAML file that a person reads and goes on editing: a column to a block, remarks as comments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""Words that some reader of YAML, of 1.1 or 1.2, takes for something else."""
_WIDTH = 110
Notes = Mapping[str, Sequence[str]]
"""Remarks by column; those under the empty name stand at the top."""


def to_yaml(schema: Mapping[str, Any], notes: Notes) -> str:
    """The text of a contract. The same schema and remarks are the same bytes."""
    lines = list(_comments(notes.get("", ()), ""))
    for name, value in schema.items():
        if name == "properties" and value:
            lines += ["", "properties:", *_columns(value, notes)]
        elif name == "x-table" and value:
            lines += ["", "x-table:", *_entries(value, "  ")]
        else:
            lines += _entries({name: value}, "")
    named = schema.get("properties", {})
    for name, said in notes.items():
        if name and name not in named:
            lines += ["", *_comments([f"{name}: {line}" for line in said], "")]
    return "\n".join(lines) + "\n"


def _columns(properties: Mapping[str, Any], notes: Notes) -> Iterator[str]:
    for i, (name, column) in enumerate(properties.items()):
        said = list(_comments(notes.get(name, ()), "  "))
        if said and i:
            yield ""
        yield from said
        if not isinstance(column, dict) or not column:
            yield f"  {_flow(name)}: {_flow(column)}"
            continue
        yield f"  {_flow(name)}:"
        yield from _entries(column, "    ")


def _entries(entries: Mapping[str, Any], indent: str) -> Iterator[str]:
    """`name: value` lines; a list too long for one line is broken after its commas."""
    for name, value in entries.items():
        line = f"{indent}{_flow(name)}: {_flow(value)}"
        if len(line) <= _WIDTH or not isinstance(value, list):
            yield line
            continue
        yield f"{indent}{_flow(name)}:"
        yield from (f"{indent}  - {_flow(item)}" for item in value)


def _comments(said: Sequence[str], indent: str) -> Iterator[str]:
    for text in said:
        for line in text.splitlines():
            yield f"{indent}# {''.join(c if c.isprintable() else ' ' for c in line)}".rstrip()


def _flow(value: Any) -> str:
    """A value on one line, as every reader of YAML takes it, and of JSON but for the quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(name)}: {_flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and math.isfinite(value):
        text = repr(value)
        return text if "." in text else text.replace("e", ".0e")  # YAML 1.1 wants a point in a number
    return json.dumps(value)


def _text(text: str) -> str:
    if (_PLAIN.fullmatch(text) and text.lower() not in _WORDS) or text in ("$schema", "$ref", "$defs"):
        return text
    if text.startswith("https://") and re.fullmatch(r"[\w:/.#-]+", text):
        return text
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # a regular expression is easier to read so
    return json.dumps(text, ensure_ascii=not text.isprintable())
