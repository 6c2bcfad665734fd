"""Contracts from and to the files of other tools: one module each, registered here.

What has no counterpart is never dropped in silence: it comes back as a remark, which is printed as a warning and
stands as a comment in the result.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from mlci.contract.exchange.draft import Draft
from mlci.errors import UsageError

IMPORTS = ("frictionless", "dbt", "great-expectations", "pandera", "pydantic", "mlflow")
EXPORTS = ("json-schema", "pydantic", "mlflow")


class Importer(Protocol):
    """What a module for import has."""

    def read(self, source: str, folder: Path, wanted: str | None) -> Draft:
        """The contract that a file of the other tool is; `wanted` names one where it has several."""


class Exporter(Protocol):
    """What a module for export has."""

    def write(self, schema: dict[str, Any], name: str) -> tuple[str, list[str]]:
        """The text of the other tool's file, and what could not be carried into it."""


def carry(kind: str, source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract that a file of another tool is. Raises UsageError for a file that the tool would not write."""
    module = importer(kind)
    try:
        return module.read(source, folder, wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise UsageError(f"{source} is not as {kind} writes it ({found})", help="check it with that tool") from error


def importer(kind: str) -> Importer:
    """The module that reads the files of a tool."""
    if kind not in IMPORTS:
        raise UsageError(f"contracts cannot be read from {kind}", help=f"from: {', '.join(IMPORTS)}")
    module: Any = import_module(f"mlci.contract.exchange.{kind.replace('-', '_')}")
    found: Importer = module
    return found


def exporter(kind: str) -> Exporter:
    """The module that writes the files of a tool."""
    if kind not in EXPORTS:
        raise UsageError(f"contracts cannot be written for {kind}", help=f"to: {', '.join(EXPORTS)}")
    module: Any = import_module(f"mlci.contract.exchange.{kind.replace('-', '_')}_out")
    found: Exporter = module
    return found
