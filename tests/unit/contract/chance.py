"""Schemas and values by chance, from a seed: the same ones each time, and many at once for one query."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any

NAMES = ["a", "b", "", "a/b", "~1", "0", "it's", "é"]
WHOLE = [0, 1, -1, 2, 3, 4, -3, 10]
EDGES = [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**70]
FRACTIONS = [0.0, -0.0, 1.0, 0.1, 0.07, 1.5, 4.35, -0.25, 1e-8, 1e300, 5e-324, 2.0**53 + 2, 1e16, 0.30000000000000004]
TEXTS = ["", "a", "ab", "é", "b\n", "1", '"', "null", "it's", "\N{GRINNING FACE}x", "2013-02-28", "2013-02-30", "[1]"]
TEXTS += ["x@y.de", "x@", '"a b"@c.de', "10.0.0.1", "256.0.0.1", "::1", "1::2::3", "a.example", "-a.b", "P1D", "P1"]
TEXTS += ["https://a.example/b?c#d", "a b", "a/b", "/a~1b", "~", "12:00:00Z", "23:59:60Z", "24:00:00Z", "ä@ö.example"]
TEXTS += [
    "2013-01-01T00:00:00Z",
    "2013-01-01 00:00:00Z",
    "2016-12-31T15:59:60-08:00",
    "123e4567-e89b-12d3-a456-426614174000",
]
FORMATS = ["date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "uri", "uri-reference", "duration"]
FORMATS += ["json-pointer", "idn-email", "regex", "iri"]
PATTERNS = ["^a", "b$", "^.$", r"\d", "é", "^$", "/", r"^[a-z]+$", "(a|b)+", r"\s", "^.{2,3}$", r"\bb"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
LIMITS = [*WHOLE, *FRACTIONS, *EDGES, -(2**200), 2**200]
DIVISORS = [1, 2, 3, 0.1, 0.01, 0.5, 1e-8, 2.0, 7, 0.07]


def chosen(rng: random.Random, values: list[Any], most: int, least: int = 0) -> list[Any]:
    """Some of them, none twice."""
    return rng.sample(values, rng.randint(least, min(most, len(values))))


def scalar(rng: random.Random) -> Any:
    """A value without parts."""
    pool = rng.choice([[None, True, False], WHOLE, WHOLE, FRACTIONS, EDGES, TEXTS, TEXTS, TEXTS])
    return rng.choice(pool)


def value(rng: random.Random, deep: int = 2) -> Any:
    """A JSON value."""
    kind = rng.random() if deep else 1
    if kind < 0.25:
        return [value(rng, deep - 1) for _ in range(rng.randint(0, 3))]
    if kind < 0.5:
        return {name: value(rng, deep - 1) for name in chosen(rng, NAMES, 3)}
    return scalar(rng)


Make = Callable[[random.Random, int], Any]


def _one(rng: random.Random, deep: int) -> Any:
    return schema(rng, deep)


def _some(rng: random.Random, deep: int) -> list[Any]:
    return [schema(rng, deep) for _ in range(rng.randint(1, 3))]


def _by_name(rng: random.Random, deep: int) -> dict[str, Any]:
    return {name: schema(rng, deep) for name in chosen(rng, NAMES, 3)}


def _types(rng: random.Random, _: int) -> Any:
    return rng.choice(TYPES) if rng.random() < 0.4 else chosen(rng, TYPES, 4, 1)


def _of(values: list[Any]) -> Make:
    return lambda rng, _: rng.choice(values)


COUNT: Make = lambda rng, _: rng.randint(0, 3)  # noqa: E731
PLAIN: dict[str, Make] = {
    "type": _types,
    "enum": lambda rng, _: [value(rng, 1) for _ in range(rng.randint(1, 4))],
    "const": lambda rng, _: value(rng, 1),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _of(LIMITS)),
    "multipleOf": _of(DIVISORS),
    **dict.fromkeys(("minLength", "maxLength"), COUNT),
    "pattern": _of(PATTERNS),
    "format": _of(FORMATS),
}
TREES: dict[str, Make] = {
    "required": lambda rng, _: chosen(rng, NAMES, 2),
    "properties": _by_name,
    "patternProperties": lambda rng, deep: {p: schema(rng, deep) for p in chosen(rng, PATTERNS, 2)},
    **dict.fromkeys(("additionalProperties", "propertyNames", "items", "contains", "not"), _one),
    "dependentRequired": lambda rng, _: {name: chosen(rng, NAMES, 2) for name in chosen(rng, NAMES, 2)},
    "dependentSchemas": _by_name,
    **dict.fromkeys(("minProperties", "maxProperties", "minItems", "maxItems", "minContains", "maxContains"), COUNT),
    "prefixItems": _some,
    "uniqueItems": lambda rng, _: rng.random() < 0.8,
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _some),
    **dict.fromkeys(("if", "then", "else"), _one),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), _one),
    "$ref": _of(["#/$defs/d", "#/$defs/e"]),
}
WITH = {"minContains": "contains", "maxContains": "contains", "then": "if", "else": "if"}


def schema(rng: random.Random, deep: int = 2) -> Any:
    """A schema of all keywords, so deep."""
    if rng.random() < 0.06:
        return rng.random() < 0.6
    makers = PLAIN if not deep or rng.random() < 0.4 else {**PLAIN, **TREES}
    names = chosen(rng, sorted(makers), 3, 1)
    names += [WITH[name] for name in names if name in WITH and WITH[name] not in names]
    return {name: makers[name](rng, deep - 1) for name in names}


def without(found: Any, *names: str) -> Any:
    """The schema without these keywords, however deep."""
    if isinstance(found, list):
        return [without(item, *names) for item in found]
    if isinstance(found, dict):
        return {name: without(below, *names) for name, below in found.items() if name not in names}
    return found


def definitions(rng: random.Random) -> dict[str, Any]:
    """What the references of `schema` lead to; `e` leads on to `d`."""
    return {
        "d": without(schema(rng, 1), "$ref"),
        "e": {"allOf": [{"$ref": "#/$defs/d"}, without(schema(rng, 1), "$ref")]},
    }


WORDS = [text for text in TEXTS if "\0" not in text]
POOLS: dict[str, list[Any]] = {
    "TINYINT": [-128, 127, *WHOLE],
    "SMALLINT": [-(2**15), *WHOLE],
    "INTEGER": [2**31 - 1, *WHOLE],
    "BIGINT": [2**53 + 1, 2**63 - 1, -(2**63), *WHOLE],
    "HUGEINT": [2**53 + 1, 2**64, -(2**100), *WHOLE],
    "UTINYINT": [0, 255, 3],
    "USMALLINT": [0, 65535, 4],
    "UINTEGER": [0, 2**32 - 1, 10],
    "UBIGINT": [0, 2**53 + 1, 2**64 - 1, 3],
    "DOUBLE": [*FRACTIONS, *map(float, WHOLE), 2.0**53, 2.0**63, 2.0**200, math.nan, math.inf, -math.inf],
    "FLOAT": [0.0, -0.0, 0.1, 1.5, 0.07, 2.0**24, 1e-45, 3.0, math.nan, math.inf],
    "DECIMAL(6,2)": [Decimal(n).scaleb(-2) for n in (0, 7, 100, 150, -25, 435, 999999, 10, 400)],
    "DECIMAL(38,10)": [Decimal("0.0000000001"), Decimal("1234567890123456789012345678.5"), Decimal("0.1"), Decimal(3)],
    "DECIMAL(18,0)": [Decimal(0), Decimal(2**53 + 1), Decimal(3)],
    "BOOLEAN": [True, False],
    "VARCHAR": WORDS,
    "DATE": [date(2013, 2, 28), date(1, 1, 1), date(9999, 12, 31)],
    "TIME": [time(12, 0), time(23, 59, 59, 500000)],
    "UUID": [uuid.UUID("123e4567-e89b-12d3-a456-426614174000")],
    "ENUM('a', 'ab', 'x@y.de')": ["a", "ab", "x@y.de"],
    "BIGINT[]": [[], [1], [1, 1], [1, None, 2], [None, None], [2**53, 2**53 + 1], [0, 3, 4]],
    "DOUBLE[]": [[], [0.1, 0.07], [0.0, -0.0], [1.0, math.nan], [None], [1e300, 1.5, 4.35]],
    "VARCHAR[][]": [[], [["a"], ["ab", "x@y.de"]], [None, []], [["é", None]], [["a"], ["a"]]],
    'STRUCT(a INTEGER, "a/b" VARCHAR)': [
        {"a": n, "a/b": s} for n in (None, 1, 3) for s in (None, "ab", "x@", "2013-02-28")
    ],
    "STRUCT(a STRUCT(b INTEGER)[], b DOUBLE)": [
        {"a": a, "b": b} for a in (None, [], [{"b": 1}, {"b": 1}], [None, {"b": None}]) for b in (None, 0.07, math.nan)
    ],
    "MAP(VARCHAR, DOUBLE)": [{}, {"a": 0.5}, {"a": 1.0, "b": None}, {"é": 0.07, "": 3.0}],
    "MAP(VARCHAR, BIGINT[])": [{}, {"a": [1, 1]}, {"b": [], "0": None}],
}
"""Values of each type of a Parquet column."""
CELLS = [
    "1",
    "1.0",
    "1.5",
    "-3",
    "007",
    "+1",
    " 1",
    "1e1",
    "15e-1",
    "12x",
    "true",
    "False",
    "nan",
    "inf",
    "é",
    ".5",
    "5.",
]
CELLS += [
    "2013-01-01",
    "2013-02-30",
    "9007199254740993",
    "12345678901234567890",
    "1_000",
    "0x10",
    "-0",
    "0.07",
    "x@y.de",
]
CELLS += [text for text in WORDS if "\n" not in text and '"' not in text and "," not in text and text]
