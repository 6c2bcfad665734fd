"""The meta-schema of contracts: what editors complete by, and what tells validators of JSON Schema of `x-table`."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def meta_schema() -> dict[str, Any]:
    """The meta-schema, https://mlci.dev/contract/v1: that of JSON Schema 2020-12 and a vocabulary of our own."""
    text = files("mlci.contract.language.meta").joinpath("contract.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
