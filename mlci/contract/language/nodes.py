"""A YAML or JSON file as nodes that know where they stand.

Scalars are read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `no` is a string, a date
is a string, `1.0` is a number. Every JSON file is a YAML file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.errors import ConfigError, Problem

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SURROGATES = re.compile(r"((?<!\\)(?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_UNTAGGED = "untagged"
_INFINITE = (float("inf"), float("-inf"))
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True)
class Node:
    """A value with its place (1-based). `value` is a scalar, a list of nodes, or a dict of (key, value) nodes."""

    value: Any
    line: int
    column: int
    width: int
    path: str

    def items(self) -> Iterator[tuple[Node, Node]]:
        """The entries of a mapping: its keys and values."""
        yield from self.value.values()

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {name: value.plain() for name, (_, value) in self.value.items()}
        return [item.plain() for item in self.value] if isinstance(self.value, list) else self.value


@dataclass
class Complaints:
    """The mistakes of one file, gathered so that all are told at once.

    `lenient` reads a schema by the letter of the standard: what is not known is an annotation.
    """

    file: Path
    problems: list[Problem] = field(default_factory=list)
    lenient: bool = False

    def add(self, at: Node, message: str, help: str = "") -> None:
        """One more mistake, at a node."""
        problem = Problem(self.file, at.line, at.column, message, help, path=at.path, width=at.width)
        if problem not in self.problems:  # a schema that two references lead to is read twice
            self.problems.append(problem)

    def settle(self) -> None:
        """Raise ConfigError if there was any."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda p: (p.line, p.column)))


def read(file: Path) -> tuple[Node, Complaints]:
    """Read a file. Raises ConfigError when it is not there or is not YAML."""
    import yaml

    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file, 1, 1, f"not UTF-8: byte {error.start} cannot be read")]) from None
    except OSError as error:
        raise ConfigError([Problem(file, 1, 1, f"{file.name} cannot be read: {error.strerror}")]) from None
    try:
        root = _compose(_SURROGATES.sub(_one_character, text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        at_fault = "".join(text.splitlines()[place[0] - 1 : place[0]])
        help = "indent with spaces, not with tabs" if "\t" in at_fault else ""
        raise ConfigError([Problem(file, *place, f"not YAML: {error.problem}", help)]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, 1, 1, f"not YAML: {str(error).splitlines()[0]}")]) from None
    complaints = Complaints(file)
    if root is None:
        raise ConfigError([Problem(file, 1, 1, "the contract is empty", "begin with `type: object` and `properties:`")])
    node = _node(root, "$", complaints, ())
    complaints.settle()
    return node, complaints


def _compose(text: str) -> Any:
    """The nodes of a document, by libyaml where Python has it: ten times as fast. No scalar is resolved to a type."""
    import yaml
    from yaml.resolver import BaseResolver

    parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(parser):  # type: ignore[misc]
        DEFAULT_SCALAR_TAG = _UNTAGGED
        yaml_implicit_resolvers = BaseResolver.yaml_implicit_resolvers

    loader = Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _one_character(pair: re.Match[str]) -> str:
    """`\\ud83d\\ude00`, as JSON writes a character beyond 16 bits, as YAML writes it."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"


def made(value: Any, path: str = "$", above: tuple[int, ...] = ()) -> Node:
    """A value that stands in no file as a node. Raises ValueError for what JSON has no word for."""
    if id(value) in above:
        raise ValueError(f"{path}: it contains itself")
    above = (*above, id(value))
    if isinstance(value, dict):
        if wrong := next((key for key in value if not isinstance(key, str)), None):
            raise ValueError(f"{path}: the key {wrong!r} is no string")
        keys = {key: f"{path}.{key}" for key in value}
        entries = {key: (Node(key, 1, 1, 1, at), made(value[key], at, above)) for key, at in keys.items()}
        return Node(entries, 1, 1, 1, path)
    if isinstance(value, (list, tuple)):
        return Node([made(item, f"{path}[{i}]", above) for i, item in enumerate(value)], 1, 1, 1, path)
    if not isinstance(value, (str, int, float, bool, type(None))) or value != value or value in _INFINITE:  # noqa: PLR0124
        raise ValueError(f"{path}: {value!r} is not JSON")
    return Node(value, 1, 1, 1, path)


def _node(raw: Any, path: str, complaints: Complaints, above: tuple[int, ...]) -> Node:
    start, end = raw.start_mark, raw.end_mark
    width = max(1, end.column - start.column) if end.line == start.line else 1
    place = (start.line + 1, start.column + 1, width, path)
    if id(raw) in above:
        complaints.add(Node(None, *place), "an alias points to what contains it")
        return Node(None, *place)
    above = (*above, id(raw))
    if raw.id == "sequence":
        return Node([_node(v, f"{path}[{i}]", complaints, above) for i, v in enumerate(raw.value)], *place)
    if raw.id == "mapping":
        entries: dict[str, tuple[Node, Node]] = {}
        for raw_key, raw_value in raw.value:
            key = _node(raw_key, path, complaints, above)
            if not isinstance(raw_key.value, str):
                complaints.add(key, "a key must be a word")
                continue
            name = raw_key.value
            key = Node(name, key.line, key.column, key.width, f"{path}.{name}")
            if name in entries:
                complaints.add(key, f"`{name}` is there twice", f"the first is on line {entries[name][0].line}")
            entries[name] = (key, _node(raw_value, key.path, complaints, above))
        return Node(entries, *place)
    try:
        return Node(_scalar(raw), *place)
    except ValueError as error:
        complaints.add(Node(None, *place), str(error))
        return Node(None, *place)


def _scalar(raw: Any) -> Any:
    text: str = raw.value
    if raw.style or str(raw.tag).endswith(":str"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        raise ValueError(f"{text} is not a JSON number")
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is beyond the range of numbers")
        return value
    return text
