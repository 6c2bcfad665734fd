"""What a change of a contract breaks: producers, whose data was valid before, or consumers, who rely on a promise.

A schema is the conjunction of its keywords, so each is compared alone. A change *narrows* when a value that the old
keyword allows may break the new one: that breaks producers. It *widens* when a value that the new one allows may
break the old one: that breaks consumers. What cannot be proved harmless (another pattern, another `if`) breaks both.
The proofs are for JSON Schema 2020-12 to the letter: where other columns were allowed with any value, a new rule on
one of them narrows. https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from mlci.contract.change.implies import (
    Part,
    at_least,
    at_most,
    bounded,
    canonical,
    dependent,
    flag,
    multiple,
    unique,
)
from mlci.contract.change.inline import inline
from mlci.contract.change.plain import Said, exact
from mlci.contract.change.plain import rules as rules_of

Party = Literal["producers", "consumers"]
BOTH: frozenset[Party] = frozenset({"producers", "consumers"})
Schema = Any
"""A JSON Schema as plain data: a mapping, true or false."""
TYPES = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
"""The types of JSON, disjoint: `number` is `integer` and `fraction`."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly"}
    | {"writeOnly", "contentEncoding", "contentMediaType", "contentSchema", "x-sensitive"}
)
"""Keywords that no value can break."""
_TOGETHER = {
    "const": "enum",
    "exclusiveMinimum": "minimum",
    "exclusiveMaximum": "maximum",
    "patternProperties": "properties",
    "additionalProperties": "properties",
    "prefixItems": "items",
    "minContains": "contains",
    "maxContains": "contains",
    "then": "if",
    "else": "if",
}
"""Keywords that mean something only beside another one: they are compared with it."""


@dataclass(frozen=True)
class Change:
    """One change: where, of what, in words, and whom it breaks. `path` is of columns and keywords."""

    path: tuple[str, ...]
    keyword: str
    kind: str
    says: str
    breaks: frozenset[Party]

    @property
    def where(self) -> str:
        """The place in words: the column, or the table."""
        return ".".join(self.path) or "the table"


def diff(old: Schema, new: Schema) -> tuple[Change, ...]:
    """All changes from one contract to another, as plain data; none for two that are alike.

    Raises `mlci.errors.UsageError` for a `$ref` that leads nowhere, in circles, or out of the document.
    """
    return tuple(_compare((), inline(old), inline(new)))


def breaking(changes: tuple[Change, ...], allowed: frozenset[str] = frozenset()) -> tuple[Change, ...]:
    """The changes that break someone who is not in `allowed`."""
    return tuple(change for change in changes if change.breaks - allowed)


def _compare(path: tuple[str, ...], old: Schema, new: Schema) -> list[Change]:
    """The changes of one schema."""
    if _same(old, new):
        return []
    before, after = _mapping(old), _mapping(new)
    if old is False or new is False:  # nothing was allowed, or nothing is
        return _change(path, "", narrows=new is False, widens=old is False, says=f"{_short(old)} → {_short(new)}")
    changes: list[Change] = []
    for keyword in dict.fromkeys(_TOGETHER.get(name, name) for name in (*before, *after)):
        group = [keyword, *(name for name, main in _TOGETHER.items() if main == keyword)]
        was, now = ({name: schema[name] for name in group if name in schema} for schema in (before, after))
        if not _same(was, now):
            changes += _KEYWORDS.get(keyword, _unproved)(path, keyword, was, now)
    if any(name.startswith("unevaluated") for name in (*before, *after)):
        changes.append(Change(path, "unevaluated", "changed", "what is left over depends on every change here", BOTH))
    return changes


def _mapping(schema: Schema) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {}


def _change(
    path: tuple[str, ...], keyword: str, *, narrows: bool, widens: bool, says: str, kind: str = ""
) -> list[Change]:
    breaks: set[Party] = set()
    breaks |= {"producers"} if narrows else set()
    breaks |= {"consumers"} if widens else set()
    word = {(True, False): "narrowed", (False, True): "widened", (True, True): "changed"}
    return [Change(path, keyword, kind or word.get((narrows, widens), "alike"), says, frozenset(breaks))]


def _both_ways(
    implies: Callable[[Part, Part], bool], path: tuple[str, ...], keyword: str, old: Part, new: Part
) -> list[Change]:
    """A keyword with a test of whether whatever keeps the first part keeps the second one."""
    return _change(path, keyword, narrows=not implies(old, new), widens=not implies(new, old), says=_said(old, new))


