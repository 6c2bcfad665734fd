"""To JSON Schema: the schema of one row, for a server in any language that has a validator (draft 2020-12)."""

from __future__ import annotations

import json
from typing import Any

from mlci.contract.judging.request import request_schema
from mlci.contract.learn.write import DIALECT


def write(schema: dict[str, Any], name: str) -> tuple[str, list[str]]:
    """The text of a schema as JSON, and what of the contract it does not check."""
    whole, left = request_schema(schema) if "x-table" in schema else (schema, [])
    titled = {"$schema": DIALECT, "title": name, **whole}
    return json.dumps(titled, indent=2, ensure_ascii=False, allow_nan=False) + "\n", left
