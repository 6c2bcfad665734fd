"""The plain predicates as Ibis expressions that are TRUE where a value breaks them: the counterpart of `sql.leaf`."""

from __future__ import annotations

import functools
import math
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from operator import add
from typing import Any

from mlci.contract.elsewhere import regex
from mlci.contract.elsewhere.dialects import Dialect
from mlci.contract.elsewhere.formats import is_of
from mlci.contract.elsewhere.logic import Expr, Truth, every, negated, some, surely, unknown, where
from mlci.contract.elsewhere.view import Number, View
from mlci.contract.language import predicates as p
from mlci.contract.language.predicates import Predicate

_DIGITS = 38
"""Decimals of the engines have so many digits at most, except those of Postgres."""
_LONG = 2_000
"""A JVM's stack overflows when a group is repeated more often than some thousand times."""
_PLACES = 22
"""Powers of ten up to this one are exact as doubles."""


def leaf(predicate: Predicate, view: View, dialect: Dialect) -> Truth:
    """Whether the predicate fails; NULL where the engine cannot say. Raises `regex.Unsaid` for what it never can."""
    match predicate:
        case p.Never():
            return True
        case p.NotNull():
            return view.null
        case p.Type(types):
            allowed = types - {"integer"} if "number" in types else types  # every integer is a number
            return every((negated(view.null), negated(some(t for k, t in view.kinds.items() if k in allowed))))
        case p.OneOf(values):
            return negated(some(surely(hit) for hit in _hits(values, view, dialect)))
        case p.Bound(relation, limit):
            return surely(_bound(view.number, relation, limit)) if view.number else False
        case p.MultipleOf(divisor):
            return _multiple(view.number, divisor) if view.number else False
        case p.Format(name) if view.formats is not None:
            return every((negated(view.null), negated(view.formats.get(name, False))))
    return _of_text(predicate, view, dialect)


def _of_text(predicate: Predicate, view: View, dialect: Dialect) -> Truth:
    if view.wordless:
        raise regex.Unsaid(f"a rule on the text of {view.wordless}, which differs from engine to engine")
    if view.text is None:
        return False
    match predicate:
        case p.Matches(pattern):
            return where(view.text.isnull(), False, negated(found(view.text, pattern, dialect)))
        case p.Length(relation, limit):
            return surely(_compare(view.text.length(), relation, limit))
        case p.Format(name):
            return where(view.text.isnull(), False, negated(is_of(name, lambda s: found(view.text, s, dialect))))
    raise AssertionError(f"no expression for {predicate}")


def found(text: Expr, pattern: str, dialect: Dialect) -> Truth:
    """Whether a text has a match of an RE2 pattern."""
    matched = text.re_search(regex.printed(pattern, dialect.regexes))
    if dialect.regexes == "snowflake":  # `$` and `.` are about lines there
        return where(some(text.contains(end) for end in "\n\r"), unknown(), matched)
    if dialect.regexes == "java" and regex.recurses(pattern):
        return where(text.length() > _LONG, unknown(), matched)
    return matched


def literal(text: str) -> Expr:
    """A text in a query. Spark puts variables in for `${…}`, also inside of quotes, and SQLGlot writes some control
    characters as escapes that Spark does not know.
    """
    import ibis

    character = _character()
    parts = [part for part in re.split(r"([\x00-\x1f\x7f]|(?<=\$)(?={))", text) if part]
    found = [character(ord(part)) if part < " " or part == "\x7f" else ibis.literal(part) for part in parts]
    return functools.reduce(add, found) if found else ibis.literal("")


@functools.cache
def _character() -> Expr:
    """The function that makes a character of its code, which has one name everywhere."""
    import ibis

    def character(code: int) -> str:
        raise NotImplementedError

    return ibis.udf.scalar.builtin(name="chr", signature=(("int32",), "string"))(character)


def _hits(values: tuple[Any, ...], view: View, dialect: Dialect) -> list[Truth]:
    """Where the value, null as well, is equal to one of these."""
    strings = [v for v in values if isinstance(v, str) and (dialect.nul or "\0" not in v)]
    hits: list[Truth] = []
    if view.number:
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        literals = [equal for v in numbers if (equal := _equal(view.number, v)) is not None]
        hits += [view.number.sql.isin(literals)] if literals else []
    if strings and view.wordless:
        raise regex.Unsaid(f"a comparison with the text of {view.wordless}, which differs from engine to engine")
    if view.text is not None and strings:
        hits.append(view.text.isin([literal(v) for v in strings]))
    if view.boolean is not None:
        hits += [view.boolean if v else ~view.boolean for v in values if isinstance(v, bool)]
    return [*hits, view.null] if None in values else hits


def _compare(x: Expr, relation: str, y: Any) -> Expr:
    return {"<": x.__lt__, "<=": x.__le__, ">": x.__gt__, ">=": x.__ge__}[relation](y)