def _unproved(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """Alike or not: all that is known of a pattern, a format, a keyword of someone else."""
    return _change(path, keyword, narrows=bool(new), widens=bool(old), says=_said(old, new))


def _annotation(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    return _change(path, keyword, narrows=False, widens=False, says=_said(old, new), kind="annotation")


def _types(part: Part) -> frozenset[str]:
    if "type" not in part:
        return TYPES
    names = set([part["type"]] if isinstance(part["type"], str) else part["type"])
    return frozenset(names - {"number"} | ({"integer", "fraction"} if "number" in names else set()))


def _type(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    was, now = _types(old), _types(new)
    if was == now:
        return []
    says = {frozenset({"null"}): "null is {} allowed"}.get(was ^ now, _said(old, new))
    says = says.format("now" if "null" in now else "no longer")
    return _change(path, keyword, narrows=not was <= now, widens=not now <= was, says=says)


def _values(part: Part) -> frozenset[str] | None:
    """The values that `enum` and `const` leave, as JSON compares them; None: any."""
    lists = [part[k] if k == "enum" else [part[k]] for k in ("enum", "const") if k in part]
    sets = [frozenset(canonical(value) for value in values) for values in lists]
    return frozenset.intersection(*sets) if sets else None


def _enum(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    was, now = _values(old), _values(new)
    if was == now:
        return []
    if was is None or now is None:
        return _change(path, keyword, narrows=was is None, widens=now is None, says=_said(old, new))
    said = [f"now also {_list(now - was)}"] if now - was else []
    said += [f"no longer {_list(was - now)}"] if was - now else []
    return _change(path, keyword, narrows=not was <= now, widens=not now <= was, says=", ".join(said))


def _list(values: frozenset[str]) -> str:
    shown = sorted(values)
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def _required(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    was, now = set(old.get(keyword, ())), set(new.get(keyword, ()))
    lost = (
        _change((*path, name), keyword, narrows=False, widens=True, says="no longer required") for name in was - now
    )
    more = (_change((*path, name), keyword, narrows=True, widens=False, says="now required") for name in now - was)
    return sorted((change for changes in (*lost, *more) for change in changes), key=lambda c: c.path)


def _columns(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """`properties`, with `patternProperties` and `additionalProperties`, which say what the other columns may be."""
    changes: list[Change] = []
    was, now = (part.get(keyword, {}) for part in (old, new))
    patterns = [part.get("patternProperties", {}) for part in (old, new)]
    rest = [part.get("additionalProperties", True) for part in (old, new)]
    for name in dict.fromkeys((*was, *now)):
        if name in was and name in now:
            found = _compare((*path, name), was[name], now[name])
            changes += found if path else _binding(found, was[name], now[name])
        else:
            one, other = was.get(name, rest[0]), now.get(name, rest[1])
            breaks = BOTH if any(patterns) else _broken(one, other)  # a pattern may speak of this column too
            kind, others = ("added", rest[0]) if name in now else ("removed", rest[1])
            changes.append(Change((*path, name), keyword, kind, _other(kind, others), breaks))
    if set(patterns[0]) != set(patterns[1]):
        changes += _unproved(path, "patternProperties", {"patternProperties": patterns[0]}, {"": patterns[1]})
        return changes
    for pattern in patterns[0]:
        changes += _compare((*path, f"/{pattern}/"), patterns[0][pattern], patterns[1][pattern])
    if not _same(rest[0], rest[1]):
        breaks, says = _broken(rest[0], rest[1]), f"other columns: {_short(rest[0])} → {_short(rest[1])}"
        narrows, widens = "producers" in breaks, "consumers" in breaks
        changes += _change(path, "additionalProperties", narrows=narrows, widens=widens, says=says)
    return changes


def _binding(changes: list[Change], old: Schema, new: Schema) -> list[Change]:
    """A column whose rules only warn stops no producer, and promises no consumer anything."""
    warns = [_mapping(schema).get("x-severity") == "warn" for schema in (old, new)]
    may: set[Party] = set()
    may |= set() if warns[0] else {"consumers"}
    may |= set() if warns[1] else {"producers"}
    return [replace(change, breaks=change.breaks & may) for change in changes] if any(warns) else changes


def _broken(old: Schema, new: Schema) -> frozenset[Party]:
    return frozenset(party for change in _compare((), old, new) for party in change.breaks)


def _other(kind: str, others: Schema) -> str:
    """What other columns may be, where one of them is named from now on, or no longer."""
    before = kind == "added"
    if others is False:
        return f"no other column {'was' if before else 'is'} allowed"
    if others is True or others == {}:
        return f"as another column it {'could' if before else 'may'} hold anything"
    return f"other columns{' before' if before else ''}: {_short(others)}"


def _items(path: tuple[str, ...], _keyword: str, old: Part, new: Part) -> list[Change]:
    first = [part.get("prefixItems", []) for part in (old, new)]
    rest = [part.get("items", True) for part in (old, new)]
    changes = []
    for i in range(max(map(len, first))):
        was, now = (first[k][i] if i < len(first[k]) else rest[k] for k in (0, 1))
        changes += _compare((*path, f"[{i}]"), was, now)
    return changes + _compare((*path, "[]"), rest[0], rest[1])


def _sub(default: Schema, path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    return _compare((*path, keyword), old.get(keyword, default), new.get(keyword, default))


def _by_name(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """`dependentSchemas`: a schema for each name, anything for the other names."""
    was, now = old.get(keyword, {}), new.get(keyword, {})
    return [
        change
        for name in dict.fromkeys((*was, *now))
        for change in _compare((*path, keyword, name), was.get(name, True), now.get(name, True))
    ]


def _contains(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    if keyword not in old or keyword not in new or not _same(old[keyword], new[keyword]):
        return _unproved(path, keyword, old, new)
    low = old.get("minContains", 1), new.get("minContains", 1)
    high = old.get("maxContains", float("inf")), new.get("maxContains", float("inf"))
    narrows, widens = low[1] > low[0] or high[1] < high[0], low[1] < low[0] or high[1] > high[0]
    return _change(path, keyword, narrows=narrows, widens=widens, says=_said(old, new)) if narrows or widens else []


def _branches(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """`allOf` and `anyOf`: branch by branch where there are as many, else by what is there unchanged."""
    was, now = old.get(keyword, []), new.get(keyword, [])
    if len(was) == len(now):
        return [
            change
            for i, (one, other) in enumerate(zip(was, now, strict=True))
            for change in _compare((*path, f"{keyword}[{i}]"), one, other)
        ]
    kept, left = all(_among(s, now) for s in was), all(_among(s, was) for s in now)
    if keyword == "anyOf" and was and now:  # more branches allow more
        kept, left = left, kept
    return _change(path, keyword, narrows=not left, widens=not kept, says=_said(old, new))


def _among(schema: Schema, schemas: list[Schema]) -> bool:
    return any(_same(schema, other) for other in schemas)


def _not(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """What is excluded: less of it is more."""
    if not old or not new:
        return _unproved(path, keyword, old, new)
    inner = _broken(old[keyword], new[keyword])
    says = _said(old, new)
    return _change(path, keyword, narrows="consumers" in inner, widens="producers" in inner, says=says)


def _if(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    if keyword in old and keyword in new and _same(old[keyword], new[keyword]):
        return _sub(True, path, "then", old, new) + _sub(True, path, "else", old, new)
    return _unproved(path, keyword, old, new)


def _table(_path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    """`x-table`: each rule alone; one that only warns promises nothing."""
    was, now = old.get(keyword, {}), new.get(keyword, {})
    changes = []
    for name, compare in (("unique", partial(_both_ways, unique)), ("description", _annotation)):
        one, other = ({name: rules[name]} if name in rules else {} for rules in (was, now))
        if not _same(one, other):
            changes += compare((), name, one, other)
    before, after = rules_of(was), rules_of(now)
    nothing = Said("", "", {}, {})
    for kind, name in dict.fromkeys((*before, *after)):
        rule, wanted = before.get((kind, name), nothing), after.get((kind, name), nothing)
        if rule != wanted:
            path = (name,) if name else ()
            narrows, widens = not rule.implies(wanted), not wanted.implies(rule)
            shown = [_short(one.written) if one.kind else "nothing" for one in (rule, wanted)]
            changes += _change(path, kind, narrows=narrows, widens=widens, says=" → ".join(shown))
    return changes


def _severity(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    was, now = (part.get(keyword, "error") for part in (old, new))
    narrows, widens = was == "warn" != now, now == "warn" != was
    return _change(path, keyword, narrows=narrows, widens=widens, says=_said(old, new)) if narrows or widens else []


def _tolerance(path: tuple[str, ...], keyword: str, old: Part, new: Part) -> list[Change]:
    was, now = (exact(part.get(keyword, 0), "nulls")[0] for part in (old, new))
    return _change(path, keyword, narrows=now < was, widens=now > was, says=_said(old, new)) if was != now else []


_KEYWORDS: dict[str, Callable[[tuple[str, ...], str, Part, Part], list[Change]]] = {
    **dict.fromkeys(ANNOTATIONS, _annotation),
    "type": _type,
    "enum": _enum,
    "minimum": partial(_both_ways, partial(bounded, 1)),
    "maximum": partial(_both_ways, partial(bounded, -1)),
    "multipleOf": partial(_both_ways, multiple),
    **{k: partial(_both_ways, partial(at_least, k)) for k in ("minLength", "minItems", "minProperties")},
    **{k: partial(_both_ways, partial(at_most, k)) for k in ("maxLength", "maxItems", "maxProperties")},
    "uniqueItems": partial(_both_ways, partial(flag, "uniqueItems")),
    "required": _required,
    "dependentRequired": partial(_both_ways, dependent),
    "properties": _columns,
    "propertyNames": partial(_sub, True),
    "dependentSchemas": _by_name,
    "items": _items,
    "contains": _contains,
    "allOf": _branches,
    "anyOf": _branches,
    "not": _not,
    "if": _if,
    "x-table": _table,
    "x-severity": _severity,
    "x-tolerance": _tolerance,
}


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _said(old: Part, new: Part) -> str:
    return f"{_shown(old)} → {_shown(new)}"


def _shown(part: Part) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in part.items()) or "nothing"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
