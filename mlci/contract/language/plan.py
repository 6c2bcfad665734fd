"""The plan: what each column, and each row as a whole, must hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlci.contract.language.predicates import Bound, If, MultipleOf, NotNull, OneOf, Predicate, Present, Type, within
from mlci.contract.language.schema import TYPES, Contract, Property, Rule, Severity


@dataclass(frozen=True)
class Check:
    """One rule of a column: its name, what it expects in words, its predicate, and its line in the contract.

    One of the row as a whole (`of_row`) has an empty `column`, as a column without a name has.
    """

    column: str
    rule: str
    expected: str
    holds: Predicate
    line: int | None
    severity: Severity = "error"
    tolerance: float = 0.0
    of_row: bool = False

    @property
    def judged(self) -> str | None:
        """The column whose values are judged; None: the row is."""
        return None if self.of_row else self.column


@dataclass(frozen=True)
class ColumnPlan:
    """All checks of a column. `reads` says as which JSON types the cells of a text file are to be read, and as what
    NaN and the infinities are (`nan: null`, `nan: number`).
    """

    name: str
    reads: frozenset[str]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Plan:
    """All that is to be checked. `rows` are checks of whole rows, of no column; `named` are the only columns
    that may be there (None: any may).
    """

    columns: tuple[ColumnPlan, ...]
    rows: tuple[Check, ...]
    keys: tuple[tuple[str, ...], ...]
    named: frozenset[str] | None
    sensitive: frozenset[str]
    others: frozenset[str] = frozenset({"string"})

    @property
    def reads(self) -> dict[str | None, frozenset[str]]:
        """As what each column is read, and (under None) all others."""
        return {None: self.others, **{column.name: column.reads for column in self.columns}}


def plan(contract: Contract) -> Plan:
    """The columns to check: those of `properties`, and those that are only required or part of a key."""
    keys = contract.table.keys
    needed = dict.fromkeys((*contract.required, *(name for key in keys for name in key)))
    named = frozenset(p.name for p in contract.properties)
    lines = contract.lines
    others = (
        Property(name, None, (), False, lines.get(name), nan=contract.nan) for name in needed if name not in named
    )
    said = spoken(contract.rows)
    columns = (
        ColumnPlan(p.name, _reads(p, said), tuple(_checks(p, p.name in needed)))
        for p in (*contract.properties, *others)
    )
    rows = tuple(Check("", rule.keyword, _expected(rule), rule.holds, rule.line, of_row=True) for rule in contract.rows)
    sensitive = frozenset(p.name for p in contract.properties if p.sensitive)
    unnamed = frozenset({"string", f"nan: {contract.nan}"})
    return Plan(tuple(columns), rows, keys, named if contract.closed else None, sensitive, unnamed)


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
        holds = rule.holds
        if isinstance(holds, OneOf) and column.types:
            holds = If(typed, holds) if "null" in types else If(NotNull(), If(typed, holds))
        checks.append(Check(column.name, rule.keyword, _expected(rule), holds, rule.line))
    return [replace(check, severity=column.severity, tolerance=column.tolerance) for check in checks]


_WORDS = {
    "minimum": ">= {}",
    "maximum": "<= {}",
    "exclusiveMinimum": "> {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "enum": "one of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "a match of {}",
    "anyOf": "one or more of {}",
    "oneOf": "exactly one of {}",
    "allOf": "all of {}",
    "not": "not {}",
}


def _expected(rule: Rule) -> str:
    return _WORDS.get(rule.keyword, "{}").format(rule.shown.strip('"') if rule.keyword == "format" else rule.shown)


def _reads(column: Property, said: frozenset[str]) -> frozenset[str]:
    """A column without `type` in a text file: text, and numbers or booleans where a rule (`said`: of the row) is."""
    reads = frozenset(column.types) if column.types else said | spoken(column.rules) | {"string"}
    return reads | {f"nan: {column.nan}"}


def spoken(rules: tuple[Rule, ...]) -> frozenset[str]:
    """The types that a cell of text has to be read as for these rules."""
    reads: set[str] = set()
    for part in within(tuple(rule.holds for rule in rules)):
        match part:
            case Type(types):
                reads |= types - {"null", "array", "object"}
            case Bound() | MultipleOf():
                reads.add("number")
            case OneOf(values):
                reads |= {"boolean" for v in values if isinstance(v, bool)}
                reads |= {"number" for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return frozenset(reads)
