"""A column as JSON sees it, by its Ibis type: the counterpart of `mlci.contract.query.view`.

NaN and the infinities are no numbers, so `number` is NULL there; whether a float is null is asked by a comparison,
since Ibis takes NaN for null on Spark.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlci.contract.elsewhere.dialects import Dialect
from mlci.contract.elsewhere.logic import Expr, Truth

EXACT = 2**53
"""Whole numbers up to here are exact as doubles."""


@dataclass(frozen=True)
class Number:
    """A number, NULL where the value is none. `low` and `high` bound whole ones; decimals have `scale` digits after
    the point, of `digits` (None: as many as it takes). Otherwise it is a double.
    """

    sql: Expr
    kind: str
    low: int = 0
    high: int = 0
    digits: int | None = None
    scale: int | None = None


@dataclass(frozen=True)
class ArrayView:
    """The elements of an array, and the view of one."""

    sql: Expr
    item: Callable[[Expr], View]


@dataclass(frozen=True)
class View:
    """The answers of a column; a missing one is `never`.

    `kinds` are TRUE or FALSE wherever the value is not null. `formats` is for dates and times, which are of their
    format by nature. `opaque` values are left to the fallback, whatever is asked of them. `wordless` ones have a
    text that differs from engine to engine.
    """

    null: Truth
    kinds: Mapping[str, Truth] = field(default_factory=dict)
    number: Number | None = None
    text: Expr | None = None
    boolean: Expr | None = None
    formats: Mapping[str, Truth] | None = None
    object: Mapping[str, View] | None = None
    array: ArrayView | None = None
    opaque: bool = False
    wordless: str = ""


NULL = View(True)
"""A value that is null."""


def view(x: Expr, dialect: Dialect) -> View:
    """The view of a column, or of a part of one."""
    kind = x.type()
    if kind.is_boolean():
        return View(x.isnull(), {"boolean": True}, boolean=x)
    if kind.is_integer():
        return View(x.isnull(), {"integer": True, "number": True}, Number(x, "integer", *_bounds(kind)))
    if kind.is_floating():
        return _double(x)
    if kind.is_decimal():
        return _decimal(x, kind, dialect)
    if kind.is_string():
        return View(x.isnull(), {"string": True}, text=x)
    if kind.is_uuid():
        return View(x.isnull(), {"string": True}, text=x.cast("string"))
    if kind.is_date() or kind.is_timestamp() or kind.is_time():
        return _temporal(x, kind)
    if kind.is_struct():
        members = {name: view(x[name], dialect) for name in kind.names}
        return View(x.isnull(), {"object": True}, object=members)
    if kind.is_array():
        return View(x.isnull(), {"array": True}, array=ArrayView(x, lambda item: view(item, dialect)))
    return View(x.isnull(), opaque=kind.is_json() or kind.is_map())


def text(x: Expr) -> View:
    """The view of text that is never null."""
    return View(False, {"string": True}, text=x)


def _bounds(kind: Any) -> tuple[int, int]:
    return int(kind.bounds.lower), int(kind.bounds.upper)


def _double(x: Expr) -> View:
    import ibis

    wide = x.cast("float64")
    finite = wide.abs() <= ibis.literal(sys.float_info.max, "float64")  # the infinities and NaN are greater
    number = finite.ifelse(wide, ibis.null("float64"))
    kinds = {"number": finite, "integer": (finite & whole(wide))}
    return View((wide >= 0.0).isnull(), kinds, Number(number, "double"))


def whole(x: Expr) -> Expr:
    """Whether a finite double is a whole number. Those beyond 2^53 are, and no type of integers has room for them."""
    return (x.abs() < float(EXACT)).ifelse(x == x.floor().cast("float64"), True)


def _decimal(x: Expr, kind: Any, dialect: Dialect) -> View:
    import ibis

    finite: Truth = True
    if dialect.name == "postgres":  # `numeric` has NaN and, without a precision, the infinities
        finite = ~x.cast("string").isin(["NaN", "Infinity", "-Infinity"])
    number = x if finite is True else finite.ifelse(x, ibis.null(kind))
    integer = True if kind.scale == 0 else (number % 1) == 0
    kinds = {"number": finite, "integer": integer if finite is True else integer & finite}
    return View(x.isnull(), kinds, Number(number, "decimal", digits=kind.precision, scale=kind.scale))


def _temporal(x: Expr, kind: Any) -> View:
    import ibis

    if kind.is_time():
        return View(x.isnull(), {"string": True}, formats={}, wordless="a time of day")
    ends = ("0001-01-01", "9999-12-31") if kind.is_date() else ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999")
    low, high = (ibis.literal(end, type=kind) for end in ends)
    of_years = ((x >= low) & (x <= high)).fill_null(False)
    if kind.is_date():
        return View(x.isnull(), {"string": True}, text=x.strftime("%Y-%m-%d"), formats={"date": of_years})
    return View(x.isnull(), {"string": True}, formats={"date-time": of_years}, wordless="a timestamp")
