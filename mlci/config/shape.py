"""The types of the model taken apart: what the schema, the checks and the conversion all read.

A hint is one of: a dataclass, a Literal, `tuple[X, ...]`, `dict[str, X]`, a plain scalar, a union of scalars;
it may be `Annotated` with a kind (`duration`, `ref:data`, …) and `| None`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mlci.config.source import Path_


@dataclass(frozen=True)
class Shape:
    """A hint: its form, the type itself, the types inside, the kind of `Annotated`, and whether null is allowed."""

    form: Literal["class", "literal", "list", "map", "scalar"]
    type: Any
    inside: tuple[Any, ...] = ()
    kind: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Key:
    """A key of a class of the model. `default` is MISSING when there is no plain default."""

    name: str
    shape: Shape
    metadata: Mapping[str, Any]
    required: bool
    default: Any


@cache
def shape_of(hint: Any) -> Shape:
    """Take a hint apart."""
    if get_origin(hint) in (Union, types.UnionType):
        members = tuple(m for m in get_args(hint) if m is not type(None))
        optional = len(members) < len(get_args(hint))
        if len(members) > 1:
            return Shape("scalar", None, members, optional=optional)
        inner = shape_of(members[0])
        return Shape(inner.form, inner.type, inner.inside, inner.kind, optional)
    if get_origin(hint) is Annotated:
        inner = shape_of(get_args(hint)[0])
        return Shape(inner.form, inner.type, inner.inside, hint.__metadata__[0], inner.optional)
    if get_origin(hint) is Literal:
        return Shape("literal", None, get_args(hint))
    if get_origin(hint) is tuple:
        return Shape("list", tuple, get_args(hint)[:1])
    if get_origin(hint) is dict:
        return Shape("map", dict, get_args(hint)[1:])
    return Shape("class" if is_dataclass(hint) else "scalar", hint, () if is_dataclass(hint) else (hint,))


def keys_of(cls: type[Any]) -> dict[str, Key]:
    """The keys of a class of the model, in order."""
    model: Any = cls  # mypy does not take every class for hashable
    return _keys_of(model)


@cache
def _keys_of(cls: type[Any]) -> dict[str, Key]:
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: _key(f, hints[f.name]) for f in fields(cls)}


def _key(field: Field[Any], hint: Any) -> Key:
    required = field.default is MISSING and field.default_factory is MISSING
    return Key(field.name, shape_of(hint), field.metadata, required, field.default)


def kinds(cls: type[Any], value: Any, path: Path_ = ()) -> Iterator[tuple[str, Path_, Any]]:
    """Every value of a marked kind in a tree that may hold mistakes: (kind, path, value)."""
    if isinstance(value, dict):
        for name, key in keys_of(cls).items():
            if name in value:
                yield from _kinds(key.shape, value[name], (*path, name), key.metadata.get("shorthand"))


def _kinds(shape: Shape, value: Any, path: Path_, shorthand: str | None = None) -> Iterator[tuple[str, Path_, Any]]:
    if shape.kind:
        yield shape.kind, path, value
    elif shape.form == "class":
        is_short = shorthand is not None and isinstance(value, str)
        yield from kinds(shape.type, {shorthand: value} if is_short else value, path)
    elif shape.form == "list" and isinstance(value, list):
        for i, item in enumerate(value):
            yield from _kinds(shape_of(shape.inside[0]), item, (*path, i), shorthand)
    elif shape.form == "map" and isinstance(value, dict):
        for name, item in value.items():
            yield from _kinds(shape_of(shape.inside[0]), item, (*path, name))
