"""Pydantic: a model class, `module:Class`, by the JSON Schema of what it takes. The module is imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from mlci.contract.change.inline import inline
from mlci.contract.exchange.draft import Draft
from mlci.errors import UsageError, WorldError

_OF_COLUMNS = {"title", "description", "type", "properties", "required", "additionalProperties", "$defs"}


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of a model. Raises UsageError for no such class, WorldError for a module that does not import."""
    del wanted  # the source names it
    module, colon, name = source.partition(":")
    if not colon or not name:
        raise UsageError(f"{source} names no model", help="write module:Class")
    sys.path.insert(0, str(folder.resolve()))
    try:
        found: Any = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise WorldError(f"{module} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder.resolve()))
    if not hasattr(found, "model_json_schema"):
        raise UsageError(f"{source} is no Pydantic model", help="name a subclass of pydantic.BaseModel")
    schema = inline(found.model_json_schema(mode="validation"))
    draft = Draft(about={k: schema[k] for k in ("title", "description") if k in schema})
    draft.closed = schema.get("additionalProperties") is False
    draft.required = dict.fromkeys(schema.get("required", []))
    draft.properties = {column: _simpler(rules) for column, rules in schema.get("properties", {}).items()}
    draft.extra = {k: v for k, v in schema.items() if k not in _OF_COLUMNS}
    draft.left("", "validators written in Python, and what Pydantic turns into a type on its own ('1' into 1)")
    for field, about in found.model_fields.items():
        if about.default_factory is not None:
            draft.left(field, "a default that is computed")
    return draft


def _simpler(rules: Any) -> Any:
    """`anyOf` of one type and null as a list of types, which says the same, and no titles made from names."""
    if not isinstance(rules, dict):
        return rules
    rules = {k: v for k, v in rules.items() if k != "title"}
    branches = rules.get("anyOf", [])
    others = [branch for branch in branches if branch != {"type": "null"}]
    if len(branches) == 2 and len(others) == 1 and isinstance(others[0].get("type"), str):
        inner = others[0]
        if not (inner.keys() & (rules.keys() - {"anyOf"})):
            values = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
            values |= {"enum": [inner["const"], None]} if "const" in inner else {}
            rest = {k: v for k, v in rules.items() if k != "anyOf"}
            kept = {k: v for k, v in inner.items() if k not in ("const", "title")}
            return {**rest, **kept, "type": [inner["type"], "null"], **values}
    return rules
