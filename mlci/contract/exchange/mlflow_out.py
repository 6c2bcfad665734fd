"""To MLflow: the inputs of a model signature as JSON, for `ModelSignature.from_dict`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlci.contract.change.diff import ANNOTATIONS
from mlci.contract.change.inline import inline

_TYPES = {"boolean": "boolean", "integer": "long", "number": "double", "string": "string"}
_COLUMN = {"type", "items", "properties", "required"}
_WHOLE = {"type", "properties", "required"}


def write(schema: dict[str, Any], name: str) -> tuple[str, list[str]]:
    """The signature, and what of the contract it does not say: JSON has no comments to hold that."""
    del name
    whole, left = inline(schema), list[str]()
    columns = []
    for column, rules in whole.get("properties", {}).items():
        spec = _spec(column, rules if isinstance(rules, dict) else {}, left)
        if spec is not None:
            columns.append({**spec, "name": column, "required": column in whole.get("required", [])})
    left += [f"not carried: {k}" for k in whole if k not in _WHOLE | ANNOTATIONS]
    return json.dumps({"inputs": json.dumps(columns)}, indent=2) + "\n", left


def _spec(name: str, rules: Mapping[str, Any], left: list[str]) -> dict[str, Any] | None:
    """The type of a column or of what is in it; None where MLflow has none."""
    given = rules.get("type", [])
    types = [t for t in ([given] if isinstance(given, str) else given) if t != "null"]
    if len(types) != 1 or types[0] == "null":
        left.append(f"{name}: not carried: the column, which has no one type")
        return None
    if "null" in given and not isinstance(given, str):
        left.append(f"{name}: not carried: that null is allowed")
    timed = types[0] == "string" and rules.get("format") == "date-time"
    left += [
        f"{name}: not carried: {k} {json.dumps(v, ensure_ascii=False)}"
        for k, v in rules.items()
        if k not in _COLUMN | ANNOTATIONS and not (timed and k == "format")
    ]
    if types[0] == "array":
        items = _spec(f"{name}[]", rules.get("items", {}), left)
        return items and {"type": "array", "items": items}
    if types[0] == "object":
        members = {k: _spec(f"{name}.{k}", v, left) for k, v in rules.get("properties", {}).items()}
        found = {k: {**v, "required": k in rules.get("required", [])} for k, v in members.items() if v}
        return {"type": "object", "properties": found} if found else None
    return {"type": "datetime" if timed else _TYPES[types[0]]}
