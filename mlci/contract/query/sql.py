"""The printer for DuckDB: each predicate as SQL that is TRUE where a value breaks it, and FALSE or NULL elsewhere.

A predicate that a column's type can never break prints as None, so it costs nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from mlci.contract.language.formats import holds, is_sure
from mlci.contract.language.pattern import UNSETTLED, as_glob, speaks_of_categories
from mlci.contract.language.predicates import (
    Bound,
    Format,
    If,
    Length,
    Matches,
    MultipleOf,
    Never,
    NotNull,
    OneOf,
    Predicate,
    Present,
    Type,
)
from mlci.contract.query.quote import literal
from mlci.contract.query.view import Number, View

_EXACT = 2**53
"""Whole numbers up to here are exact as doubles."""
_PLACES = 15
"""Digits after the point in which multiples of a decimal are counted."""


def certain(predicate: Predicate) -> bool:
    """Whether `fails` says all of a predicate, wherever it stands alone on a column."""
    match predicate:
        case If(when, then, None):
            return certain(when) and certain(then)
        case MultipleOf(divisor):
            return isinstance(divisor, int) and divisor <= _EXACT
        case Format(format_name):
            return is_sure(format_name)
        case Matches(pattern):
            return not speaks_of_categories(pattern)
    return isinstance(predicate, Present | NotNull | Type | Bound | OneOf | Length | Never)


def fails(predicate: Predicate, view: View) -> str | None:
    """SQL that is TRUE where the predicate fails; None: nowhere."""
    if isinstance(predicate, Present):
        return view.present and f"(NOT ({view.present}))"
    sql = leaf(predicate, view)
    return f"{view.present} AND {sql}" if sql and view.present else sql


def leaf(predicate: Predicate, view: View) -> str | None:
    """The same of a value that is there, for a predicate with no tree below it."""
    match predicate:
        case Never():
            return "TRUE"
        case NotNull():
            return f"({view.null})"
        case Type(types):
            return _type(types, view)
        case OneOf(values):
            return _one_of(values, view)
        case If(when, then, None):
            outside, broken = leaf(when, view), leaf(then, view)
            return broken and (f"(NOT coalesce({outside}, FALSE) AND {broken})" if outside else broken)
        case Bound(relation, limit):
            return _bound(view.number, relation, limit) if view.number else None
        case MultipleOf(divisor):
            return _multiple(view.number, divisor) if view.number else None
    return view.text and _string(predicate, view.text, view)


def _string(predicate: Predicate, text: str, view: View) -> str | None:
    match predicate:
        case Matches(pattern):
            there = f"{text} IS NOT NULL AND " if speaks_of_categories(pattern) else ""
            return f"({there}NOT {matches(pattern, text)})"
        case Length(relation, limit):
            return _length(text, relation, limit)
        case Format(format_name):
            if view.formats is not None:
                return f"(NOT ({view.null}) AND NOT {view.formats.get(format_name, 'FALSE')})"
            return f"({text} IS NOT NULL AND NOT {holds(format_name, text)})"
    raise AssertionError(f"no SQL for {predicate}")


def matches(pattern: str, text: str) -> str:
    """Whether a text contains a match of an RE2 pattern; a glob where one says the same, which is faster.

    NULL where the pattern speaks of Unicode's categories, and the text has characters that the engine may not know.
    """
    if speaks_of_categories(pattern):
        unknown = f"regexp_matches({text}, {literal(UNSETTLED)})"
        return f"(CASE WHEN NOT {unknown} THEN regexp_matches({text}, {literal(pattern)}) END)"
    glob = as_glob(pattern)
    return f"regexp_matches({text}, {literal(pattern)})" if glob is None else f"({text} GLOB {literal(glob)})"


def _length(text: str, relation: str, limit: int) -> str:
    """Characters are counted only in texts whose number of bytes, which is known, leaves it open."""
    if relation == "<":
        return f"(strlen({text}) < {limit})" if limit <= 1 else f"(length({text}) < {limit})"
    return f"(strlen({text}) > {limit} AND length({text}) > {limit})"


def _type(types: frozenset[str], view: View) -> str | None:
    allowed = types - {"integer"} if "number" in types else types  # every integer is a number
    tests = [test for kind, test in view.kinds.items() if kind in allowed]
    if "TRUE" in tests:
        return None
    return f"(NOT ({view.null}) AND NOT ({' OR '.join(tests)}))" if tests else f"(NOT ({view.null}))"


def _one_of(values: tuple[object, ...], view: View) -> str:
    """Where the value, null as well, is equal to none of them."""
    hits = []
    if view.number:
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        literals = [sql for v in numbers if (sql := _equal_literal(view.number, v))]
        hits += [f"{view.number.sql} IN ({', '.join(literals)})"] if literals else []
        hits += _large_hits(view.number, numbers)
    if view.text:
        strings = [literal(v) for v in values if isinstance(v, str)]
        hits += [f"{view.text} IN ({', '.join(strings)})"] if strings else []
    if view.boolean:
        booleans = [str(v).upper() for v in values if isinstance(v, bool)]
        hits += [f"({view.boolean}) IN ({', '.join(booleans)})"] if booleans else []
    if view.plain and len(hits) == 1:  # NULL where the value is null, and nowhere else
        return f"(NOT {hits[0]})" if None in values else f"({view.null} OR NOT {hits[0]})"
    hits += [view.null] if None in values else []
    return f"(NOT ({' OR '.join(f'coalesce({hit}, FALSE)' for hit in hits)}))" if hits else "TRUE"


def _large_hits(number: Number, values: list[int | float]) -> list[str]:
    """Where a number read from text is equal to a value that stands among several of one double."""
    large = [v for v in values if number.whole and number.digits is None and abs(v) >= _EXACT]
    hits = [f"coalesce({number.whole} = {int(v)}, FALSE)" for v in large if v == int(v) and abs(int(v)) < 10**38]
    return hits + [
        f"({number.whole} IS NULL AND {number.sql} = {_double_literal(float(v))})"
        for v in large
        if math.isfinite(_double(v)) and Fraction(_double(v)) == Fraction(v)
    ]


def _bound(number: Number, relation: str, limit: int | float) -> str | None:
    """Compare exactly, also where the limit has no counterpart in the column's type (1.5 in a column of integers)."""
    if number.whole and abs(limit) >= _EXACT:
        rough = _bound(replace(number, whole=None), relation, limit) or "FALSE"
        sure = _bound(Number(number.whole, 38), relation, limit) or "FALSE"
        return f"(CASE WHEN {number.whole} IS NOT NULL THEN {sure} ELSE {rough} END)"
    if number.endless:
        return f"(isnan({number.sql}) OR {_bound_endless(number.sql, relation, limit)})"
    if number.digits is None:
        return _bound_double(number, relation, limit)
    scaled = _exact(limit) * 10**number.scale
    units = math.ceil(scaled) if relation in ("<", ">=") else math.floor(scaled)
    if abs(units) >= 10**number.digits:
        always = (units > 0) == (relation in ("<", "<="))
        return f"({number.sql} IS NOT NULL)" if always else None
    return f"({number.sql} {relation} {_units(number, units)})"


