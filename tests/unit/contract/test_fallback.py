"""The fallback: rows that the engine cannot judge, judged by jsonschema-rs many at a time."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

from mlci.contract import validate
from mlci.contract.judging.fallback import Fallback
from tests.unit.contract.test_bad_input import MEMORY

MAIL = {"format": "idn-email"}


@pytest.mark.parametrize("name", ["a/b", "~1", "0", "é", "it's \"%41", "a b#c?d", "a%2Fb"])
@pytest.mark.parametrize("own", [None, "https://example.com/orders.json", "orders"])
def test_a_rule_of_a_column_of_any_name_is_judged(contract, text, name, own):
    parts = {"$id": own} if own else {}
    some = contract(properties={name: {"$ref": "#/$defs/mail"}}, **{"$defs": {"mail": MAIL}}, **parts)
    file = text("".join(json.dumps({name: value}) + "\n" for value in ("ä@ö.example", "x", 7)), "d.jsonl")
    report = validate([file], some)
    assert [(v.column, v.rule, v.count) for v in report.violations] == [(name, "$ref", 1)]
    assert report.violations[0].samples[0][name] == '"x"'


def test_other_rules_of_the_column_and_other_columns_are_not_mixed_in(contract, parquet):
    file = parquet("SELECT unnest(['ä@ö.example', 'x', NULL]) AS a, 'x' AS b")
    some = contract(properties={"a": {**MAIL, "type": "string", "minLength": 99}, "b": {"maxLength": 0}})
    report = validate([file], some)
    assert [(v.column, v.rule, v.count) for v in report.violations] == [
        ("a", "null", 1),
        ("a", "minLength", 2),
        ("a", "format", 1),
        ("b", "maxLength", 1 * 3),
    ]
    assert [row["(row)"] for row in report.violations[2].samples] == [2]


def test_rules_of_rows_are_judged_as_a_whole(contract, parquet):
    file = parquet("SELECT unnest(['x', 'a@b']) AS a, unnest(['x', 'x']) AS b")
    report = validate([file], contract(anyOf=[{"properties": {"a": MAIL}}, {"properties": {"b": MAIL}}]))
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("", "anyOf", 1)]


def test_the_same_text_is_judged_once_and_each_is_counted():
    found = Fallback({"properties": {"a": MAIL}}, formats=True)
    assert found.broken("a", "format", ['"x"', '"a@b"', '"x"']) == [True, False, True]
    assert found.broken("a", "format", ['"a@b"', '"x"', "[" * 99_999]) == [False, True, True]


def test_the_samples_are_the_first_rows_of_all_files(contract, parquet):
    query = "SELECT CASE WHEN range % 100 = 99 THEN 'x' ELSE 'a@b' END AS a FROM range(20000)"
    report = validate([parquet(query, f"{i}.parquet") for i in range(2)], contract(properties={"a": MAIL}), samples=3)
    assert [(v.count, [row["(row)"] for row in v.samples]) for v in report.violations] == [(400, [100, 200, 300])]


def test_a_million_rows_take_bounded_memory(contract, parquet):
    file = parquet("SELECT 'user' || range || '@exämple.org' AS a, range AS id FROM range(1000000)")
    some = contract(properties={"a": MAIL, "id": {"minimum": 0}}).file
    command = [sys.executable, "-c", MEMORY, file, some]
    rows, violations, mebibytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert (rows, violations) == ("1000000", "0")
    assert int(mebibytes) < 350


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_a_rule_of_a_column_without_a_name_is_not_one_of_the_row(contract, text, tmp_path, form):
    rows = [{"": "ä@ö.example", "b": "x"}, {"": "x", "b": "a@b"}, {"": "y", "b": "ä@ö.example"}]
    some = contract(properties={"": MAIL}, anyOf=[{"properties": {"b": MAIL}}, {"required": ["c"]}])
    file = tmp_path / "d.parquet"
    if form == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    elif form == "jsonl":
        file = text("".join(json.dumps(row) + "\n" for row in rows), "d.jsonl")
    else:
        file = text("".join(",".join(row) + "\n" for row in ({"": 0, "b": 0}, *map(dict.values, rows))), "d.csv")
    report = validate([file], some)
    assert [(v.column, v.rule, v.count) for v in report.violations] == [("", "format", 2), ("", "anyOf", 1)]


def test_characters_that_the_engine_may_not_know_are_left_to_the_fallback(contract, parquet):
    newer = "\u1c89"  # CYRILLIC CAPITAL LETTER TJE, of Unicode 16
    file = parquet(f"SELECT unnest(['Zoë', 'x1', '{newer}', '{newer}1', NULL]) AS a")
    report = validate([file], contract(properties={"a": {"type": ["string", "null"], "pattern": r"^\p{L}+$"}}))
    assert [(v.rule, v.count) for v in report.violations] == [("pattern", 2)]
    assert [(left.rule, left.rows) for left in report.fallback] == [("pattern", 2)]
