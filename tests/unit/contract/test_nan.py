"""NaN and the infinities are what the contract says: nothing that JSON knows, null, or numbers as in IEEE 754."""

from __future__ import annotations

import math
from typing import Any

import jsonschema_rs
import pytest

from mlci.contract import validate
from mlci.errors import ConfigError

VALUES: list[float | None] = [math.nan, math.inf, -math.inf, 1.5, 2.0, -3.0, None]
RULES: list[dict[str, Any]] = [
    {"type": "number"},
    {"type": "integer"},
    {"type": ["number", "null"]},
    {"type": "null"},
    {"type": ["number", "null"], "minimum": 0},
    {"type": ["number", "null"], "maximum": 0},
    {"type": ["number", "null"], "exclusiveMinimum": -3},
    {"type": ["number", "null"], "minimum": -(10**400)},
    {"type": ["number", "null"], "maximum": 10**400},
    {"type": ["number", "null"], "exclusiveMaximum": -(10**400)},
    {"type": ["number", "null"], "multipleOf": 2},
    {"type": ["number", "null"], "multipleOf": 0.5},
    {"type": ["number", "null"], "enum": [2, None]},
    {"type": ["number", "null"], "anyOf": [{"const": 2}, {"minimum": 5}, {"type": "null"}]},
    {"type": ["number", "null"], "not": {"minimum": 0}},
]
BOUNDS = {
    "minimum": lambda x, n: x >= n,
    "maximum": lambda x, n: x <= n,
    "exclusiveMinimum": lambda x, n: x > n,
    "exclusiveMaximum": lambda x, n: x < n,
}


def holds(value: float | None, schema: dict[str, Any], nan: str) -> bool:
    """What the documentation says."""
    if value is None or math.isfinite(value):
        return jsonschema_rs.Draft202012Validator(schema).is_valid(value)
    if nan != "number":
        return nan == "null" and holds(None, schema, nan)
    types = schema.get("type", "number")
    return (
        "number" in ([types] if isinstance(types, str) else types)
        and all(test(value, schema[k]) for k, test in BOUNDS.items() if k in schema)
        and not schema.keys() & {"multipleOf", "enum", "const"}
        and ("anyOf" not in schema or any(holds(value, part, nan) for part in schema["anyOf"]))
        and ("not" not in schema or not holds(value, schema["not"], nan))
    )


def table(form: str, parquet, text):
    """A file with the values once for each rule, in columns r0, r1 …, and their number in `i`."""
    names = [f"r{n}" for n in range(len(RULES))]
    if form == "csv":
        rows = (",".join([*["" if v is None else str(v)] * len(names), str(i)]) for i, v in enumerate(VALUES))
        return text("\n".join([",".join([*names, "i"]), *rows]) + "\n")
    if "json" in form:
        words = ["null" if v is None else str(v).replace("nan", "NaN").replace("inf", "Infinity") for v in VALUES]
        words = [f"[{word}]" for word in words] if form == "nested json" else words
        rows = (", ".join([f'"i": {i}', *(f'"{name}": {v}' for name in names)]) for i, v in enumerate(words))
        return text("".join(f"{{{row}}}\n" for row in rows), "d.jsonl")
    made = {"list": "[x]", "struct": "{'x': x}", "map": "MAP {'x': x}"}.get(form, f"x::{form}")
    listed = ", ".join("NULL" if v is None else f"'{v}'::DOUBLE" for v in VALUES)
    columns = ", ".join(f"{made} AS {name}" for name in names)
    return parquet(f"SELECT {columns}, i FROM (SELECT unnest([{listed}]) AS x, unnest(range({len(VALUES)})) AS i)")


@pytest.mark.parametrize("nan", ["error", "null", "number"])
@pytest.mark.parametrize("form", ["DOUBLE", "FLOAT", "list", "struct", "map", "csv", "json", "nested json"])
def test_each_rule_takes_them_as_the_contract_says(contract, parquet, text, form, nan):
    file = table(form, parquet, text)
    wrap = {"list": lambda r: {"items": r}, "nested json": lambda r: {"items": r}}
    wrap |= dict.fromkeys(("struct", "map"), lambda r: {"properties": {"x": r}})
    rules = {f"r{n}": wrap.get(form, dict)(rule) for n, rule in enumerate(RULES)}
    key = {"x-table": {"unique": ["i"]}}
    each = contract(properties={name: {**rule, "x-nan": nan} for name, rule in rules.items()}, **key)
    report = validate([file], each, samples=9)
    everything = contract(properties=rules, **{"x-nan": nan}, **key)
    assert [v.count for v in validate([file], everything).violations] == [v.count for v in report.violations]
    for n, rule in enumerate(RULES):
        if form == "csv" and rule == {"type": "null"}:
            continue  # no numbers are read there: the cell is a text
        broken = {int(row["i"]) for v in report.violations if v.column == f"r{n}" for row in v.samples}
        assert broken == {i for i, value in enumerate(VALUES) if not holds(value, rule, nan)}, rule


def test_a_column_may_differ_from_the_others(contract, parquet):
    file = parquet("SELECT 'nan'::DOUBLE AS a, 'nan'::DOUBLE AS b, 'inf'::DOUBLE AS c")
    mixed = {"a": {"type": "number"}, "b": {"type": "null", "x-nan": "null"}, "c": {"minimum": 5, "x-nan": "number"}}
    report = validate([file], contract(properties=mixed))
    assert [(v.column, v.rule) for v in report.violations] == [("a", "type")]
    report = validate([file], contract(properties={"a": {"type": "number"}}, **{"x-nan": "null"}))
    assert [(v.column, v.rule) for v in report.violations] == [("a", "null")]


def test_the_fallback_reads_null_where_the_engine_does_and_lets_no_endless_number_through(contract, parquet):
    file = parquet("SELECT {'x': 'nan'::DOUBLE, 's': 'a@b'} AS v")
    rule = {"properties": {"s": {"format": "idn-email"}, "x": {"type": "null"}}, "required": ["x"]}
    assert validate([file], contract(properties={"v": {"allOf": [rule], "x-nan": "null"}})).passed
    report = validate([file], contract(properties={"v": {"allOf": [rule], "x-nan": "number"}}))
    assert [(v.column, v.rule) for v in report.violations] == [("v", "allOf")]


def test_another_word_is_refused(contract):
    with pytest.raises(ConfigError) as told:
        contract(properties={"a": {"x-nan": "skip"}})
    assert "expected error, null or number" in told.value.problems[0].message
