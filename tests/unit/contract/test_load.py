"""A contract is read as it stands, and every mistake is told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.contract import load, validate
from mlci.errors import ConfigError, Problem


def problems(tmp_path: Path, text: str | bytes, name: str = "c.yaml") -> tuple[Problem, ...]:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(file)
    return caught.value.problems


def test_all_mistakes_are_told_at_once_each_at_its_place(tmp_path):
    found = problems(
        tmp_path,
        "type: object\n"
        "propertys: {}\n"
        "properties:\n"
        "  age: {type: integr, minimun: 0}\n"
        "  code:\n"
        "    type: string\n"
        "    pattern: '(?=a)b'\n"
        "    maxLength: -1\n"
        "    oneOf: {}\n"
        "x-table: {unique: id, row: 3}\n",
    )
    assert [(p.line, p.column) for p in found] == [
        (2, 1), (4, 15), (4, 23), (7, 14), (8, 16), (9, 12), (10, 19), (10, 23),
    ]  # fmt: skip
    assert "did you mean `properties`" in found[0].help
    assert "integer" in found[1].help
    assert "did you mean `minimum`" in found[2].help
    assert "lookahead" in found[3].message
    assert found[5].message == "expected a list of at least one schema; found {}"
    assert found[2].path == "$.properties.age.minimun"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("[" * 500 + "]" * 500, "nested too deep"),
        ("- 1", "as a mapping"),
        ("a: [", "not YAML"),
        ("a: 1\na: 2\n", "there twice"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("type: array", "a row is an object"),
        ("$schema: http://json-schema.org/draft-07/schema#", "draft 2020-12"),
        ("required: id", "a list of column names"),
        ("required: [a, a]", "there twice"),
        ("additionalProperties: 1", "expected a schema"),
        ("properties: {a: 1}", "mapping"),
        ("properties: {a: {items: {typ: string}}}", "`typ` is not known"),
        ("$defs: {unused: {minimum: '1'}}", "expected a number"),
        ("properties: {a: {$ref: 'https://example.com/a.json'}}", "another document"),
        ("properties: {a: {$ref: '#/$defs/a'}}", "leads nowhere"),
        ("properties: {a: {$ref: '#b'}}", "no `$anchor`"),
        ("properties: {a: {$ref: '#/$defs/a'}}\n$defs: {a: {$ref: '#/$defs/b'}, b: {$ref: '#/$defs/a'}}", "to itself"),
        ("$ref: '#'", "to itself"),
        ("properties: {a: {$dynamicRef: '#a'}}", "not supported"),
        ("properties: {a: {items: {pattern: '(?=a)'}}}", "lookahead"),
        ("properties: {a: {patternProperties: {'(?=a)': true}}}", "lookahead"),
        ("properties: {a: {dependentRequired: {b: [1]}}}", "expected a name"),
        ("properties: {a: {anyOf: []}}", "at least one schema"),
        ("properties: {a: {minimum: '1'}}", "expected a number"),
        ("properties: {a: {minimum: .nan}}", "not a JSON number"),
        ("properties: {a: {maximum: 1e999}}", "beyond the range"),
        ("properties: {a: {multipleOf: 0}}", "more than 0"),
        ("properties: {a: {enum: []}}", "at least one"),
        ("properties: {a: {type: []}}", "allows nothing"),
        ("properties: {a: {type: [string, null]}}", "not a type"),
        ("properties: {a: {format: emial}}", "not a format"),
        ("properties: {a: {x-sensitive: 'yes'}}", "true or false"),
        ("properties: {a: {x-sensitiv: true}}", "x-sensitiv"),
        ("properties: {a: {minLength: 1.5}}", "whole number"),
        ("x-table: {unique: []}", "at least one column"),
        ("x-table: {rows: {min: -1}}", "whole number"),
        ("x-table: {unique: [[a], b]}", "list of column names"),
        ("properties: {a: &a {default: *a}}", "alias"),
        ('{"properties": {"a": {"const": "\\ud83d"}}}', "Unicode"),
    ],
)
def test_what_cannot_be_checked_exactly_is_refused(tmp_path, text, words):
    found = problems(tmp_path, text)
    assert any(words in p.message for p in found), found


def test_a_contract_that_is_not_there_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "nothing.yaml")
    assert "cannot be read" in caught.value.problems[0].message


def test_json_with_tabs_a_mark_and_surrogate_pairs_is_read(tmp_path):
    file = tmp_path / "c.json"
    file.write_bytes(b'\xef\xbb\xbf{\n\t"properties": {\n\t\t"\\ud83d\\ude00": {"const": "a\\/b\\n"}\n\t}\n}')
    (column,) = load(file).properties
    assert column.name == "\N{GRINNING FACE}"
    assert column.rules[0].value == "a/b\n"
    assert column.rules[0].line == 3


def test_annotations_and_table_rules_are_taken(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(
        "$schema: https://json-schema.org/draft/2020-12/schema\n$id: https://example.com/x\ntitle: T\n"
        "description: D\n$comment: C\ntype: object\nrequired: [a]\nadditionalProperties: false\n"
        "properties:\n  a: {title: A, examples: [1], default: 2, type: [integer, 'null'], x-sensitive: true}\n"
        "  b: true\n"
        "  no: {const: no}\n  day: {enum: [2013-01-01, ~]}\n"
        "x-table: {unique: [[a], [a, b]], rows: {min: 1, max: 9}}\n"
    )
    contract = load(file)
    assert contract.closed
    assert contract.required == ("a",)
    assert contract.properties[0].types == ("integer", "null")
    assert contract.properties[0].sensitive
    assert contract.properties[2].rules[0].value == "no"
    assert contract.properties[3].rules[0].value == ["2013-01-01", None]
    assert contract.table.keys == (("a",), ("a", "b"))
    assert (contract.table.min_rows, contract.table.max_rows) == (1, 9)


def test_a_flat_list_is_one_key_of_several_columns(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("x-table: {unique: [day, flight]}\n")
    assert load(file).table.keys == (("day", "flight"),)


def test_a_column_that_is_only_asked_for_has_the_line_where_that_stands(contract, parquet):
    made = contract("required:\n  - a\n  - b\nx-table:\n  unique: [c]\n")
    report = validate([parquet("SELECT 1 AS a")], made)
    assert [(v.column, v.rule, v.line) for v in report.violations] == [("b", "required", 3), ("c", "required", 5)]


def test_the_help_for_a_keyword_is_the_nearest_one_or_all_there_are_each_once(contract):
    with pytest.raises(ConfigError) as near:
        contract("properties: {a: {typ: integer}}")
    assert near.value.problems[0].help == "did you mean `type`?"
    with pytest.raises(ConfigError) as far:
        contract("properties: {a: {zzz: 1}}")
    known = far.value.problems[0].help.removeprefix("known: ").split(", ")
    assert len(known) == len(set(known)) > 30


def test_a_tab_in_yaml_is_told(contract):
    with pytest.raises(ConfigError) as wrong:
        contract("properties:\n\tid: {type: integer}\n")
    assert "spaces" in wrong.value.problems[0].help


def test_a_contract_is_loaded_from_a_text_path_too(contract):
    assert load(str(contract(properties={"a": {}}).file)).properties[0].name == "a"


@pytest.mark.parametrize(
    "rules",
    [
        {"x-sensitive": True},
        {"$ref": "#/$defs/secret"},
        {"allOf": [{"$ref": "#/$defs/secret"}]},
        {"items": {"x-sensitive": True}},
        {"properties": {"mail": {"properties": {"at": {"x-sensitive": True}}}}},
        {"$ref": "#/$defs/tree"},
    ],
)
def test_a_column_is_masked_if_any_part_of_it_is_sensitive(contract, text, rules):
    leaf = {"properties": {"next": {"$ref": "#/$defs/tree"}, "leaf": {"x-sensitive": True}}}
    made = contract(
        **{"$defs": {"secret": {"x-sensitive": True}, "tree": leaf}},
        properties={"a": {**rules, "maxLength": 1, "maxProperties": 0, "maxItems": 0}, "b": {"maximum": 0}},
    )
    for value in ('"geheim"', '["geheim"]', '{"leaf": "geheim"}'):
        report = validate([text(f'{{"a": {value}, "b": 1}}\n', "d.jsonl")], made)
        assert len(report.violations) >= 2
        assert "geheim" not in str(report)
        assert {row["a"] for v in report.violations for row in v.samples} == {"***"}


def test_a_column_that_is_sensitive_by_a_rule_of_rows_is_masked(contract, parquet):
    made = contract(**{"allOf": [{"properties": {"a": {"x-sensitive": True}}}], "properties": {"a": {"maximum": 1}}})
    assert validate([parquet("SELECT 4711 AS a")], made).violations[0].samples[0]["a"] == "***"


@pytest.mark.parametrize(
    "place",
    [
        {"additionalProperties": {"x-sensitive": True}},
        {"patternProperties": {"^m": {"x-sensitive": True}}},
        {"then": {"properties": {"a": {"x-sensitive": True}}}, "if": {}},
    ],
)
def test_what_is_sensitive_has_to_be_named(contract, place):
    with pytest.raises(ConfigError) as wrong:
        contract(**place)
    assert "x-sensitive" in wrong.value.problems[0].message


@pytest.mark.parametrize("word", ["x-severity: warn", "x-tolerance: 1%", "x-nan: null"])
def test_what_is_of_a_column_is_told_elsewhere(tmp_path, word):
    for where in (
        "properties: {{a: {{items: {{{}}}}}}}",
        "allOf: [{{{}}}]",
        "properties: {{a: {{properties: {{b: {{{}}}}}}}}}",
    ):
        (found,) = problems(tmp_path, where.format(word))
        assert found.message == f"`{word.split(':')[0]}` is of a column"
    if "nan" not in word:
        assert "is of a column" in problems(tmp_path, word)[0].message
    assert "is of a column" in problems(tmp_path, "x-sensitive: true")[0].message
