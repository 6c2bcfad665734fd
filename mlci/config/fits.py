"""Whether a file has the right shape, in one word: what is right needs nobody to say what is wrong with it.

To load jsonschema takes longer than all else that a command does with mlci.yaml. So it is asked only for what this does
not take for right: it knows just the keywords that the generated schema has, and takes nothing else for right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
_NOTES = ("description", "default", "title", "examples", "$schema", "$defs")
_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, limit: bool(value >= limit),
    "maximum": lambda value, limit: bool(value <= limit),
    "exclusiveMinimum": lambda value, limit: bool(value > limit),
    "exclusiveMaximum": lambda value, limit: bool(value < limit),
}


def fits(value: Any, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> bool:
    """Whether a value surely keeps a schema; False also where this cannot tell."""
    return all(_keeps(value, schema, keyword, limit, defs) for keyword, limit in schema.items())


def _keeps(value: Any, schema: Mapping[str, Any], keyword: str, limit: Any, defs: Mapping[str, Any]) -> bool:
    if keyword in _NOTES:
        return True
    if keyword in _NUMBERS:
        return not _TYPES["number"](value) or _NUMBERS[keyword](value, limit)
    if keyword == "$ref":
        return fits(value, defs[limit.removeprefix("#/$defs/")], defs)
    if keyword == "type":
        return any(_TYPES[name](value) for name in ([limit] if isinstance(limit, str) else limit))
    if keyword == "enum":
        return any(type(value) is type(one) and value == one for one in limit)
    if keyword == "anyOf":
        return any(fits(value, one, defs) for one in limit)
    if keyword == "pattern":
        return not isinstance(value, str) or ("\n" not in value and re.search(limit, value) is not None)
    if keyword == "minLength":
        return not isinstance(value, str) or len(value) >= limit
    return _within(value, schema, keyword, limit, defs)


def _within(value: Any, schema: Mapping[str, Any], keyword: str, limit: Any, defs: Mapping[str, Any]) -> bool:
    """The keywords about what is inside of a list or a mapping."""
    if keyword == "items":
        return not isinstance(value, list) or all(fits(one, limit, defs) for one in value)
    if keyword == "uniqueItems":
        return not isinstance(value, list) or len({repr(one) for one in value}) == len(value)
    if keyword == "minItems":
        return not isinstance(value, list) or len(value) >= limit
    if keyword == "properties":
        return "additionalProperties" in schema
    if not isinstance(value, dict):
        return keyword in ("required", "additionalProperties", "propertyNames")
    if keyword == "required":
        return all(name in value for name in limit)
    if keyword == "propertyNames":
        return all(fits(name, limit, defs) for name in value)
    if keyword != "additionalProperties":
        return False
    known = schema.get("properties", {})
    others = isinstance(limit, dict)
    return all(
        fits(inner, known[name], defs) if name in known else others and fits(inner, limit, defs)
        for name, inner in value.items()
    )
