"""Which columns are not to be shown: those with `x-sensitive: true` anywhere in what the contract says of them.

A member of a struct, an element of a list, a definition behind a `$ref`: where any part of a value is sensitive, all of
the column is masked. `x-sensitive` where no column is named could not be kept, so it is a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlci.contract.language.nodes import Complaints, Node
from mlci.contract.language.refs import Index, Unresolved, base_of, subschemas

_HERE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Keywords whose schemas are of the same row."""
_UNNAMED = ("patternProperties", "additionalProperties", "unevaluatedProperties")
_HELP = "name the column under `properties`: `mail: {x-sensitive: true}`"


def sensitive(root: Node, index: Index, complaints: Complaints) -> frozenset[str]:
    """The names of the columns."""
    found, named = set[str](), _mapping(root, "properties")
    for name, node, base in _columns(root, "", index, set()):
        if _anywhere(node, base, index, set()):
            found.add(name)
            if name not in named:
                complaints.add(node, "`x-sensitive` of a column that `properties` does not name", _HELP)
    return frozenset(found)


def _columns(node: Node, base: str, index: Index, seen: set[int]) -> Iterator[tuple[str, Node, str]]:
    """What is said of columns, by name (empty: of columns that are not named)."""
    if not isinstance(node.value, dict) or id(node) in seen:
        return
    seen.add(id(node))
    base = base_of(node, base)
    yield from ((name, below, base) for name, (_, below) in _mapping(node, "properties").items())
    for keyword in _UNNAMED:
        yield from (("", below, base) for below in subschemas(_only(node, keyword)))
    for keyword in _HERE:
        for below in subschemas(_only(node, keyword)):
            yield from _columns(below, base, index, seen)
    if target := _target(node, base, index):
        yield from _columns(*target, index, seen)


def _anywhere(node: Node, base: str, index: Index, seen: set[int]) -> bool:
    """Whether a schema, or one below it, says `x-sensitive: true`."""
    if not isinstance(node.value, dict) or id(node) in seen:
        return False
    seen.add(id(node))
    base = base_of(node, base)
    if "x-sensitive" in node.value and node.value["x-sensitive"][1].value is True:
        return True
    if any(_anywhere(below, base, index, seen) for below in subschemas(node)):
        return True
    target = _target(node, base, index)
    return target is not None and _anywhere(*target, index, seen)


def _target(node: Node, base: str, index: Index) -> tuple[Node, str] | None:
    reference = node.value["$ref"][1].value if "$ref" in node.value else None
    try:
        found = index.resolve(reference, base) if isinstance(reference, str) else None
    except Unresolved:  # told by the compiler
        return None
    return (found.node, found.base) if found else None


def _mapping(node: Node, keyword: str) -> dict[str, tuple[Node, Node]]:
    value = node.value[keyword][1].value if keyword in node.value else None
    return value if isinstance(value, dict) else {}


def _only(node: Node, keyword: str) -> Node:
    entries = {keyword: node.value[keyword]} if keyword in node.value else {}
    return Node(entries, node.line, node.column, node.width, node.path)
