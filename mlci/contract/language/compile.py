"""From a schema to predicates, keyword by keyword, as draft 2020-12 has them.

A reference is compiled where it stands. A recursive one is unrolled a few times; rows that are nested deeper are
left to the fallback. Keywords that are not known are mistakes in a contract, annotations elsewhere (`lenient`).
https://json-schema.org/draft/2020-12/json-schema-core, …/json-schema-validation
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mlci.contract.language import predicates as p
from mlci.contract.language.nodes import Complaints, Node
from mlci.contract.language.predicates import Predicate, has
from mlci.contract.language.refs import OWN, Index, Unresolved, base_of
from mlci.contract.language.values import (
    KEYWORDS,
    read_boolean,
    read_count,
    read_mapping,
    read_pattern,
    read_types,
    shown,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
META = "https://mlci.dev/contract/v1"
"""The meta-schema of contracts: the draft's with `x-table` and the other words of mlci's own."""
ANNOTATIONS: tuple[str, ...] = ("title", "description", "default", "examples", "$schema", "$id", "$comment")
ANNOTATIONS += (
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "$anchor",
    "$dynamicAnchor",
)
ANNOTATIONS += ("$defs",)
OWN_WORDS = ("x-sensitive", "x-severity", "x-tolerance", "x-nan")
"""What mlci reads beside the standard, in the schema of a column."""
REFUSED = ("$dynamicRef", "$recursiveRef")
_OF_COLUMNS = {"x-severity", "x-tolerance", "x-nan"}
_TWICE = 2
"""How often a recursive reference is unrolled."""
_LARGE = 1_000
"""Schemas in one rule; what would be more is left to the fallback."""


@dataclass(frozen=True)
class Place:
    """Where the compiler stands: the base URI, and the references that led there (`here`: to the same value)."""

    base: str = ""
    trail: tuple[int, ...] = ()
    here: frozenset[int] = frozenset()

    def inside(self) -> Place:
        """A member or an element of the value."""
        return replace(self, here=frozenset())


@dataclass
class Compiler:
    """The compiler of one document. Mistakes go to `complaints`."""

    root: Node
    complaints: Complaints
    formats: bool = True
    index: Index = field(init=False)
    size: int = 0

    def __post_init__(self) -> None:
        self.index = Index.of(self.root)

    def schema(self, node: Node, at: Place) -> Predicate:
        """What a value must hold to be valid."""
        if isinstance(node.value, bool):
            return p.ANYTHING if node.value else p.Never()
        if not isinstance(node.value, dict):
            self.complaints.add(node, f"expected a schema: a mapping, true or false; found {shown(node)}")
            return p.ANYTHING
        for word in _OF_COLUMNS & node.value.keys() if not self.complaints.lenient else ():
            self.complaints.add(node.value[word][0], f"`{word}` is of a column", "write it in the column's own rules")
        self.size += 1
        if self.size > _LARGE:
            return p.Beyond("a schema too large when its references are written out")
        return p.all_of(tuple(part for _, _, part in self.rules(node, at)))

    def rules(self, node: Node, at: Place) -> Iterator[tuple[str, Node, Predicate]]:
        """The keywords of a schema that can fail, each with its place and its predicate."""
        parts = node.value
        at = replace(at, base=base_of(node, at.base))
        self._known(parts)
        for keyword, reader in _SIMPLE.items():
            if keyword in parts and (keyword != "format" or self.formats):
                value = reader(parts[keyword][1], self.complaints)
                if value is not None:
                    yield keyword, parts[keyword][1], predicate(keyword, value)
        for keyword, build in BUILDERS.items():
            if keyword in parts:
                found = build(self, parts, at)
                if found is not None:
                    yield keyword, parts[keyword][1], found

    def _known(self, parts: dict[str, tuple[Node, Node]]) -> None:
        for name, (key, value) in parts.items():
            if name in REFUSED:
                self.complaints.add(key, f"`{name}` is not supported", "say it with `$ref`")
            elif name == "$schema" and value.plain() not in (DIALECT, DIALECT + "#", META):
                found = f"the dialect must be draft 2020-12, not {shown(value)}"
                self.complaints.add(value, found, f"write {DIALECT}, or {META}")
            elif name not in KNOWN and not self.complaints.lenient:
                unknown(key, KNOWN, self.complaints)

    def target(self, parts: dict[str, tuple[Node, Node]], at: Place) -> tuple[Node, Place] | Predicate:
        """Where `$ref` leads, or what stands for it where that cannot be followed."""
        node = parts["$ref"][1]
        if not isinstance(node.value, str):
            self.complaints.add(node, f"expected a reference; found {shown(node)}")
            return p.ANYTHING
        try:
            found = self.index.resolve(node.value, at.base)
        except Unresolved as why:
            if node.value.startswith(OWN):
                return p.Beyond("a meta-schema of JSON Schema")
            self.complaints.add(node, f"{why}", "references stay inside the contract; nothing is fetched")
            return p.ANYTHING
        me = id(found.node)
        if me in at.here:
            self.complaints.add(node, f"`$ref` {node.value} leads back to itself", "it says nothing of any value")
            return p.ANYTHING
        if at.trail.count(me) >= _TWICE:
            return p.Beyond("a recursive $ref, nested deep")
        return found.node, Place(found.base, (*at.trail, me), at.here | {me})

    def each(self, entry: tuple[Node, Node], at: Place) -> tuple[Predicate, ...]:
        """A list of schemas."""
        node = entry[1]
        if not isinstance(node.value, list) or not node.value:
            self.complaints.add(node, f"expected a list of at least one schema; found {shown(node)}")
            return ()
        return tuple(self.schema(item, at) for item in node.value)

    def named(self, entry: tuple[Node, Node], at: Place) -> tuple[tuple[str, Predicate], ...]:
        """A mapping of schemas."""
        entries = read_mapping(entry[1], "schemas by name", self.complaints)
        return tuple((name, self.schema(value, at)) for name, (_, value) in entries.items())

    def pattern(self, key: Node) -> str | None:
        """A pattern of names; None where only the fallback can match it."""
        found = read_pattern(key, self.complaints)
        return found if isinstance(found, str) else None

    def claims(self, node: Node, at: Place, kind: str) -> list[p.Claim]:
        """What of an object or an array is evaluated by a schema that holds."""
        if not isinstance(node.value, dict):
            return []
        return self.claimed(node.value, replace(at, base=base_of(node, at.base)), kind)

    def claimed(self, parts: dict[str, tuple[Node, Node]], at: Place, kind: str, *, own: bool = True) -> list[p.Claim]:
        """The same of a schema whose base is known; not by its own `unevaluated…` if not `own`."""
        self.size += 1
        if self.size > _LARGE:
            return [p.Claim(p.Beyond("a schema too large when its references are written out"), everything=True)]
        found = self._object_claims(parts) if kind == "object" else self._array_claims(parts, at)
        if own and ("unevaluatedProperties" if kind == "object" else "unevaluatedItems") in parts:
            found.append(p.Claim(p.ANYTHING, everything=True))
        for below, guard, place in self._in_place(parts, at):
            found += [replace(c, guard=_both(guard, c.guard)) for c in self.claims(below, place, kind)]
        return found

    def _in_place(self, parts: dict[str, tuple[Node, Node]], at: Place) -> Iterator[tuple[Node, Predicate, Place]]:
        """Schemas that judge the same value, and what holds where they count."""
        if "$ref" in parts and isinstance(target := self.target(parts, at), tuple):
            yield target[0], p.ANYTHING, target[1]
        for keyword in ("allOf", "anyOf", "oneOf"):
            for below in _list(parts, keyword):
                yield below, p.ANYTHING if keyword == "allOf" else self.schema(below, at), at
        if "if" in parts:
            when = self.schema(parts["if"][1], at)
            yield parts["if"][1], when, at
            for keyword, guard in (("then", when), ("else", p.Not(when))):
                if keyword in parts:
                    yield parts[keyword][1], guard, at
        for name, (_, below) in _entries(parts, "dependentSchemas").items():
            yield below, has(name), at

    def _object_claims(self, parts: dict[str, tuple[Node, Node]]) -> list[p.Claim]:
        names = tuple(_entries(parts, "properties"))
        patterns = tuple(self.pattern(key) for key, _ in _entries(parts, "patternProperties").values())
        return [p.Claim(p.ANYTHING, names, patterns, everything="additionalProperties" in parts)]

    def _array_claims(self, parts: dict[str, tuple[Node, Node]], at: Place) -> list[p.Claim]:
        found = [p.Claim(p.ANYTHING, first=len(_list(parts, "prefixItems")), everything="items" in parts)]
        if "contains" in parts:
            found.append(p.Claim(p.ANYTHING, content=self.schema(parts["contains"][1], at.inside())))
        return found


def predicate(keyword: str, value: Any) -> Predicate:
    """The predicate of a keyword that has a plain value."""
    if isinstance(value, p.Beyond):
        return value
    match keyword:
        case "type":
            typed = p.Type(frozenset(value))
            return typed if "null" in value else p.All((p.NotNull(), typed))
        case "minimum":
            return p.Bound("<", value)
        case "maximum":
            return p.Bound(">", value)
        case "exclusiveMinimum":
            return p.Bound("<=", value)
        case "exclusiveMaximum":
            return p.Bound(">=", value)
        case "multipleOf":
            return p.MultipleOf(value)
        case "enum" | "const":
            return among(value)
        case "pattern":
            return p.Matches(value)
        case "minLength" | "maxLength":
            return p.Length("<" if keyword[1] == "i" else ">", value)
        case "format":
            return p.Format(value)
        case "minItems" | "maxItems":
            return p.Size("array", "<" if keyword[1] == "i" else ">", value)
        case "minProperties" | "maxProperties":
            return p.Size("object", "<" if keyword[1] == "i" else ">", value)
    raise AssertionError(f"no predicate for {keyword}")


def among(values: tuple[Any, ...]) -> Predicate:
    """Equal to one of these, as JSON compares."""
    scalars = tuple(v for v in values if not isinstance(v, (list, dict)))
    nested = tuple(_equal(v) for v in values if isinstance(v, (list, dict)))
    return p.Some(((p.OneOf(scalars),) if scalars else ()) + nested) if nested else p.OneOf(scalars)


def _equal(value: Any) -> Predicate:
    """Equal to a list or an object: of its size, with its parts."""
    size = len(value)
    if isinstance(value, list):
        parts: Predicate = p.Elements(tuple(among((v,)) for v in value))
        sized = (p.Size("array", "<", size), p.Size("array", ">", size))
        return p.All((p.NotNull(), p.Type(frozenset({"array"})), *sized, parts))
    parts = p.Members(tuple((name, among((v,))) for name, v in value.items()))
    return p.All((has(*value), p.Size("object", ">", size), parts))


def _both(one: Predicate, two: Predicate) -> Predicate:
    parts = tuple(part for part in (one, two) if part != p.ANYTHING)
    return p.all_of(parts) if parts else p.ANYTHING


def _list(parts: dict[str, tuple[Node, Node]], keyword: str) -> list[Node]:
    found = parts[keyword][1].value if keyword in parts else None
    return found if isinstance(found, list) else []


def _entries(parts: dict[str, tuple[Node, Node]], keyword: str) -> dict[str, tuple[Node, Node]]:
    found = parts[keyword][1].value if keyword in parts else None
    return found if isinstance(found, dict) else {}


def unknown(key: Node, known: tuple[str, ...], complaints: Complaints, hint: str = "") -> None:
    """Complain of a keyword, with the nearest right one."""
    near = difflib.get_close_matches(str(key.value), known, 1, 0.75)
    spoken = ", ".join(dict.fromkeys(n for n in known if n not in ANNOTATIONS))
    help = f"did you mean `{near[0]}`?" if near else hint or f"known: {spoken}"
    complaints.add(key, f"keyword `{key.value}` is not known here", help)


Parts = dict[str, tuple[Node, Node]]


def _ref(c: Compiler, parts: Parts, at: Place) -> Predicate:
    target = c.target(parts, at)
    return c.schema(*target) if isinstance(target, tuple) else target


def _members(c: Compiler, parts: Parts, at: Place) -> Predicate:
    at = at.inside()
    named = c.named(parts["properties"], at) if "properties" in parts else ()
    entries = _entries(parts, "patternProperties").values()
    patterns = tuple((c.pattern(key), c.schema(value, at)) for key, value in entries)
    others = c.schema(parts["additionalProperties"][1], at) if "additionalProperties" in parts else None
    return p.Members(named, patterns, others)


def _others(*before: str) -> Callable[[Compiler, Parts, Place], Predicate | None]:
    """A keyword that is judged together with another: once is enough."""

    def build(c: Compiler, parts: Parts, at: Place) -> Predicate | None:
        return None if any(name in parts for name in before) else _members(c, parts, at)

    return build


def _elements(c: Compiler, parts: Parts, at: Place) -> Predicate:
    first = c.each(parts["prefixItems"], at.inside()) if "prefixItems" in parts else ()
    others = c.schema(parts["items"][1], at.inside()) if "items" in parts else None
    return p.Elements(first, others)


def _items(c: Compiler, parts: Parts, at: Place) -> Predicate | None:
    return None if "prefixItems" in parts else _elements(c, parts, at)


def _contains(c: Compiler, parts: Parts, at: Place) -> Predicate:
    bounds = [read_count(parts[k][1], c.complaints) if k in parts else None for k in ("minContains", "maxContains")]
    return p.Contains(c.schema(parts["contains"][1], at.inside()), 1 if bounds[0] is None else bounds[0], bounds[1])


def _unique(c: Compiler, parts: Parts, _: Place) -> Predicate | None:
    return p.Unique() if read_boolean(parts["uniqueItems"][1], c.complaints) else None


def _required(c: Compiler, parts: Parts, _: Place) -> Predicate:
    return p.Required(_strings(c, parts["required"][1]))


def _dependent(c: Compiler, parts: Parts, _at: Place) -> Predicate:
    entries = read_mapping(parts["dependentRequired"][1], "lists of names by name", c.complaints)
    rules = (p.If(has(name), p.Required(_strings(c, value))) for name, (_, value) in entries.items())
    return p.All(tuple(rules))


def _strings(c: Compiler, node: Node) -> tuple[str, ...]:
    items = node.value if isinstance(node.value, list) else [node]
    for item in items:
        if not isinstance(item.value, str):
            c.complaints.add(item, f"expected a name; found {shown(item)}")
    return tuple(item.value for item in items if isinstance(item.value, str))


def _dependent_schemas(c: Compiler, parts: Parts, at: Place) -> Predicate:
    return p.All(tuple(p.If(has(name), schema) for name, schema in c.named(parts["dependentSchemas"], at)))


def _dependencies(c: Compiler, parts: Parts, at: Place) -> Predicate:
    """What `dependentRequired` and `dependentSchemas` were called before."""
    rules = []
    for name, (_, value) in read_mapping(parts["dependencies"][1], "schemas or lists by name", c.complaints).items():
        listed = isinstance(value.value, list)
        rules.append(p.If(has(name), p.Required(_strings(c, value)) if listed else c.schema(value, at)))
    return p.All(tuple(rules))


def _condition(c: Compiler, parts: Parts, at: Place) -> Predicate | None:
    then, otherwise = (c.schema(parts[k][1], at) if k in parts else p.ANYTHING for k in ("then", "else"))
    when = c.schema(parts["if"][1], at)
    return p.If(when, then, otherwise) if "then" in parts or "else" in parts else None


def _unevaluated(keyword: str, kind: Any) -> Callable[[Compiler, Parts, Place], Predicate]:
    def build(c: Compiler, parts: Parts, at: Place) -> Predicate:
        part = c.schema(parts[keyword][1], at.inside())
        return p.Unclaimed(kind, tuple(c.claimed(parts, at, kind, own=False)), part)

    return build


_SIMPLE: dict[str, Callable[[Node, Complaints], Any]] = {
    "type": read_types,
    **KEYWORDS,
    "minItems": read_count,
    "maxItems": read_count,
    "minProperties": read_count,
    "maxProperties": read_count,
}
BUILDERS: dict[str, Callable[[Compiler, Parts, Place], Predicate | None]] = {
    "required": _required,
    "properties": _members,
    "patternProperties": _others("properties"),
    "additionalProperties": _others("properties", "patternProperties"),
    "propertyNames": lambda c, parts, at: p.Names(c.schema(parts["propertyNames"][1], at.inside())),
    "dependentRequired": _dependent,
    "dependentSchemas": _dependent_schemas,
    "dependencies": _dependencies,
    "prefixItems": _elements,
    "items": _items,
    "contains": _contains,
    "uniqueItems": _unique,
    "$ref": _ref,
    "allOf": lambda c, parts, at: p.All(c.each(parts["allOf"], at)),
    "anyOf": lambda c, parts, at: p.Some(c.each(parts["anyOf"], at)),
    "oneOf": lambda c, parts, at: p.ExactlyOne(c.each(parts["oneOf"], at)),
    "not": lambda c, parts, at: p.Not(c.schema(parts["not"][1], at)),
    "if": _condition,
    "unevaluatedItems": _unevaluated("unevaluatedItems", "array"),
    "unevaluatedProperties": _unevaluated("unevaluatedProperties", "object"),
}
"""Keywords with schemas in them. One that is judged together with another builds nothing beside it."""
KNOWN = (*_SIMPLE, *BUILDERS, "then", "else", "minContains", "maxContains", *OWN_WORDS, *ANNOTATIONS)