def _bound_double(number: Number, relation: str, limit: int | float) -> str | None:
    """Compare doubles with a limit that may have no double of its own: then its neighbour decides."""
    nearest = _double(limit)
    if math.isinf(nearest):
        always = (nearest > 0) == (relation in ("<", "<="))
        return f"({number.sql} IS NOT NULL)" if always else None
    if Fraction(nearest) > Fraction(limit):
        relation = {"<=": "<", ">": ">="}.get(relation, relation)
    elif Fraction(nearest) < Fraction(limit):
        relation = {"<": "<=", ">=": ">"}.get(relation, relation)
    outside = f"{number.raw or number.sql} {relation} {_double_literal(nearest)}"
    return f"({outside} AND isfinite({number.raw}))" if number.raw else f"({outside})"


def _bound_endless(sql: str, relation: str, limit: int | float) -> str:
    """The same where the number may be infinite, and so beyond a limit that is beyond all doubles."""
    nearest = _double(limit)
    if not math.isinf(nearest):
        return _bound_double(Number(sql), relation, limit) or "FALSE"
    below = relation in ("<", "<=")
    relation = ("<" if below else ">=") if nearest > 0 else ("<=" if below else ">")
    return f"({sql} {relation} {_double_literal(nearest)})"


def _equal_literal(number: Number, value: int | float) -> str | None:
    """The value in the type of the number; None: no number of that type is equal to it."""
    if number.digits is None and number.whole and abs(value) >= _EXACT:
        return None  # a double stands for several whole numbers there
    if number.digits is None:
        nearest = _double(value)
        return _double_literal(nearest) if math.isfinite(nearest) and Fraction(nearest) == Fraction(value) else None
    scaled = _exact(value) * 10**number.scale
    fits = scaled.denominator == 1 and abs(scaled) < 10**number.digits
    return _units(number, int(scaled)) if fits else None


