"""Where things stand: a text, the spans of its values, and the tree of values that keeps those spans.

A mistake can then be shown in its place long after the text was read. Columns and widths count characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlci.config.words import json_path
from mlci.errors import Problem

Path_ = tuple[str | int, ...]
"""The way to a value: names of keys and indexes of lists, from the top of the file."""
Scalar = str | int | float | bool | None

OVERRIDE = Path("--set")
"""The "file" of mistakes in the overrides of the command line."""


@dataclass(frozen=True)
class Located(Problem):
    """A problem that carries the text of its line."""

    text: str = ""


@dataclass(frozen=True, eq=False)
class Source:
    """A text, its name, and the number of its first line."""

    file: Path
    text: str
    first: int = 1

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", self.text))]

    def problem(self, start: int, end: int, message: str, help: str = "", path: Path_ = ()) -> Located:
        """A problem with the characters from start to end (exclusive); only their first line is marked."""
        line = bisect_right(self._starts, start) - 1
        begin = self._starts[line]
        stop = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        text = self.text[begin:stop].rstrip("\r\n")
        width = max(1, min(end, begin + len(text.rstrip())) - start)
        return Located(self.file, line + self.first, start - begin + 1, message, help, json_path(path), width, text)


@dataclass(frozen=True)
class Place:
    """A span of a source."""

    source: Source
    start: int
    end: int

    def problem(self, message: str, help: str = "", path: Path_ = ()) -> Located:
        """A problem with this span."""
        return self.source.problem(self.start, self.end, message, help, path)


@dataclass(frozen=True, eq=False)
class Node:
    """A value and its place. `size` counts the values below when aliases are written out; `height` the levels."""

    value: Scalar | list[Node] | dict[str, Entry]
    place: Place
    size: int = field(init=False)
    height: int = field(init=False)

    def __post_init__(self) -> None:
        children = list(self.children())
        object.__setattr__(self, "size", 1 + sum(child.size for child in children))
        object.__setattr__(self, "height", 1 + max((child.height for child in children), default=0))

    def children(self) -> Iterator[Node]:
        """The values one level below."""
        if isinstance(self.value, dict):
            yield from (entry.node for entry in self.value.values())
        elif isinstance(self.value, list):
            yield from self.value

    def plain(self) -> Any:
        """The value as JSON has it."""
        if isinstance(self.value, dict):
            return {name: entry.node.plain() for name, entry in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, eq=False)
class Entry:
    """A value of a mapping and the place of its key."""

    key: Place
    node: Node


def locate(root: Node, path: Path_) -> tuple[Place | None, Node]:
    """The nearest value on the way to `path` that exists, and the place of its key if it has one."""
    key: Place | None = None
    node = root
    for step in path:
        if isinstance(node.value, dict) and isinstance(step, str) and step in node.value:
            entry = node.value[step]
            key, node = entry.key, entry.node
        elif isinstance(node.value, list) and isinstance(step, int) and 0 <= step < len(node.value):
            key, node = None, node.value[step]
        else:
            break
    return key, node


def place_of(root: Node, path: Path_) -> Place:
    """Where to point for `path`: a scalar itself, or the key above a mapping or a list."""
    key, node = locate(root, path)
    return key if key and isinstance(node.value, (dict, list)) else node.place
