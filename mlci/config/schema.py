"""The JSON Schema (draft 2020-12) of mlci.yaml, from the types of the model: for editors, the docs and our own checks.

Rules: a scalar that may be left out may also be `null`; a section may not, so that an emptied `gate:` is a mistake
and not a gate less.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from mlci.config.model import Config
from mlci.config.shape import Key, Shape, keys_of, shape_of
from mlci.config.units import KINDS

_NAMES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_OURS = ("doc", "shorthand")


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The schema; one definition a class, under `$defs`."""
    defs: dict[str, Any] = {}
    top = _object(Config, defs)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mlci.yaml", **top, "$defs": defs}


def _object(cls: type[Any], defs: dict[str, Any]) -> dict[str, Any]:
    keys = keys_of(cls)
    return {
        "description": inspect.getdoc(cls),
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, key in keys.items() if key.required],
        "properties": {name: _property(key, defs) for name, key in keys.items()},
    }


def _property(key: Key, defs: dict[str, Any]) -> dict[str, Any]:
    of = _value(key.shape, defs)
    if "shorthand" in key.metadata and key.shape.form == "list":
        of["items"] = {"anyOf": [_short(shape_of(key.shape.inside[0]), key.metadata["shorthand"]), of["items"]]}
    elif "shorthand" in key.metadata:
        of = {"anyOf": [_short(key.shape, key.metadata["shorthand"]), of]}
    limits = {name: value for name, value in key.metadata.items() if name not in _OURS}
    default = {"default": key.default} if isinstance(key.default, (str, int, float)) else {}
    return {"description": key.metadata["doc"], **of, **limits, **default}


def _short(shape: Shape, shorthand: str) -> dict[str, Any]:
    """What may stand for a whole section: the value of one of its keys."""
    key = keys_of(shape.type)[shorthand]
    limits = {name: value for name, value in key.metadata.items() if name not in _OURS}
    return {"type": _NAMES[key.shape.inside[0]], **limits}


def _value(shape: Shape, defs: dict[str, Any]) -> dict[str, Any]:
    if shape.kind in KINDS:
        of = dict(KINDS[shape.kind])
    elif shape.form == "class":
        name = shape.type.__name__
        if name not in defs:
            defs[name] = {}  # holds the place while a class that names itself is described
            defs[name] = _object(shape.type, defs)
        return {"$ref": f"#/$defs/{name}"}
    elif shape.form == "literal":
        return {"enum": [*shape.inside, None] if shape.optional else list(shape.inside)}
    elif shape.form == "list":
        of = {"type": "array", "items": _value(shape_of(shape.inside[0]), defs)}
    elif shape.form == "map":
        of = {"type": "object", "additionalProperties": _value(shape_of(shape.inside[0]), defs)}
    else:
        of = {"type": [_NAMES[member] for member in shape.inside]}
    names = [of["type"]] if isinstance(of["type"], str) else list(of["type"])
    names += ["null"] if shape.optional else []
    return {**of, "type": names[0] if len(names) == 1 else names}