def _multiple(number: Number, divisor: int | float) -> str:
    if number.endless:
        finite = replace(number, sql=f"(CASE WHEN isfinite({number.sql}) THEN {number.sql} END)", endless=False)
        return f"CASE WHEN NOT isfinite({number.sql}) THEN TRUE ELSE {_multiple(finite, divisor)} END"
    x = number.sql
    if number.whole:
        rough = _multiple(replace(number, whole=None), divisor)
        exact = _multiple(Number(number.whole, 38), divisor)
        large = f"abs({x}) >= {_EXACT}::DOUBLE AND {number.whole} IS NOT NULL"
        return f"CASE WHEN {large} THEN {exact} ELSE {rough} END"
    if isinstance(divisor, float):
        return _multiple_of_decimal(number, divisor)
    if number.digits is None and divisor > _EXACT:
        return f"CASE WHEN {x} IS NULL OR {x} = 0 THEN FALSE END"
    if number.digits is None:
        return f"({x} % {_double_literal(float(divisor))} <> 0)"
    if number.scale:
        return f"({x} <> trunc({x}) OR trunc({x})::HUGEINT % {divisor} <> 0)"
    return f"({x} % {divisor} <> 0)"


def _multiple_of_decimal(number: Number, divisor: float) -> str:
    """NULL where the number has no exact counterpart among decimals of 38 digits. Doubles are as they are written."""
    written = Decimal(repr(divisor))
    if -int(written.as_tuple().exponent) > _PLACES:
        return f"CASE WHEN {number.sql} IS NULL THEN FALSE END"
    x, kind = number.sql, f"DECIMAL(38, {_PLACES})"
    decimal = f"TRY_CAST({x}::VARCHAR AS {kind})"
    exact = f"{decimal}::VARCHAR::DOUBLE = {x}" if number.digits is None else f"{decimal} IS NOT NULL"
    if number.scale > _PLACES:
        exact = f"{decimal} = {x}"
    return f"CASE WHEN {x} IS NULL THEN FALSE WHEN {exact} THEN {decimal} % {written:f}::{kind} <> 0 END"


def _exact(value: int | float) -> Fraction:
    """The number as it is written in the contract: 0.1 is a tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(Decimal(repr(value)))


def _units(number: Number, units: int) -> str:
    """A whole number of units of the last digit that the type keeps."""
    if not number.scale:
        return f"({units})"
    digits = str(abs(units)).zfill(number.scale + 1)
    written = f"{'-' * (units < 0)}{digits[: -number.scale]}.{digits[-number.scale :]}"
    return f"CAST('{written}' AS DECIMAL({number.digits}, {number.scale}))"


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _double_literal(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"
