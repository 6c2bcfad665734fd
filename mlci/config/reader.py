"""YAML 1.2 into a tree of values with places; every mistake of the writing is collected, not only the first.

Built on libyaml's stream of events, so that keys keep their places, duplicate keys are found, and depth and the
size of expanded aliases are bounded before anything is built (a "billion laughs" costs nothing). Scalars follow
the core schema of YAML 1.2.2, section 10.3.2, without numbers that JSON cannot hold. Merge keys (`<<`) work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from mlci.config.source import Entry, Node, Path_, Place, Scalar, Source
from mlci.config.words import describe, quote
from mlci.errors import ConfigError, Problem

MAX_DEPTH = 40
MAX_VALUES = 20_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_ADVICE = (
    ("mapping values are not allowed", "a text that holds ': ' needs quotes; otherwise check the indentation"),
    ("expected key", "check the indentation of this line and of those above"),
    ("expected '-' indicator", "check the indentation of this line and of those above"),
    ("expected ','", "a `[` or `{` before this is not closed, or a comma is missing"),
    ("cannot start any token", "put the text in quotes"),
    ("could not find expected ':'", "a key needs a `:` after it"),
    ("unexpected end of stream", "a quote is not closed"),
)


def read_yaml(source: Source, start: int = 0) -> tuple[Node | None, list[Problem]]:
    """The tree of one document from `start` on (None when there is nothing), and the mistakes in its writing.

    Raises ConfigError when the rest cannot be read at all: a syntax error, an alias bomb, too many levels.
    """
    reader = _Reader(source, yaml.parse(" " * start + source.text[start:], Loader=_LOADER))
    try:
        return reader.document(), reader.problems
    except _EndsHere as end:
        problem = end.problem
    except ReaderError as error:
        problem = source.problem(
            error.position, error.position + 1, f"the character U+{error.character:04X} is not allowed in YAML"
        )
    except yaml.MarkedYAMLError as error:
        problem = _syntax(source, error)
    except (yaml.YAMLError, ValueError) as error:
        problem = source.problem(0, 1, f"not YAML: {error}")
    raise ConfigError([*reader.problems, problem])


class _EndsHere(Exception):
    """There is no sense in reading on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    said = str(error.problem or error.context)
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in said and error.context_mark:
        mark = error.context_mark
    at = min(mark.index, max(len(source.text) - 1, 0)) if mark else 0
    help = next((advice for sign, advice in _ADVICE if sign in said), "")
    if source.text[at : at + 1] == "\t":
        help = "use spaces, not tabs, for indentation"
    context = f" {error.context}" if error.context and error.problem else ""
    return source.problem(at, at + 1, f"not YAML: {said}{context}", help)