def _bound(number: Number, relation: str, limit: int | float) -> Truth:
    """Compare exactly, also where the limit has no counterpart in the column's type (1.5 in a column of integers)."""
    exact = _exact(limit)
    low = relation in ("<", "<=")
    if number.kind == "double":
        nearest = _double(limit)
        if math.isinf(nearest):
            return every((number.sql.notnull(), (nearest > 0) == low))
        if Fraction(nearest) > Fraction(limit):
            relation = {"<=": "<", ">": ">="}.get(relation, relation)
        elif Fraction(nearest) < Fraction(limit):
            relation = {"<": "<=", ">=": ">"}.get(relation, relation)
        return _compare(number.sql, relation, _float(nearest))
    if number.kind == "decimal" and number.scale is None:
        return _compare(number.sql, relation, _literal(number, exact))
    scale = number.scale or 0
    scaled = exact * 10**scale
    units = math.ceil(scaled) if relation in ("<", ">=") else math.floor(scaled)
    if not _fits(number, units):
        return every((number.sql.notnull(), (units > 0) == low))
    return _compare(number.sql, relation, _literal(number, Fraction(units, 10**scale)))


def _fits(number: Number, units: int) -> bool:
    if number.kind == "integer":
        return number.low <= units <= number.high
    return number.digits is None or abs(units) < 10**number.digits


def _equal(number: Number, value: int | float) -> Expr | None:
    """The value in the type of the number; None: no number of that type is equal to it."""
    if number.kind == "double":
        nearest = _double(value)
        return _float(nearest) if math.isfinite(nearest) and Fraction(nearest) == Fraction(value) else None
    exact = _exact(value)
    units = exact if number.scale is None and number.kind == "decimal" else exact * 10 ** (number.scale or 0)
    if number.kind == "decimal" and number.scale is None:
        return _literal(number, exact)
    return _literal(number, exact) if units.denominator == 1 and _fits(number, int(units)) else None


def _multiple(number: Number, divisor: int | float) -> Truth:
    """Where a number is no multiple, both as they are written."""
    exact, x = _exact(divisor), number.sql
    if number.kind == "double":
        return where(x.isnull(), False, _multiple_of_double(x, exact))
    if number.kind == "integer":
        if exact.numerator > number.high:  # a whole multiple of a fraction is one of its numerator
            return surely(x != 0)
        return surely(x % exact.numerator != 0)
    return _multiple_of_decimal(number, exact)


def _multiple_of_decimal(number: Number, divisor: Fraction) -> Truth:
    import ibis
    import ibis.expr.datatypes as dt

    x, places = number.sql, _places(divisor)
    if number.digits is None:
        return surely(x % ibis.literal(_written(divisor), dt.decimal) != 0)
    scale = number.scale or 0
    if divisor >= 10 ** (number.digits - scale):
        return surely(x != 0)
    if places is None or number.digits - scale + max(scale, places) > _DIGITS:
        return where(x.isnull(), False, unknown())
    digits = max(places, len(str(int(divisor * 10**places))))
    return surely(x % ibis.literal(_written(divisor), dt.Decimal(digits, places)) != 0)


def _multiple_of_double(x: Expr, divisor: Fraction) -> Truth:
    """A double of at most 15 digits is the decimal that it is written as, so it is a multiple of D/10^s just where
    the nearest multiple, which is exact until the one division, rounds to it. Longer ones are left to the fallback.
    """
    import ibis

    places = _places(divisor)
    if places is None:
        return unknown()
    units, tens = int(divisor * 10**places), 10**places
    if units >= 10**15:
        return where(x == 0.0, False, unknown())
    near = x.abs() * float(tens) < 1e15 - float(units)
    times = ((near.ifelse(x, 0.0) * float(tens)) / float(units) + 0.5).floor().cast("float64")
    return near.ifelse((times * float(units)) / float(tens) != x, ibis.null("boolean"))


def _exact(value: int | float) -> Fraction:
    """The number as it is written in the contract: 0.1 is a tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(Decimal(repr(value)))


def _literal(number: Number, value: Fraction) -> Expr:
    """A number of the column's type."""
    import ibis
    import ibis.expr.datatypes as dt

    if number.kind == "integer":
        return ibis.literal(int(value))
    return ibis.literal(_written(value), dt.Decimal(number.digits, number.scale))


def _written(value: Fraction) -> Decimal:
    """A fraction that has an end, as a decimal, exactly."""
    with localcontext() as exactly:
        exactly.prec = 1_000
        return Decimal(value.numerator) / Decimal(value.denominator)


def _places(value: Fraction) -> int | None:
    """The digits after the point; None: too many to reckon with."""
    return next((s for s in range(_PLACES) if (value * 10**s).denominator == 1), None)


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _float(value: float) -> Expr:
    import ibis

    return ibis.literal(value, "float64")
