"""pandera: a DataFrameSchema as YAML or JSON, as `schema.to_yaml()` and `schema.to_json()` write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlci.contract.exchange.draft import Draft, document, expect, type_of

_BOUNDS = {
    "greater_than": "exclusiveMinimum",
    "greater_than_or_equal_to": "minimum",
    "less_than": "exclusiveMaximum",
    "less_than_or_equal_to": "maximum",
}
_SAFE = {"schema_type", "version", "columns", "dtype", "name", "title", "description", "strict", "unique", "metadata"}
_COLUMN = {"title", "description", "dtype", "nullable", "unique", "required", "checks", "metadata"}


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of a schema."""
    del wanted  # a file is one schema
    whole = expect(document(source, folder), dict, "schema of pandera", source)
    draft = Draft(about={k: str(whole[k]) for k in ("title", "description") if whole.get(k)})
    draft.closed = whole.get("strict") is True
    for name, column in expect(whole.get("columns"), dict, "schema of pandera", source).items():
        _column(str(name), column or {}, draft)
    if unique := whole.get("unique"):
        draft.key(*([unique] if isinstance(unique, str) else unique))
    for name, value in whole.items():
        if name not in _SAFE and value not in (None, False, [], {}):
            draft.left("", f"{name} {value!r}")
    if whole.get("strict") == "filter":
        draft.left("", "strict='filter'")
    return draft


def _column(name: str, column: dict[str, Any], draft: Draft) -> None:
    if column.get("regex"):
        draft.left("", f"column {name!r}, a pattern of names")
        return
    rules = draft.column(name)
    rules |= {k: str(column[k]) for k in ("title", "description") if column.get(k)}
    if named := column.get("dtype"):
        found = type_of(str(named))
        rules |= found or {}
        if found is None:
            draft.left(name, f"dtype {named!r}")
    if column.get("nullable"):
        draft.nullable.add(name)
    if column.get("required", True):
        draft.required[name] = None
    if column.get("unique"):
        draft.key(name)
    for kind, given in _checks(column.get("checks")):
        _check(name, kind, given, draft)
    for other, value in column.items():
        if other not in _COLUMN and value not in (None, False, [], {}):
            draft.left(name, f"{other} {value!r}")


def _checks(checks: Any) -> list[tuple[str, Any]]:
    """Name and arguments of each check; `to_yaml` has written them as a mapping, and later as a list."""
    if isinstance(checks, list):
        return [(str((c.get("options") or {}).get("check_name", c.get("check_name"))), c) for c in checks]
    return list((checks or {}).items())


def _check(name: str, kind: str, given: Any, draft: Draft) -> None:
    arguments = given if isinstance(given, dict) else {"value": given}
    options = arguments.get("options") or {}
    if options.get("raise_warning") or options.get("n_failure_cases") or options.get("ignore_na") is False:
        draft.left(name, f"options {options!r} of {kind}")
    value: Any = arguments.get("value", next((v for k, v in arguments.items() if k != "options"), None))
    if kind in _BOUNDS and isinstance(value, (int, float)):
        draft.rule(name, _BOUNDS[kind], value)
    elif kind in ("in_range", "between"):
        for end, least in (("min", "Minimum"), ("max", "Maximum")):
            closed = arguments.get(f"include_{end}", True)
            draft.rule(name, least.lower() if closed else f"exclusive{least}", arguments[f"{end}_value"])
    elif kind == "isin":
        allowed = arguments.get("allowed_values", value)
        draft.rule(name, "enum", list(allowed))
    elif kind in ("equal_to", "eq"):
        draft.rule(name, "const", value)
    elif kind in ("str_matches", "str_contains") and isinstance(arguments.get("pattern", value), str):
        pattern = arguments.get("pattern", value)
        draft.rule(name, "pattern", pattern if kind == "str_contains" or pattern.startswith("^") else f"^(?:{pattern})")
    elif kind == "str_length":
        ends = {"minLength": arguments.get("min_value"), "maxLength": arguments.get("max_value")}
        for keyword, length in ends.items():
            if length is not None:
                draft.rule(name, keyword, length)
    else:
        draft.left(name, f"check {kind} {given!r}")
