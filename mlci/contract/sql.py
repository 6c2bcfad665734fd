"""The printer for DuckDB: each predicate as SQL that is TRUE where a value breaks it, and FALSE or NULL elsewhere.

A predicate that a column's type can never break prints as None, so it costs nothing. All names and values of
the contract and of the data are quoted here, and only here.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from mlci.contract.plan import Bound, Format, If, Length, Matches, MultipleOf, NotNull, OneOf, Predicate, Present, Type
from mlci.contract.view import Number, View

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_INSTANT = rf"{_DAY}[Tt]{_CLOCK}:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]{_CLOCK})"


def name(text: str) -> str:
    """An SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def fails(predicate: Predicate, view: View) -> str | None:
    """SQL that is TRUE where the predicate fails; None: nowhere."""
    if isinstance(predicate, Present):
        return view.present and f"(NOT ({view.present}))"
    sql = _fails(predicate, view)
    return f"{view.present} AND {sql}" if sql and view.present else sql


def _fails(predicate: Predicate, view: View) -> str | None:
    match predicate:
        case NotNull():
            return f"({view.null})"
        case Type(types):
            return _type(types, view)
        case OneOf(values):
            return _one_of(values, view)
        case If(when, then):
            outside, broken = _fails(when, view), _fails(then, view)
            return broken and (f"(NOT coalesce({outside}, FALSE) AND {broken})" if outside else broken)
        case Bound(relation, limit):
            return _bound(view.number, relation, limit) if view.number else None
        case MultipleOf(divisor):
            return _multiple(view.number, divisor) if view.number else None
    return view.text and _string(predicate, view.text, view)


def _string(predicate: Predicate, text: str, view: View) -> str | None:
    match predicate:
        case Matches(pattern):
            return f"(NOT regexp_matches({text}, {literal(pattern)}))"
        case Length(relation, limit):
            return f"(length({text}) {relation} {limit})"
        case Format(format_name):
            if view.formats is not None:
                return f"(NOT ({view.null}) AND NOT {view.formats.get(format_name, 'FALSE')})"
            return f"({text} IS NOT NULL AND NOT {_FORMATS[format_name](text)})"
    raise AssertionError(f"no SQL for {predicate}")


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
    if view.text:
        strings = [literal(v) for v in values if isinstance(v, str)]
        hits += [f"{view.text} IN ({', '.join(strings)})"] if strings else []
    if view.boolean:
        booleans = [str(v).upper() for v in values if isinstance(v, bool)]
        hits += [f"({view.boolean}) IN ({', '.join(booleans)})"] if booleans else []
    hits += [view.null] if None in values else []
    return f"(NOT ({' OR '.join(f'coalesce({hit}, FALSE)' for hit in hits)}))" if hits else "TRUE"


def _bound(number: Number, relation: str, limit: int | float) -> str | None:
    """Compare exactly, also where the limit has no counterpart in the column's type (1.5 in a column of integers)."""
    if number.digits is None:
        return _bound_double(number.sql, relation, limit)
    scaled = _exact(limit) * 10**number.scale
    units = math.ceil(scaled) if relation in ("<", ">=") else math.floor(scaled)
    if abs(units) >= 10**number.digits:
        always = (units > 0) == (relation in ("<", "<="))
        return f"({number.sql} IS NOT NULL)" if always else None
    return f"({number.sql} {relation} {_units(number, units)})"


def _bound_double(sql: str, relation: str, limit: int | float) -> str | None:
    """Compare doubles with a limit that may have no double of its own: then its neighbour decides."""
    nearest = _double(limit)
    if math.isinf(nearest):
        always = (nearest > 0) == (relation in ("<", "<="))
        return f"({sql} IS NOT NULL)" if always else None
    if Fraction(nearest) > Fraction(limit):
        relation = {"<=": "<", ">": ">="}.get(relation, relation)
    elif Fraction(nearest) < Fraction(limit):
        relation = {"<": "<=", ">=": ">"}.get(relation, relation)
    return f"({sql} {relation} {_double_literal(nearest)})"


def _equal_literal(number: Number, value: int | float) -> str | None:
    """The value in the type of the number; None: no number of that type is equal to it."""
    if number.digits is None:
        nearest = _double(value)
        return _double_literal(nearest) if math.isfinite(nearest) and Fraction(nearest) == Fraction(value) else None
    scaled = _exact(value) * 10**number.scale
    fits = scaled.denominator == 1 and abs(scaled) < 10**number.digits
    return _units(number, int(scaled)) if fits else None


def _multiple(number: Number, divisor: int) -> str:
    x = number.sql
    if number.digits is None:
        return f"({x} % {_double_literal(float(divisor))} <> 0)"
    if number.scale:
        return f"({x} <> trunc({x}) OR trunc({x})::HUGEINT % {divisor} <> 0)"
    return f"({x} % {divisor} <> 0)"


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
        return math.copysign(math.inf, value)


def _double_literal(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


def _day(text: str) -> str:
    """RFC 3339 `full-date`, a day of the calendar."""
    return f"(regexp_full_match({text}, '{_DAY}') AND TRY_CAST({text} AS DATE) IS NOT NULL)"


def _instant(text: str) -> str:
    """RFC 3339 `date-time`; a second 60 only where the minute is 23:59 in UTC (section 5.7)."""
    offset = f"(TRY_CAST(left(right({text}, 5), 2) AS INT) * 60 + TRY_CAST(right({text}, 2) AS INT))"
    sign = f"CASE left(right({text}, 6), 1) WHEN '-' THEN 1 ELSE -1 END"
    to_utc = f"CASE WHEN right({text}, 1) IN ('Z', 'z') THEN 0 ELSE {sign} * {offset} END"
    minute = f"TRY_CAST(substr({text}, 12, 2) AS INT) * 60 + TRY_CAST(substr({text}, 15, 2) AS INT) + {to_utc}"
    leap = f"(substr({text}, 18, 2) <> '60' OR ({minute} + 1440) % 1440 = 1439)"
    return f"(regexp_full_match({text}, '{_INSTANT}') AND TRY_CAST(left({text}, 10) AS DATE) IS NOT NULL AND {leap})"


_FORMATS = {"date": _day, "date-time": _instant}
