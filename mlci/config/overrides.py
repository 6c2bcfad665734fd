"""`--set a.b.c=VALUE`: one value of the file replaced for one call. VALUE is YAML; lists are replaced whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlci.config.reader import read_yaml
from mlci.config.source import OVERRIDE, Entry, Node, Place, Source
from mlci.config.words import describe, quote
from mlci.errors import ConfigError, Problem

_STEP = re.compile(r'"([^"]+)"|([^."=\s]+)')
_HELP = 'write it as train.timeout=2h; a name with dots in quotes: data."a.b".path=…'


def apply(root: Node, overrides: Sequence[str]) -> tuple[Node, list[Problem]]:
    """The tree with each override in its place, in order, and the mistakes in the overrides themselves."""
    problems: list[Problem] = []
    for number, text in enumerate(overrides, start=1):
        source = Source(OVERRIDE, text.encode("utf-8", "backslashreplace").decode(), number)
        try:
            if source.text != text:
                raise ConfigError([source.problem(0, len(source.text), "not UTF-8")])
            steps, start = _path(source)
            value, mistakes = read_yaml(source, start)
            problems += mistakes
            root = _put(root, steps, value or Node(None, Place(source, 0, max(start - 1, 1))))
        except ConfigError as error:
            problems += error.problems
    return root, problems


def _path(source: Source) -> tuple[list[tuple[str, Place]], int]:
    """The names on the way, each with its place, and where the value begins."""
    steps: list[tuple[str, Place]] = []
    at = 0
    while match := _STEP.match(source.text, at):
        steps.append((match[1] or match[2], Place(source, match.start(), match.end())))
        at = match.end() + 1
        if source.text[match.end() : at] == "=":
            return steps, at
        if source.text[match.end() : at] != ".":
            at = match.end()
            break
    raise ConfigError([source.problem(at, at + 1, "expected a path, `=` and a value", _HELP)])


def _put(node: Node, steps: Sequence[tuple[str, Place]], value: Node, walked: tuple[str, ...] = ()) -> Node:
    """A copy of the tree with one value replaced; mappings on the way are made where there are none."""
    (name, place), *rest = steps
    if not isinstance(node.value, dict):
        message = f"{'.'.join(walked)} is {describe(node.plain())}, not a mapping that has a {quote(name)}"
        raise ConfigError([place.problem(message, f"replace the whole of it: {'.'.join(walked)}=VALUE", walked)])
    there = node.value.get(name)
    if rest:
        below = there.node if there and there.node.value is not None else Node({}, place)
        value = _put(below, rest, value, (*walked, name))
        place = there.key if there else place
    return Node({**node.value, name: Entry(place, value)}, node.place)
