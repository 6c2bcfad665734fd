"""A column as JSON sees it, whatever its physical type: when it is null, a number, a string, of which type.

Parquet columns have one type, so most answers are constants. A cell of a CSV file is text and a value of a JSON
lines file is anything; they are read by the grammar of JSON (RFC 8259): `007`, `+1`, ` 1` and `NaN` are no numbers.
What NaN and the infinities are, the contract may say otherwise (`x-nan`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mlci.contract.language.schema import Nan
from mlci.contract.query.quote import literal
from mlci.contract.query.types import element, key_and_value, members

_DIGITS = "-?(0|[1-9][0-9]*)"
_WHOLE = r"-?(0|[1-9][0-9]*)(\.0+)?"
_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38, "UHUGEINT": 38}
INTEGERS |= {"UTINYINT": 3, "USMALLINT": 5, "UINTEGER": 10, "UBIGINT": 20}
_ENDLESS = "[-+]?([nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)"
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_YEARS = "coalesce(year({}) BETWEEN 0 AND 9999, FALSE)"


@dataclass(frozen=True)
class Number:
    """SQL of a number, NULL where the value is none. Exact ones have up to `digits` digits, `scale` after the point."""

    sql: str
    digits: int | None = None
    scale: int = 0
    unsure: str | None = None
    """SQL that is TRUE where the number itself is not exactly what the file has."""
    raw: str | None = None
    """SQL of a double that may be NaN or infinite, where `sql` is NULL."""
    endless: bool = False
    """Whether it may be NaN or infinite."""
    whole: str | None = None
    """SQL of the same exactly, where a double is of a text that is a whole number."""


@dataclass(frozen=True)
class ObjectView:
    """The members of a value that is an object. `static` are all names there can be, where the type has them."""

    names: str
    member: Callable[[str], View | None]
    each: Callable[[str], View]
    static: tuple[str, ...] | None = None

    @property
    def length(self) -> str:
        """The number of members."""
        return f"len({self.names})"


@dataclass(frozen=True)
class ArrayView:
    """The elements of a value that is an array. `items` is the SQL of a list, told a variable that is free.

    `comparable`: two elements are equal to JSON just where they are to SQL.
    """

    length: str
    items: Callable[[str], str]
    item: Callable[[str], View]
    at: Callable[[int], View]
    comparable: bool


@dataclass(frozen=True)
class View:
    """The SQL of a column's answers; a missing one is `never`.

    `kinds` maps JSON types to a test that is TRUE or FALSE wherever the value is not null. `formats` is for columns of
    dates and times, which are of their format by nature; None: the text decides. `present` is None where a
    column that exists has a value, or null, in each row.
    """

    null: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    number: Number | None = None
    text: str | None = None
    boolean: str | None = None
    formats: Mapping[str, str] | None = None
    present: str | None = None
    object: ObjectView | None = None
    array: ArrayView | None = None
    sound: bool = False

    @property
    def plain(self) -> bool:
        """Whether every value that is not null is of one type, so that its SQL is NULL for null alone."""
        return list(self.kinds.values()) in (["TRUE"], ["TRUE", "TRUE"]) and self.object is None and self.array is None


def beyond(x: str) -> str:
    """SQL that is TRUE where a double is finite and so large that it may stand for several whole numbers."""
    return f"abs({x}) BETWEEN {2**53}::DOUBLE AND 1.7976931348623157e308"


def string(x: str) -> View:
    """The view of SQL text that is never null."""
    return View("FALSE", {"string": "TRUE"}, text=x, sound=True)


def value(x: str, kind: str, text: str, nan: Nan = "error") -> View:
    """The view of a JSON value that is there, however deep, of its kind and its text.

    Numbers are doubles. Whole ones of up to 38 digits, without a point, are exact; others of 2^53 and more `unsure`.
    """
    double = f"TRY_CAST({text} AS DOUBLE)"
    is_number = f"{kind} IN ('UBIGINT', 'BIGINT', 'DOUBLE')"
    finite = f" AND isfinite({double})" if nan == "null" else ""
    number = f"(CASE WHEN {is_number}{finite} THEN {double} END)"
    kinds = {
        "number": is_number if nan == "number" else f"coalesce(isfinite({number}), FALSE)",
        "integer": f"({kind} IN ('UBIGINT', 'BIGINT') OR coalesce({number} % 1 = 0, FALSE))",
        "string": f"{kind} = 'VARCHAR'",
        "boolean": f"{kind} = 'BOOLEAN'",
        "array": f"{kind} = 'ARRAY'",
        "object": f"{kind} = 'OBJECT'",
    }
    string_ = f"(CASE WHEN {kind} = 'VARCHAR' THEN {text} END)"
    boolean = f"(CASE WHEN {kind} = 'BOOLEAN' THEN {text} = 'true' END)"
    whole = f"(CASE WHEN {is_number} AND regexp_full_match({text}, '{_DIGITS}') THEN TRY_CAST({text} AS HUGEINT) END)"
    exact = Number(number, unsure=f"{beyond(number)} AND {whole} IS NULL", endless=nan == "number", whole=whole)
    null = f"({kind} = 'NULL')"
    if nan == "null":
        null = f"({kind} = 'NULL' OR ({kind} = 'DOUBLE' AND NOT coalesce(isfinite({double}), TRUE)))"
    members, elements = _json_object(x, nan), _json_array(x, nan)
    return View(null, kinds, exact, string_, boolean, object=members, array=elements, sound=True)


def _json_object(x: str, nan: Nan) -> ObjectView:
    def each(pointer: str) -> View:
        kind = f"json_type({x}, {pointer})"
        inside = value(f"json_extract({x}, {pointer})", kind, f"json_extract_string({x}, {pointer})", nan)
        return replace(inside, present=f"({kind} IS NOT NULL)")

    def member(name: str) -> View:
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        return each(literal(pointer))

    return ObjectView(f"json_keys({x})", member, lambda n: each(f"'/' || replace(replace({n}, '~', '~0'), '/', '~1')"))


def _json_array(x: str, nan: Nan) -> ArrayView:
    def items(v: str) -> str:
        parts = f"{{'j': {v}, 'k': json_type({v}), 't': {v}->>'$'}}"
        return f"list_transform(json_extract({x}, '$[*]'), lambda {v}: {parts})"

    def at(i: int) -> View:
        inner, kind, text = (f"{f}({x}, '$[{i}]')" for f in ("json_extract", "json_type", "json_extract_string"))
        return value(inner, kind, text, nan)

    return ArrayView(f"json_array_length({x})", items, lambda v: value(f"{v}.j", f"{v}.k", f"{v}.t", nan), at, False)


def typed(x: str, sql_type: str, nan: Nan = "error") -> View:
    """The view of a column of a Parquet file."""
    null = f"{x} IS NULL"
    sound = nan != "error"
    if digits := INTEGERS.get(sql_type):
        return View(null, {"integer": "TRUE", "number": "TRUE"}, Number(x, digits))
    if decimal := _DECIMAL.fullmatch(sql_type):
        kinds = {"number": "TRUE", "integer": f"{x} = trunc({x})"}
        return View(null, kinds, Number(x, int(decimal[1]), int(decimal[2])))
    if sql_type in ("FLOAT", "DOUBLE"):
        return _floating(x, nan)
    if sql_type == "BOOLEAN":
        return View(null, {"boolean": "TRUE"}, boolean=x)
    if sql_type == "JSON":
        return json(x, f"json_type({x})", f"({x}->>'$')", frozenset(), absent=False)
    if sql_type.endswith("]"):
        return View(null, {"array": "TRUE"}, array=_typed_array(x, element(sql_type), nan), sound=sound)
    if sql_type.startswith(("STRUCT", "MAP")):
        return View(null, {"object": "TRUE"}, object=_typed_object(x, sql_type, nan), sound=sound)
    return _stringlike(x, sql_type)


def _floating(x: str, nan: Nan) -> View:
    kinds = {"number": f"isfinite({x})", "integer": f"(isfinite({x}) AND {x} = floor({x}))"}
    if nan == "number":
        return View(f"{x} IS NULL", {**kinds, "number": "TRUE"}, Number(f"{x}::DOUBLE", endless=True))
    null = f"({x} IS NULL OR NOT isfinite({x}))" if nan == "null" else f"{x} IS NULL"
    return View(null, kinds, Number(f"CASE WHEN isfinite({x}) THEN {x}::DOUBLE END", raw=f"{x}::DOUBLE"))


def _typed_array(x: str, inner: str, nan: Nan) -> ArrayView:
    opaque = ("JSON", "MAP", "FLOAT", "DOUBLE")
    comparable = not any(word in inner for word in opaque) or (inner in ("FLOAT", "DOUBLE") and nan == "error")
    length, at = f"len({x})", lambda i: typed(f"({x})[{i + 1}]", inner, nan)
    return ArrayView(length, lambda _: x, lambda v: typed(v, inner, nan), at, comparable)


def _typed_object(x: str, sql_type: str, nan: Nan) -> ObjectView | None:
    if sql_type.startswith("STRUCT"):
        types = members(sql_type)
        views = {n: typed(f"struct_extract({x}, {literal(n)})", inner, nan) for n, inner in types.items()}
        names = f"[{', '.join(map(literal, types))}]"
        return ObjectView(names, views.get, lambda _: View("TRUE"), tuple(types))
    key, inner = key_and_value(sql_type)
    if key != "VARCHAR":
        return None

    def each(name: str) -> View:
        return replace(typed(f"map_extract_value({x}, {name})", inner, nan), present=f"map_contains({x}, {name})")

    return ObjectView(f"map_keys({x})", lambda name: each(literal(name)), each)


def _stringlike(x: str, sql_type: str) -> View:
    null, kinds = f"{x} IS NULL", {"string": "TRUE"}
    if sql_type == "VARCHAR":
        return View(null, kinds, text=x)
    if sql_type == "UUID" or sql_type.startswith(("ENUM", "TIME ", "TIME_")) or sql_type == "TIME":
        return View(null, kinds, text=f"{x}::VARCHAR")
    if sql_type == "DATE":
        return View(null, kinds, text=f"{x}::VARCHAR", formats={"date": _YEARS.format(x)})
    if sql_type.startswith("TIMESTAMP"):
        text = f"replace({x}::VARCHAR, ' ', 'T')"
        return View(null, kinds, text=text, formats={"date-time": _YEARS.format(f"{x}::TIMESTAMP")})
    return View(null)


def cell(x: str, reads: frozenset[str]) -> View:
    """The view of a column of a CSV file: a cell is what the first of number, boolean, string makes of it.

    An empty cell is null, `""` an empty string. Where `reads` has `integer` and no `number`, whole numbers are exact,
    and those of more than 38 digits are refused as of the wrong type; other numbers are compared as doubles.
    """
    kinds: dict[str, str] = {}
    if "nan: null" in reads and reads & {"integer", "number"}:
        x = f"(CASE WHEN NOT regexp_full_match({x}, '{_ENDLESS}') THEN {x} END)"
    number = _number(x, reads) if reads & {"integer", "number"} else None
    boolean = f"CASE lower({x}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END" if "boolean" in reads else None
    text = x if "string" in reads else None
    if number:
        kinds |= _number_kinds(number)
    if boolean:
        kinds["boolean"] = f"({boolean}) IS NOT NULL"
    if text:
        taken = [f"NOT {kinds[k]}" for k in ("number", "boolean") if k in kinds]
        kinds["string"] = "TRUE"
        text = f"CASE WHEN {' AND '.join(taken)} THEN {x} END" if taken else x
    return View(f"{x} IS NULL", kinds, number, text, boolean)


def json(x: str, kind: str, text: str, reads: frozenset[str], *, absent: bool = True) -> View:
    """The view of a JSON value, of its kind (as `json_type` has it) and of its text (without quotes).

    With `absent`, SQL NULL is a value that is not there, which is not null.
    """
    if "nan: null" in reads:
        kind = f"(CASE WHEN {kind} = 'DOUBLE' AND NOT isfinite({text}::DOUBLE) THEN 'NULL' ELSE {kind} END)"
    number = _number(f"(CASE WHEN {kind} IN ('UBIGINT', 'BIGINT', 'DOUBLE') THEN {text} END)", reads)
    kinds = {
        **_number_kinds(number),
        "string": f"{kind} = 'VARCHAR'",
        "boolean": f"{kind} = 'BOOLEAN'",
        "array": f"{kind} = 'ARRAY'",
        "object": f"{kind} = 'OBJECT'",
    }
    string = f"CASE WHEN {kind} = 'VARCHAR' THEN {text} END"
    boolean = f"CASE WHEN {kind} = 'BOOLEAN' THEN {text} = 'true' END"
    null = f"({kind} = 'NULL')" if absent else f"coalesce({kind} = 'NULL', TRUE)"
    present = f"{x} IS NOT NULL" if absent else None
    nan: Nan = "null" if "nan: null" in reads else "number" if "nan: number" in reads else "error"
    inside = View(null, kinds, number, string, boolean, sound=True, present=present)
    return replace(inside, object=_json_object(x, nan), array=_json_array(x, nan))


def _number_kinds(number: Number) -> dict[str, str]:
    sql = number.sql
    finite = f"isfinite({sql}) AND " if number.endless else ""
    whole = f"({sql}) IS NOT NULL" if number.digits else f"coalesce({finite}{sql} = floor({sql}), FALSE)"
    return {"number": f"({sql}) IS NOT NULL", "integer": whole}


def _number(text: str, reads: frozenset[str]) -> Number:
    """A number from its text: exact when only integers are read, else a double."""
    double = f"TRY_CAST({text} AS DOUBLE)"
    finite = f"regexp_full_match({text}, '{_NUMBER}') AND isfinite({double})"
    exact = f"(CASE WHEN regexp_full_match({text}, '{_DIGITS}') THEN TRY_CAST({text} AS HUGEINT) END)"
    if ("number" in reads or "integer" not in reads) and "nan: number" in reads:
        finite = f"({finite}) OR regexp_full_match({text}, '{_ENDLESS}')"
        return Number(f"(CASE WHEN {finite} THEN {double} END)", endless=True, whole=exact)
    if "number" in reads or "integer" not in reads:
        return Number(f"(CASE WHEN {finite} THEN {double} END)", whole=exact)
    plain = f"regexp_full_match({text}, '{_WHOLE}') THEN TRY_CAST(split_part({text}, '.', 1) AS HUGEINT)"
    scientific = f"{finite} AND {double} = floor({double}) AND contains(lower({text}), 'e')"
    return Number(f"(CASE WHEN {plain} WHEN {scientific} THEN TRY_CAST({double} AS HUGEINT) END)", 38)
