"""One request to a server, by the contract that its training data kept: so both refuse the same rows.

The row's schema without what a request has not: the label, rules of the whole table, rules that only warn.
jsonschema-rs judges it, in microseconds, and the words are those of `mlci validate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlci.contract.change.inline import inline
from mlci.contract.judging.fallback import TOGETHER, Fallback
from mlci.contract.language.plan import plan
from mlci.contract.language.schema import Contract
from mlci.errors import ConfigError, Problem, UsageError

_COLUMNS = {"properties", "required", "additionalProperties", "x-table", "dependentRequired", "allOf"}
_COUNTS = {"minProperties", "unevaluatedProperties"}
"""Rules that mean something else once a column is gone."""


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a row of a request: its number (the first is 0), the column (empty: the row), the rule."""

    row: int
    column: str
    rule: str
    message: str


@dataclass(frozen=True)
class RequestModel:
    """What a request may hold. `schema` is a JSON Schema, and `left` says what of the contract is not in it."""

    schema: dict[str, Any]
    left: tuple[str, ...]
    _judge: Fallback
    _expected: dict[tuple[str, str], str]

    def check(self, rows: Sequence[Any]) -> list[Wrong]:
        """Everything that is wrong, row by row; nothing of it repeats a value. What is no list of rows is wrong too."""
        if not isinstance(rows, (list, tuple)):
            return [Wrong(0, "", "type", "the rows: type: expected a list")]
        return [wrong for number, row in enumerate(rows) for wrong in self._row(number, row)]

    def _row(self, number: int, row: Any) -> Iterator[Wrong]:
        if unwritten := list(_unwritten(row)):
            for column in unwritten:
                yield self._wrong(number, column, "type")
            return
        found: dict[str, dict[str, None]] = {}
        for column, rule in self._judge.errors(row):
            found.setdefault(column, {})[rule] = None
        for column, rules in found.items():
            mistyped = [rule for rule in ("required", "null", "type") if rule in rules]
            for rule in mistyped[:1] or rules:  # of the wrong type, it cannot keep the other rules
                yield self._wrong(number, column, rule)

    def _wrong(self, number: int, column: str, rule: str) -> Wrong:
        expected = self._expected.get((column, rule), "no such column" if column else "an object")
        return Wrong(number, column, rule, f"{column or 'the row'}: {rule}: expected {expected}")


def request(
    contract: Contract, *, without: Iterable[str] = (), extra: bool = False, nulls_optional: bool = False
) -> RequestModel:
    """The model of one row of a request.

    `without` names the columns that a request has not, such as the label; with `extra`, columns that a closed contract
    does not name (and those) may be there; with `nulls_optional`, a column that may be null may be left out.

    Raises UsageError for a column that the contract does not name, ConfigError for a schema that jsonschema-rs refuses.
    """
    schema, left = request_schema(contract.schema, without=without, extra=extra, nulls_optional=nulls_optional)
    expected = {(c.column, c.rule): c.expected for p in plan(contract).columns for c in p.checks}
    expected |= {("", check.rule): check.expected for check in plan(contract).rows}
    try:
        judge = Fallback(schema, formats=True)
    except ValueError as why:
        raise ConfigError([Problem(contract.file, 1, 1, f"jsonschema-rs refuses the contract: {why}")]) from None
    return RequestModel(schema, tuple(left), judge, expected)


def request_schema(
    schema: dict[str, Any], *, without: Iterable[str] = (), extra: bool = False, nulls_optional: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The contract's schema for one request, and what could not be carried into it."""
    gone, whole = frozenset(without), inline(schema)
    columns = schema.get("properties", {})
    if unknown := gone - columns.keys() - set(schema.get("required", ())):
        raise UsageError(f"the contract has no column {sorted(unknown)[0]}", help=f"columns: {', '.join(columns)}")
    left = ["not carried: x-table: a request is no table"] if "x-table" in schema else []
    kept = {name: value for name, value in schema.items() if name not in _COLUMNS}
    for name in [n for n in kept if n not in ("$defs", "$schema", "title", "description")]:
        if (gone and name in _COUNTS) or _mentions(whole.get(name, schema[name]), gone):
            left.append(f"not carried: {name}: it speaks of a column that is left out")
            for together in (name, *TOGETHER.get(name, ())):
                kept.pop(together, None)
    parts = [
        one
        for one, said in zip(schema.get("allOf", ()), whole.get("allOf", ()), strict=False)
        if not _mentions(said, gone)
    ]
    if len(parts) < len(schema.get("allOf", ())):
        left.append("not carried: a part of allOf: it speaks of a column that is left out")
    if parts:
        kept["allOf"] = parts
    depends = {n: [c for c in needs if c not in gone] for n, needs in schema.get("dependentRequired", {}).items()}
    if depends := {n: needs for n, needs in depends.items() if n not in gone and needs}:
        kept["dependentRequired"] = depends
    kept["type"] = "object"
    kept["properties"] = {}
    for name, rules in columns.items():
        if name not in gone:
            warns = isinstance(rules, dict) and rules.get("x-severity") == "warn"
            left += [f"{name}: not carried: rules that only warn"] if warns else []
            kept["properties"][name] = {} if warns else rules
    optional = {n for n, rules in whole.get("properties", {}).items() if nulls_optional and _may_be_null(rules)}
    kept["required"] = [name for name in schema.get("required", ()) if name not in gone | optional]
    if "additionalProperties" in schema and not extra:
        kept["additionalProperties"] = schema["additionalProperties"]
    return kept, left


def _may_be_null(rules: Any) -> bool:
    return Fallback(rules, formats=False).valid(None)


def _mentions(value: Any, names: frozenset[str]) -> bool:
    """Whether one of the names is a key or a text anywhere in a value."""
    if isinstance(value, dict):
        return any(key in names or _mentions(inner, names) for key, inner in value.items())
    if isinstance(value, list):
        return any(_mentions(inner, names) for inner in value)
    return isinstance(value, str) and value in names


def _unwritten(row: Any) -> Iterator[str]:
    """The columns with values that JSON does not know: NaN, the infinities, half a surrogate pair."""
    if _is_json(row):
        return
    columns = [str(name) for name, value in row.items() if not _is_json({name: value})] if isinstance(row, dict) else []
    yield from columns or [""]


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True
