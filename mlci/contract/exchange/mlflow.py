"""MLflow: the inputs of a model signature, as JSON or in an `MLmodel` file (https://mlflow.org/docs/latest/ml/model/signatures/)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlci.contract.exchange.draft import Draft, document, expect

_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}
_NEVER_NULL = {"boolean", "integer", "long"}
"""MLflow knows no nulls; it lets them pass where pandas has a value for them."""


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of a signature's inputs."""
    del wanted  # a file is one signature
    whole = expect(document(source, folder), dict, "signature of MLflow", source)
    signature = expect(whole.get("signature", whole), dict, "signature of MLflow", source)
    inputs = signature.get("inputs")
    columns = expect(json.loads(inputs) if isinstance(inputs, str) else inputs, list, "signature of MLflow", source)
    draft = Draft()
    for i, column in enumerate(columns):
        if column.get("type") == "tensor":
            draft.left("", f"the tensor {column!r}")
            continue
        name = str(column.get("name", i))
        if "name" not in column:
            draft.left(name, "a column without a name: it is called by its number")
        draft.column(name).update(_rules(column, name, draft))
        if column.get("required", True):
            draft.required[name] = None
        if column.get("type") not in _NEVER_NULL:
            draft.nullable.add(name)
    for part in ("outputs", "params"):
        if signature.get(part) not in (None, "", "null"):
            draft.left("", f"{part} of the signature")
    return draft


def _rules(column: dict[str, Any], name: str, draft: Draft) -> dict[str, Any]:
    kind = column.get("type")
    if kind == "array":
        items = _rules(column.get("items", {}), name, draft)
        return {"type": "array", **({"items": items} if items else {})}
    if kind == "object":
        members = column.get("properties", {})
        required = [key for key, member in members.items() if member.get("required", True)]
        return {"type": "object", "properties": {k: _rules(m, name, draft) for k, m in members.items()}} | (
            {"required": required} if required else {}
        )
    if kind not in _TYPES:
        draft.left(name, f"type {kind!r}")
    return dict(_TYPES.get(str(kind), {}))
