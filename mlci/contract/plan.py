"""The plan: what each column must hold, as small predicates that know nothing of any engine.

Each predicate is two-valued, as JSON Schema is: it holds or fails, and one that speaks of numbers holds for
everything that is no number. A printer (`sql`) says a predicate in an engine's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mlci.contract.schema import TYPES, Contract, Property, Rule


@dataclass(frozen=True)
class Present:
    """The row has the value at all, be it null."""


@dataclass(frozen=True)
class NotNull:
    """The value is not null."""


@dataclass(frozen=True)
class Type:
    """The value is null or of one of these JSON types."""

    types: frozenset[str]


@dataclass(frozen=True)
class Bound:
    """A number does not stand in this relation to the limit: `<` for `minimum`."""

    fails: Literal["<", "<=", ">", ">="]
    limit: int | float


@dataclass(frozen=True)
class MultipleOf:
    """A number is a whole multiple of this whole number."""

    divisor: int


@dataclass(frozen=True)
class OneOf:
    """The value is equal to one of these scalars, as JSON compares: 1 is 1.0 and is not true."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Matches:
    """A string contains a match of this RE2 pattern."""

    pattern: str


@dataclass(frozen=True)
class Length:
    """A string's length in characters (code points) does not stand in this relation to the limit."""

    fails: Literal["<", ">"]
    limit: int


@dataclass(frozen=True)
class Format:
    """A string is of this format."""

    name: str


@dataclass(frozen=True)
class If:
    """Where `when` holds, `then` holds."""

    when: Predicate
    then: Predicate


Predicate = Present | NotNull | Type | Bound | MultipleOf | OneOf | Matches | Length | Format | If


@dataclass(frozen=True)
class Check:
    """One rule of a column: its name, what it expects in words, its predicate, and its line in the contract."""

    column: str
    rule: str
    expected: str
    holds: Predicate
    line: int | None


@dataclass(frozen=True)
class ColumnPlan:
    """All checks of a column. `reads` says as which JSON types the cells of a text file are to be read."""

    name: str
    reads: frozenset[str]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Plan:
    """All that is to be checked. `named` are the only columns that may be there (None: any may)."""

    columns: tuple[ColumnPlan, ...]
    keys: tuple[tuple[str, ...], ...]
    named: frozenset[str] | None
    sensitive: frozenset[str]


def plan(contract: Contract) -> Plan:
    """The columns to check: those of `properties`, and those that are only required or part of a key."""
    keys = contract.table.keys
    needed = dict.fromkeys((*contract.required, *(name for key in keys for name in key)))
    named = frozenset(p.name for p in contract.properties)
    others = (Property(name, None, (), False, None) for name in needed if name not in named)
    columns = (
        ColumnPlan(p.name, _reads(p), tuple(_checks(p, p.name in needed))) for p in (*contract.properties, *others)
    )
    sensitive = frozenset(p.name for p in contract.properties if p.sensitive)
    return Plan(tuple(columns), keys, named if contract.closed else None, sensitive)


def _checks(column: Property, required: bool) -> list[Check]:
    """A value of a wrong type counts once, as `type` or `null`; the other rules judge those of the right type."""
    types = frozenset(column.types or TYPES)
    typed: Predicate = Type(types)
    said = " or ".join(column.types or ("a JSON value (NaN and the infinities are none)",))
    checks = [Check(column.name, "required", "a column of this name", Present(), column.line)] if required else []
    if "null" not in types:
        checks.append(Check(column.name, "null", said, NotNull(), column.line))
    checks.append(Check(column.name, "type", said, typed, column.line))
    for rule in column.rules:
        holds = _predicate(rule)
        if isinstance(holds, OneOf) and column.types:
            holds = If(typed, holds) if "null" in types else If(NotNull(), If(typed, holds))
        checks.append(Check(column.name, rule.keyword, _expected(rule), holds, rule.line))
    return checks


def _predicate(rule: Rule) -> Predicate:
    value = rule.value
    match rule.keyword:
        case "minimum":
            return Bound("<", value)
        case "maximum":
            return Bound(">", value)
        case "exclusiveMinimum":
            return Bound("<=", value)
        case "exclusiveMaximum":
            return Bound(">=", value)
        case "multipleOf":
            return MultipleOf(value)
        case "enum" | "const":
            return OneOf(value)
        case "pattern":
            return Matches(value)
        case "minLength":
            return Length("<", value)
        case "maxLength":
            return Length(">", value)
        case "format":
            return Format(value)
    raise AssertionError(f"no predicate for {rule.keyword}")


_WORDS = {
    "minimum": ">= {}",
    "maximum": "<= {}",
    "exclusiveMinimum": "> {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "enum": "one of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
}


def _expected(rule: Rule) -> str:
    return _WORDS.get(rule.keyword, "{}").format(rule.shown.strip('"') if rule.keyword == "format" else rule.shown)


def _reads(column: Property) -> frozenset[str]:
    """A column without `type` in a text file: text, and numbers or booleans where a rule speaks of them."""
    if column.types:
        return frozenset(column.types)
    reads = {"string"}
    for rule in column.rules:
        values = rule.value if rule.keyword in ("enum", "const") else (0,) if _numeric(rule) else ()
        reads |= {"boolean" for v in values if isinstance(v, bool)}
        reads |= {"number" for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return frozenset(reads)


def _numeric(rule: Rule) -> bool:
    return rule.keyword == "multipleOf" or rule.keyword.endswith("imum")
