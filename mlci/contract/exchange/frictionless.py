"""Frictionless Table Schema, alone or in a Data Resource or Data Package (https://datapackage.org/standard/table-schema/)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlci.contract.exchange.draft import Draft, chosen, document, expect

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "year": {"type": "integer"},
    "yearmonth": {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"},
    "object": {"type": "object"},
    "array": {"type": "array"},
    "any": {},
}
_RULES = ("minLength", "maxLength", "enum")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FIELD = {"name", "type", "format", "constraints", "title", "description", "example"}
_SCHEMA = {"fields", "primaryKey", "uniqueKeys", "missingValues", "fieldsMatch", "$schema"}


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of a table schema."""
    whole = expect(document(source, folder), dict, "Frictionless Table Schema", source)
    if "resources" in whole:
        named = {str(r.get("name", i)): r for i, r in enumerate(whole["resources"]) if isinstance(r, dict)}
        whole = chosen(named, wanted, "resource")
    schema = expect(whole.get("schema", whole), dict, "Frictionless Table Schema", source)
    draft = Draft(closed=schema.get("fieldsMatch", "exact") in ("exact", "equal", "subset"))
    for one in expect(schema.get("fields"), list, "Frictionless Table Schema: it has no `fields`", source):
        _field(
            expect(one, dict, "field", source), draft, present=schema.get("fieldsMatch") not in ("subset", "partial")
        )
    primary = schema.get("primaryKey", [])
    for key in [primary, *schema.get("uniqueKeys", [])]:
        columns = [key] if isinstance(key, str) else list(key)
        if columns:
            draft.key(*columns)
    draft.nullable -= {primary} if isinstance(primary, str) else set(primary)
    for name in (name for name in schema if name not in _SCHEMA):
        draft.left("", f"{name} {schema[name]!r}")
    if schema.get("missingValues", [""]) != [""]:
        draft.left("", f"missingValues {schema['missingValues']!r}: here only an empty cell is null")
    if schema.get("fieldsMatch", "exact") == "exact":
        draft.left("", "the order of the columns")
    return draft


def _field(field: dict[str, Any], draft: Draft, *, present: bool) -> None:
    name, kind = str(field.get("name", "")), field.get("type", "string")
    column = draft.column(name)
    column |= {k: field[k] for k in ("title", "description") if k in field}
    if kind in _TYPES:
        column |= _TYPES[kind]
    else:
        draft.left(name, f"type {kind!r}")
    form = field.get("format", "default")
    if form in ("email", "uri", "uuid") and kind == "string":
        column["format"] = form
    elif form != "default":
        column.pop("format", None)
        draft.left(name, f"format {form!r}")
    if present:
        draft.required[name] = None
    constraints = field.get("constraints", {})
    if not constraints.get("required"):
        draft.nullable.add(name)
    for rule, value in constraints.items():
        _constraint(name, rule, value, kind, draft)
    for other in field.keys() - _FIELD:
        draft.left(name, f"{other} {field[other]!r}")


def _constraint(name: str, rule: str, value: Any, kind: str, draft: Draft) -> None:
    if rule == "required":
        return
    if rule == "unique":
        if value:
            draft.key(name)
    elif rule == "pattern":
        draft.rule(name, "pattern", f"^(?:{value})$")  # there, the whole value has to match
    elif rule in _RULES or (rule in _BOUNDS and kind in ("integer", "number", "year")):
        draft.rule(name, rule, value)
    else:
        draft.left(name, f"{rule} {value!r}")
