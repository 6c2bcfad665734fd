"""A checked tree into the types of the model: units to numbers, lists to tuples, shorthands written out."""

from __future__ import annotations

from typing import Any, TypeVar

from mlci.config.shape import Shape, keys_of, shape_of
from mlci.config.units import PARSERS

T = TypeVar("T")


def convert(cls: type[T], raw: dict[str, Any]) -> T:
    """An instance of a class of the model; `raw` has passed the checks."""
    keys = keys_of(cls)
    return cls(
        **{name: _value(keys[name].shape, value, keys[name].metadata.get("shorthand")) for name, value in raw.items()}
    )


def _value(shape: Shape, raw: Any, shorthand: str | None = None) -> Any:
    if raw is None:
        return None
    if shape.kind in PARSERS:
        return PARSERS[shape.kind](raw)
    if shape.form == "class":
        return convert(shape.type, {shorthand: raw} if shorthand and not isinstance(raw, dict) else raw)
    if shape.form == "list":
        return tuple(_value(shape_of(shape.inside[0]), item, shorthand) for item in raw)
    if shape.form == "map":
        return {name: _value(shape_of(shape.inside[0]), item) for name, item in raw.items()}
    if shape.form == "literal":
        return next(member for member in shape.inside if member == raw)
    if shape.inside in ((int,), (float,)):
        return shape.inside[0](raw)
    return raw