class _Reader:
    """One pass over the events of a document."""

    def __init__(self, source: Source, events: Iterator[Any]) -> None:
        self._source = source
        self._events = events
        self._anchors: dict[str, Node | None] = {}
        self.problems: list[Problem] = []

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise self._fatal(event, "a second document begins here", "one file holds one project")
            if isinstance(event, NodeEvent):
                root = self._node(event, ())
        return root

    def _node(self, event: Any, path: Path_) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        if len(path) >= MAX_DEPTH:
            raise self._fatal(event, f"more than {MAX_DEPTH} levels", "", path)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, ScalarEvent):
            node = Node(self._scalar(event, path), self._place(event))
        elif isinstance(event, SequenceStartEvent):
            self._check_tag(event, "seq", path)
            items = [self._node(child, (*path, i)) for i, child in enumerate(self._until_end())]
            node = Node(items, self._place(event))
        else:
            node = self._mapping(event, path)
        if node.size > MAX_VALUES or node.height > MAX_DEPTH:
            raise self._fatal(event, "its aliases (`*name`) expand to too much", "", path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _until_end(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, CollectionEndEvent):
                return
            yield event

    def _alias(self, event: Any, path: Path_) -> Node:
        name = event.anchor
        if name not in self._anchors:
            raise self._fatal(event, f"the alias *{name} has no anchor &{name} before it", "", path)
        node = self._anchors[name]
        if node is None:
            raise self._fatal(event, f"the alias *{name} stands inside of what it names", "", path)
        return node

    def _mapping(self, event: Any, path: Path_) -> Node:
        self._check_tag(event, "map", path)
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        first: Place | None = None
        events = self._until_end()
        for key in events:
            is_merge = isinstance(key, ScalarEvent) and key.value == "<<" and key.implicit[0]
            name = "<<" if is_merge else self._key(key, path)
            place = self._place(key)
            first = first or place
            node = self._node(next(events), path if name is None else (*path, name))
            if node.place.start == node.place.end:
                node = Node(node.value, place)  # nothing is written: its key is what can be shown
            if is_merge:
                merged += self._merged(node, path)
            elif name is not None and name in entries:
                line = entries[name].key.problem("").line
                self.problems.append(
                    place.problem(f"duplicate key {quote(name)}", f"the first one is on line {line}", path)
                )
            elif name is not None:
                entries[name] = Entry(place, node)
        for other in merged:
            assert isinstance(other.value, dict)
            entries = {**entries, **{k: v for k, v in other.value.items() if k not in entries}}
        return Node(entries, self._place(event, first))

    def _merged(self, node: Node, path: Path_) -> list[Node]:
        nodes = node.value if isinstance(node.value, list) else [node]
        for wrong in (n for n in nodes if not isinstance(n.value, dict)):
            self.problems.append(
                wrong.place.problem(f"`<<` takes a mapping, found {describe(wrong.plain())}", "", path)
            )
        return [n for n in nodes if isinstance(n.value, dict)]

    def _key(self, event: Any, path: Path_) -> str | None:
        if not isinstance(event, ScalarEvent):
            node = self._node(event, (*path, "?"))
            self.problems.append(node.place.problem(f"a key must be text, found {describe(node.plain())}", "", path))
            return None
        value = self._node(event, path).value
        if not isinstance(value, str):
            self.problems.append(
                self._place(event).problem(
                    f"a key must be text, found {describe(value)}", f"put it in quotes: {quote(event.value)}", path
                )
            )
        return str(event.value)

    def _scalar(self, event: Any, path: Path_) -> Scalar:
        tag = None if event.tag is None else str(event.tag)
        text = str(event.value)
        try:
            if _UNUSABLE.search(text):
                raise ValueError("a NUL or half of a surrogate pair cannot be used in text")
            if tag in ("!", _CORE + "str") or (tag is None and not event.implicit[0]):
                return text
            value = _resolve(text)
            kind = "null" if value is None else type(value).__name__
            if tag not in (None, _CORE + kind):
                raise ValueError(f"{quote(text)} cannot be read with the tag {tag}")
        except ValueError as error:
            self.problems.append(self._place(event).problem(str(error), "", path))
            return None if _UNUSABLE.search(text) else text
        return value

    def _check_tag(self, event: Any, kind: str, path: Path_) -> None:
        if event.tag is not None and str(event.tag) not in ("!", _CORE + kind):
            self.problems.append(self._place(event).problem(f"the tag {event.tag} is not known here", "", path))

    def _place(self, event: Any, first: Place | None = None) -> Place:
        """The span of a scalar; of a collection its bracket, its first dash or its first key."""
        start, end = event.start_mark.index, max(event.end_mark.index, event.start_mark.index)
        if first is not None and not getattr(event, "flow_style", False):
            start, end = first.start, first.end
        return Place(self._source, start, end)

    def _fatal(self, event: Any, message: str, help: str, path: Path_ = ()) -> _EndsHere:
        return _EndsHere(self._place(event).problem(message, help, path))


def _resolve(text: str) -> Scalar:
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that can be used here")
    if _INT.fullmatch(text):
        if len(text) > 25 or abs(number := int(text, 0) if text[:2] in ("0o", "0x") else int(text)) >= 2**64:
            raise ValueError(f"the number {text[:25]}… is too large")
        return number
    if _FLOAT.fullmatch(text):
        if abs(value := float(text)) == float("inf"):
            raise ValueError(f"the number {text[:25]} is too large")
        return value
    return text
