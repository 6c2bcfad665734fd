"""Where a `$ref` leads: resources by `$id`, anchors, JSON pointers (RFC 6901), all inside one document.

https://json-schema.org/draft/2020-12/json-schema-core#section-8.2.
Nothing is fetched: a reference that leaves the document is refused where it stands, but for the meta-schemas of JSON
Schema itself, which the fallback has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urldefrag, urljoin

from mlci.contract.language.nodes import Node

ONE: tuple[str, ...] = ("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else")
ONE += ("unevaluatedItems", "unevaluatedProperties", "contentSchema")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs")
OWN = "https://json-schema.org/draft"
"""Meta-schemas that the fallback knows without a network."""


class Unresolved(ValueError):
    """A reference that leads nowhere in this document; the message says why."""


@dataclass(frozen=True)
class Target:
    """A schema and the base URI around it, before its own `$id`."""

    node: Node
    base: str


@dataclass
class Index:
    """All schemas of a document that have a name."""

    named: dict[str, Target] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Node) -> Index:
        """Read the names of a document. Its own URI is its `$id`, or nothing."""
        index = cls()
        index._walk(root, "")
        index.named.setdefault("", Target(root, ""))
        return index

    def _walk(self, node: Node, base: str) -> None:
        if not isinstance(node.value, dict):
            return
        own = base_of(node, base)
        if own not in self.named and ("$id" in node.value or not self.named):
            self.named[own] = Target(node, base)
        for keyword in ("$anchor", "$dynamicAnchor"):
            anchor = node.value[keyword][1].value if keyword in node.value else None
            if isinstance(anchor, str):
                self.named.setdefault(f"{own}#{anchor}", Target(node, base))
        for below in subschemas(node):
            self._walk(below, own)

    def resolve(self, reference: str, base: str) -> Target:
        """The schema that a `$ref` means. Raises `Unresolved`."""
        whole = base + reference if reference.startswith("#") else urljoin(base, reference)
        uri, fragment = urldefrag(whole)
        if uri not in self.named:
            raise Unresolved(f"`{reference}` is in another document")
        if fragment and not fragment.startswith("/"):
            if (name := f"{uri}#{unquote(fragment)}") not in self.named:
                raise Unresolved(f"there is no `$anchor` {fragment}")
            return self.named[name]
        return _follow(self.named[uri], unquote(fragment), reference)


def base_of(node: Node, base: str) -> str:
    """The base URI inside a schema: its `$id`, read against the one around it."""
    entry = node.value.get("$id") if isinstance(node.value, dict) else None
    own = entry[1].value if entry else None
    return urldefrag(urljoin(base, own))[0] if isinstance(own, str) and not own.startswith("#") else base


def subschemas(node: Node) -> list[Node]:
    """The schemas directly below a schema, by the keywords that hold schemas."""
    found: list[Node] = []
    for keyword, (_, value) in node.value.items():
        if keyword in ONE:
            found.append(value)
        elif keyword in LISTS and isinstance(value.value, list):
            found += value.value
        elif keyword in MAPS and isinstance(value.value, dict):
            found += [below for _, below in value.items()]
    return found


def _follow(start: Target, pointer: str, reference: str) -> Target:
    node, base = start.node, start.base
    for step in pointer.split("/")[1:]:
        base = base_of(node, base)
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node.value, dict) and name in node.value:
            node = node.value[name][1]
        elif isinstance(node.value, list) and name.isdecimal() and int(name) < len(node.value):
            node = node.value[int(name)]
        else:
            raise Unresolved(f"`{reference}` leads nowhere: there is no `{name}`")
    return Target(node, base)
