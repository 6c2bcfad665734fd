"""What a contract says of a table: the columns with their rules, the keys, the number of rows.

A contract is a JSON Schema (draft 2020-12) for one row, with `x-table` for what only a whole table can break.
https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from mlci.contract.language.predicates import Predicate

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
"""The types of JSON Schema. `1.0` is an integer, a boolean is no number, NaN and the infinities are nothing at all."""


Severity = Literal["error", "warn"]
"""Whether data that breaks a rule fails, or is only spoken of."""


Nan = Literal["error", "null", "number"]
"""What NaN and the infinities are: nothing that JSON knows, null, or numbers (IEEE 754; NaN breaks every bound)."""


@dataclass(frozen=True)
class Rule:
    """One keyword of a column, or of the row: its value as it was written, where it stands, and what it asks for."""

    keyword: str
    value: Any
    shown: str
    line: int
    holds: Predicate


@dataclass(frozen=True)
class Property:
    """A column: the types it may have (None: any), its other rules, and whether its values may be shown.

    `severity` and `tolerance` (a share of the rows) are those of all its rules.
    """

    name: str
    types: tuple[str, ...] | None
    rules: tuple[Rule, ...]
    sensitive: bool
    line: int | None
    severity: Severity = "error"
    tolerance: float = 0.0
    nan: Nan = "error"


@dataclass(frozen=True)
class Limit:
    """An end of what a figure may be, itself included, exactly as it was written; a `share` is one of the rows."""

    value: Fraction
    shown: str
    share: bool = False


@dataclass(frozen=True)
class TableRule:
    """A rule of `x-table`: its kind, and the column or the name that tells it from others of its kind.

    `detail` is what its kind needs beside the limits; the type is in the kind's module of `mlci.contract.table`.
    """

    kind: str
    name: str
    columns: tuple[str, ...]
    line: int
    low: Limit | None = None
    high: Limit | None = None
    severity: Severity = "error"
    tolerance: float = 0.0
    detail: Any = None

    @property
    def id(self) -> str:
        """The same for the same rule; no two of a contract have the same."""
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True)
class TableRules:
    """`x-table`: keys whose values are there once, how many rows there may be, and all its rules, these among them."""

    keys: tuple[tuple[str, ...], ...] = ()
    min_rows: int | None = None
    max_rows: int | None = None
    rules: tuple[TableRule, ...] = ()


@dataclass(frozen=True)
class Contract:
    """A whole contract. `closed` says that no column may be there that it does not name.

    `rows` are rules of whole rows; `schema` is all of it as it was written, for the fallback. `nan` is for columns
    that are not named, and `lines` say where columns are asked for that have no rules of their own.
    """

    file: Path
    properties: tuple[Property, ...]
    required: tuple[str, ...]
    closed: bool
    table: TableRules
    rows: tuple[Rule, ...] = ()
    schema: Any = None
    nan: Nan = "error"
    lines: Mapping[str, int] = field(default_factory=dict)
