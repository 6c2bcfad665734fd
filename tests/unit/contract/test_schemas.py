"""Random schemas of all keywords, over random values and tables: the verdict is that of jsonschema-rs, row for row."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.contract import decide, load, validate, verdicts
from mlci.errors import ConfigError, UsageError

EXAMPLES = int(os.environ.get("MLCI_EXAMPLES", "25"))
"""More find rarer disagreements."""
NAMES = st.sampled_from(["a", "b", "", "a/b", "~1", "0", "it's", "é"])
NUMBERS = st.integers(-3, 4) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 0.07, 1.5, 4.35, 1e300, 2**53, 2**53 + 1, 2**70])
STRINGS = st.sampled_from(
    ["", "a", "ab", "é", "b\n", "1", '"', "2013-02-28", "x@y.de", "10.0.0.1", "::1", "[1]", "null"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | STRINGS
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3), max_leaves=8
)
PATTERNS = st.sampled_from(["^a", "b$", "^.$", r"\\d", "é", "^$", "(?=a)", "/"])
COUNTS = st.integers(0, 3)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
FORMATS = ["date", "time", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "uri", "uri-reference", "duration"]


def keywords(below: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    some = st.lists(below, min_size=1, max_size=3)
    by_name = st.dictionaries(NAMES, below, max_size=2)
    names = st.lists(NAMES, max_size=2, unique=True)
    return {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "multipleOf": st.sampled_from([1, 2, 0.1, 0.01, 0.5, 3, 1e-8]),
        "minLength": COUNTS,
        "maxLength": COUNTS,
        "pattern": PATTERNS,
        "format": st.sampled_from(FORMATS),
        "required": names,
        "properties": by_name,
        "patternProperties": st.dictionaries(PATTERNS, below, max_size=2),
        "additionalProperties": below,
        "propertyNames": below,
        "dependentRequired": st.dictionaries(NAMES, names, max_size=2),
        "dependentSchemas": by_name,
        "minProperties": COUNTS,
        "maxProperties": COUNTS,
        "prefixItems": some,
        "items": below,
        "contains": below,
        "minContains": COUNTS,
        "maxContains": COUNTS,
        "minItems": COUNTS,
        "maxItems": COUNTS,
        "uniqueItems": st.booleans(),
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": below,
        "if": below,
        "then": below,
        "else": below,
        "unevaluatedItems": below,
        "unevaluatedProperties": below,
        "$ref": st.just("#/$defs/d"),
    }


@st.composite
def one_level(draw: st.DrawFn, below: st.SearchStrategy[Any]) -> dict[str, Any]:
    found = keywords(below)
    chosen = draw(st.lists(st.sampled_from(sorted(found)), max_size=3, unique=True))
    if chosen and draw(st.booleans()):
        chosen += {"minContains": ["contains"], "maxContains": ["contains"], "then": ["if"], "else": ["if"]}.get(
            chosen[0], []
        )
    return {name: draw(found[name]) for name in chosen}


SCHEMAS = st.recursive(st.booleans() | one_level(st.booleans()), one_level, max_leaves=5)


def reference(schema: Any) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def whole(schema: Any, definition: Any) -> Any:
    return schema | {"$defs": {"d": definition}} if isinstance(schema, dict) else schema


def without(schema: Any, *names: str) -> Any:
    """The schema without these keywords, however deep."""
    if isinstance(schema, list):
        return [without(item, *names) for item in schema]
    if isinstance(schema, dict):
        return {name: without(value, *names) for name, value in schema.items() if name not in names}
    return schema


@settings(max_examples=EXAMPLES, deadline=None)
@given(SCHEMAS, SCHEMAS.map(lambda s: without(s, "$ref")), st.lists(VALUES, min_size=1, max_size=12))
def test_each_value_is_judged_as_the_reference_does(schema, definition, values):
    schema = whole(schema, definition)
    judge = reference(schema)
    assert verdicts(schema, values) == [judge.is_valid(value) for value in values], schema


def test_without_formats_they_say_nothing():
    assert verdicts({"format": "date"}, ["x"], formats=False) == [True]
    assert verdicts({"format": "date"}, ["x"]) == [False]


def test_a_recursive_schema_is_unrolled_and_what_is_deeper_is_left_to_the_fallback():
    tree = {"properties": {"v": {"type": "integer"}, "c": {"items": {"$ref": "#"}}}}
    deep = {"v": 1, "c": [{"v": 1, "c": [{"v": 1, "c": [{"v": 1, "c": [{"v": "x"}]}]}]}]}
    found = decide(tree, [{"v": 1}, {"v": "1"}, {"c": [{"v": 2.5}]}, deep])
    assert [(d.valid, d.by) for d in found] == [
        (True, "duckdb"), (False, "duckdb"), (False, "duckdb"), (False, "fallback"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "https://example.com/x"}, "another document"),
        ({"$dynamicRef": "#a"}, "not supported"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "to itself"),
        ({"minimum": "1"}, "expected a number"),
        ({"minimum": float("nan")}, "not JSON"),
        ({"pattern": "("}, "wrong"),
        ([], "expected a schema"),
    ],
)
def test_a_wrong_schema_is_told_with_its_place(schema, words):
    with pytest.raises(ConfigError) as caught:
        verdicts(schema, ["a"])
    assert words in caught.value.problems[0].message


def test_values_that_no_engine_reads_are_judged_by_the_fallback():
    found = decide({"type": "number"}, [float("nan"), "\0", 1])
    assert [(d.valid, d.by) for d in found] == [
        (False, "fallback"), (False, "fallback"), (True, "duckdb"),
    ]  # fmt: skip


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError):
        verdicts({}, [1], engine="sqlite")


COLUMNS = {
    "INTEGER[]": st.lists(st.none() | st.integers(-3, 3), max_size=3),
    "DOUBLE[]": st.lists(st.sampled_from([0.07, 0.1, 1.5, -0.0, 1e300]), max_size=3),
    "VARCHAR[][]": st.lists(st.none() | st.lists(st.sampled_from(["a", "ab", "x@y.de"]), max_size=2), max_size=2),
    'STRUCT(a INTEGER, "a/b" VARCHAR)': st.fixed_dictionaries(
        {"a": st.none() | st.integers(-3, 3), "a/b": st.none() | STRINGS}
    ),
    "STRUCT(a STRUCT(b INTEGER)[])": st.fixed_dictionaries(
        {"a": st.none() | st.lists(st.none() | st.fixed_dictionaries({"b": st.integers(0, 3)}), max_size=2)}
    ),
    "MAP(VARCHAR, DOUBLE)": st.dictionaries(
        st.sampled_from(["a", "b", "é"]), st.none() | st.sampled_from([0.5, 1.0, 0.07]), max_size=2
    ),
    "BIGINT": st.integers(-3, 4) | st.sampled_from([2**53 + 1]),
    "DOUBLE": st.sampled_from([0.07, 4.35, 1.0, 1e300, 0.1]),
    "DECIMAL(6,2)": st.sampled_from([0.07, 4.35, 1.0]),
    "VARCHAR": STRINGS,
}
TREES = SCHEMAS.map(lambda s: without(s, "$ref", "pattern", "patternProperties")).filter(lambda s: s is not True)


def judged(file: Path, schema: Any) -> bool:
    path = file.with_name("contract.json")
    path.write_text(json.dumps(schema), encoding="utf-8")
    return validate([file], load(path)).passed


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_each_row_of_nested_columns_is_judged_as_the_reference_does(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3))
    row = [data.draw(st.none() | COLUMNS[kind]) for kind in kinds]
    names = ["a", "b", "a/b"][: len(kinds)]
    extra = data.draw(TREES)
    schema = {k: v for k, v in extra.items() if k not in ("type", "properties")} if isinstance(extra, dict) else {}
    schema |= {"properties": {name: data.draw(TREES) for name in names}}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, kinds, strict=True))
        connection.execute(f"CREATE TABLE t ({columns})")
        connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
        connection.execute(f"COPY t TO '{folder}/t.parquet' (FORMAT parquet)")
        found = judged(Path(folder, "t.parquet"), schema)
    assert found == reference(schema).is_valid(dict(zip(names, row, strict=True))), (schema, kinds, row)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_each_line_of_nested_json_is_judged_as_the_reference_does(data):
    row = data.draw(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
    extra = data.draw(TREES)
    schema = {k: v for k, v in extra.items() if k != "type"} if isinstance(extra, dict) else {}
    schema |= {"properties": {name: data.draw(TREES) for name in row}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.jsonl")
        file.write_text(json.dumps(row) + "\n", encoding="utf-8")
        found = judged(file, schema)
    assert found == reference(schema).is_valid(row), (schema, row)


def test_rows_that_the_engine_leaves_are_judged_and_counted(contract, parquet):
    file = parquet("SELECT unnest(['a@b.de', 'a@b', '\"a b\"@c.de', 'x', NULL]) AS mail, 1 AS n")
    report = validate([file], contract(properties={"mail": {"format": "email"}}))
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("mail", "format", 1)]
    assert [(left.column, left.rule, left.rows) for left in report.fallback] == [("mail", "format", 2)]
    assert report.facts()["fallback"] == [{"column": "mail", "rule": "format", "rows": 2}]


def test_nan_inside_a_list_is_no_json(contract, parquet):
    file = parquet("SELECT ['nan'::DOUBLE] AS a UNION ALL SELECT [1.5]")
    report = validate([file], contract(properties={"a": {"items": {}}}))
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("a", "type", 1)]


def test_rules_of_the_row_join_columns(contract, parquet):
    file = parquet("SELECT range AS a, CASE WHEN range < 3 THEN 'x' END AS b FROM range(5)")
    rule = {"if": {"properties": {"a": {"minimum": 2}}}, "then": {"properties": {"b": {"type": "string"}}}}
    report = validate([file], contract(**rule, dependentRequired={"a": ["c"]}))
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("", "dependentRequired", 5), ("", "if", 2)]


def test_a_column_that_must_not_be_there_is_a_finding(contract, parquet):
    report = validate([parquet("SELECT 1 AS a")], contract(properties={"a": False, "b": False}))
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("a", "false", 1)]


def test_a_rule_too_large_for_the_engine_is_left_to_the_fallback():
    schema: Any = {"type": "integer"}
    for _ in range(12):
        schema = {"items": {"oneOf": [schema, {"type": "string"}]}}
    assert [d.by for d in decide(schema, [[[1]], 1])] == ["fallback"] * 2
