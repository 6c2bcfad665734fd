"""The shape of the file, checked with jsonschema against the generated schema, and told in our own words.

jsonschema says what is wrong at which path; here each of its errors becomes one problem at the right place, and
what only follows from another mistake is left out: a required key that is there under a misspelt name is one
mistake, and a value that fits none of several forms is one mistake too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlci.config.schema import schema
from mlci.config.source import Node, Path_, Place, locate, place_of
from mlci.config.validator import Draft202012Validator, ValidationError, validators
from mlci.config.words import describe, either, nearest, quote, suggest
from mlci.errors import Problem

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
}


@dataclass(frozen=True)
class Wrong:
    """An error of jsonschema: the keyword that fails, its value, what was found, the schema round it, and where."""

    keyword: str
    limit: Any
    found: Any
    of: dict[str, Any]
    path: Path_


def check(root: Node) -> tuple[list[Problem], set[Path_]]:
    """The problems of the shape, and the paths of known keys that stand there misspelt."""
    found = list(_flat(_validator().iter_errors(root.plain())))
    misspelt = {
        (*wrong.path, meant)
        for wrong in found
        if wrong.keyword == "additionalProperties"
        for name in _unknown(wrong)
        if (meant := nearest(name, _missing(wrong)))
    }
    return [problem for wrong in found for problem in _problems(root, wrong, misspelt)], misspelt


@lru_cache(maxsize=1)
def _validator() -> Any:
    extend: Any = validators.extend
    return extend(Draft202012Validator, {"pattern": _pattern})(schema())


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    # Python's `$` also matches before a last line break; what has a pattern here is one line.
    if isinstance(instance, str) and ("\n" in instance or not re.search(pattern, instance)):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _flat(errors: Iterable[Any]) -> Iterator[Wrong]:
    """Each error; for one of several forms, the errors of the form that was meant, when that can be told."""
    for error in errors:
        branches: dict[Any, list[Any]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.schema_path[0], []).append(inner)
        meant = [b for b in branches.values() if not any(e.validator == "type" and not e.path for e in b)]
        if len(meant) == 1:
            yield from _flat(meant[0])
        else:
            keyword = "propertyNames" if "propertyNames" in error.absolute_schema_path else error.validator
            path = tuple(error.absolute_path)
            yield Wrong(keyword, error.validator_value, error.instance, error.schema, path)


def _problems(root: Node, wrong: Wrong, misspelt: set[Path_]) -> Iterator[Problem]:
    path = wrong.path
    if wrong.keyword == "additionalProperties":
        for name in _unknown(wrong):
            words = _missing(wrong) if nearest(name, _missing(wrong)) else list(wrong.of["properties"])
            help = suggest(name, words, "known keys")
            yield _key(root, path, name).problem(f"unknown key {quote(name)}", help, path)
    elif wrong.keyword == "required":
        for name in wrong.limit:
            if name not in wrong.found and (*path, name) not in misspelt:
                doc = wrong.of["properties"][name]["description"]
                yield _container(root, path).problem(f"missing key {quote(name)}", f"{name}: {doc}", path)
    elif wrong.keyword == "propertyNames":
        help = str(wrong.of.get("description", ""))
        yield _key(root, path, wrong.found).problem(f"{quote(wrong.found)} cannot be a name here", help, path)
    else:
        expected, help = _expected(wrong)
        message = f"expected {expected}, found {describe(wrong.found)}"
        yield locate(root, path)[1].place.problem(message, help, path)


def _unknown(wrong: Wrong) -> list[str]:
    return [name for name in wrong.found if name not in wrong.of["properties"]]


def _missing(wrong: Wrong) -> list[str]:
    return [name for name in wrong.of["properties"] if name not in wrong.found]


def _key(root: Node, path: Path_, name: str) -> Place:
    return locate(root, (*path, name))[0] or place_of(root, path)


def _container(root: Node, path: Path_) -> Place:
    """Where to point for something that a mapping lacks: its key, or at the top its first key."""
    node = locate(root, path)[1]
    if not path and isinstance(node.value, dict):
        return next((entry.key for entry in node.value.values()), node.place)
    return place_of(root, path)


def _expected(wrong: Wrong) -> tuple[str, str]:
    """What should stand there, and the way out."""
    of, limit = wrong.of, wrong.limit
    doc = str(of.get("description", ""))
    if wrong.keyword == "enum":
        return either([quote(word) for word in limit]), _enum_help(wrong.found, limit) or doc
    if wrong.keyword in _BOUNDS:
        return f"{of.get('title', 'a number')} of {_BOUNDS[wrong.keyword].format(limit)}", doc
    if wrong.keyword in ("minItems", "minLength"):
        return f"at least {limit} {'entry' if wrong.keyword == 'minItems' else 'character'}", doc
    if wrong.keyword == "anyOf":
        return either([_types(branch) for branch in limit]), doc
    if wrong.keyword in ("type", "pattern") and "title" in of:
        return f"{of['title']}, such as {either([quote(example) for example in of['examples']])}", doc
    if wrong.keyword == "type":
        return _types(of), _type_help(wrong.found, of["type"]) or doc
    return f"text that matches {limit}", doc


def _types(of: dict[str, Any]) -> str:
    if "$ref" in of:
        return _TYPES["object"]
    names = [of["type"]] if isinstance(of["type"], str) else of["type"]
    return either([_TYPES[n] for n in names if n in _TYPES and not (n == "integer" and "number" in names)])


def _type_help(found: Any, wanted: Any) -> str:
    """How to write what is there so that it has the right type."""
    if found is None:
        return "give the key a value, or remove it"
    if wanted == "array" and isinstance(found, str):
        return f"write it as a list: [{found}]"
    if "string" in wanted and isinstance(found, (int, float)):
        return "put it in quotes"
    if isinstance(found, str) and re.fullmatch(r"[0-9.]+|true|false", found):
        return "write it without quotes"
    return ""


def _enum_help(found: Any, words: list[Any]) -> str:
    meant = nearest(found, [word for word in words if isinstance(word, str)]) if isinstance(found, str) else None
    return f"did you mean {quote(meant)}?" if meant else ""
