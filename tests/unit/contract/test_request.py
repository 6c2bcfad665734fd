"""A request is judged as a row of the training data was."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from jsonschema_rs import Draft202012Validator

from mlci.cli import run
from mlci.contract import load, request, validate
from mlci.errors import UsageError

ROWS = """
type: object
required: [id, kind, price, note, late]
additionalProperties: false
properties:
  id: {type: integer, minimum: 1}
  kind: {type: string, enum: [new, used]}
  price: {type: [number, "null"], exclusiveMinimum: 0, multipleOf: 0.5}
  note: {type: [string, "null"], maxLength: 5, pattern: "^[a-zé]*$", x-sensitive: true}
  day: {type: [string, "null"], format: date}
  tags: {type: [array, "null"], items: {type: string, minLength: 2}}
  late: {type: integer, enum: [0, 1]}
if: {properties: {kind: {const: new}}}
then: {properties: {price: {type: number}}}
x-table: {unique: [id], rows: {min: 3}}
"""
GOOD = {"id": 1, "kind": "new", "price": 1.5, "note": "né", "day": "2020-01-31", "tags": ["ab"], "late": 0}
BAD = [
    {"id": 0},
    {"id": None},
    {"id": 2.5},
    {"id": 3.0},
    {"kind": "old"},
    {"kind": None},
    {"price": 0.0},
    {"price": 0.7},
    {"price": None},
    {"note": "toolong"},
    {"note": "A"},
    {"note": "ABCDEFG"},
    {"day": "2020-02-30"},
    {"tags": ["a"]},
    {"tags": None},
    {"late": 2},
    {"id": -1, "kind": "x", "price": -1.0},
]


def test_the_same_rows_are_judged_alike_in_a_file_and_in_a_request(contract, tmp_path):
    rules = contract(ROWS)
    rows = [{**GOOD, **change} for change in [{}, *BAD]]
    columns = {"id": "DOUBLE", "kind": "VARCHAR", "price": "DOUBLE", "note": "VARCHAR", "day": "VARCHAR"}
    columns |= {"tags": "VARCHAR[]", "late": "INTEGER"}
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
        values = [[row[name] for name in columns] for row in rows]
        db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", values)
        db.execute(f"COPY t TO '{tmp_path / 'rows.parquet'}' (FORMAT parquet)")
    report = validate([tmp_path / "rows.parquet"], rules)
    in_file = {(v.column, v.rule): v.count for v in report.violations if v.rule not in ("unique", "rows")}
    found = request(rules).check(rows)
    assert Counter((w.column, w.rule) for w in found) == in_file
    said = {(v.column, v.rule): v.expected for v in report.violations}
    assert {f"{w.column or 'the row'}: {w.rule}: expected {said[w.column, w.rule]}" for w in found} == {
        w.message for w in found
    }


def test_json_lines_tell_absent_columns_and_unknown_ones_alike(contract, text):
    rules = contract(ROWS)
    rows = [
        {k: v for k, v in GOOD.items() if k != "price"},
        {**GOOD, "zz": 1, "yy": None},
        {"id": 1},
        {**GOOD, "id": True},
    ]
    report = validate([text("".join(json.dumps(r) + "\n" for r in rows), "rows.jsonl")], rules)
    in_file = {(v.column, v.rule): v.count for v in report.violations if v.rule not in ("unique", "rows")}
    found = Counter((w.column, w.rule) for w in request(rules).check(rows))
    assert found == in_file


def test_each_error_has_its_row_its_column_and_words_without_the_value(contract):
    wrong = request(contract(ROWS)).check([GOOD, {**GOOD, "note": "SECRET"}, "x"])
    assert [(w.row, w.column, w.rule) for w in wrong] == [
        (1, "note", "maxLength"),
        (1, "note", "pattern"),
        (2, "", "type"),
    ]
    assert wrong[0].message == "note: maxLength: expected at most 5 characters"
    assert wrong[2].message == "the row: type: expected an object"
    assert "SECRET" not in repr(wrong)


def test_a_request_has_no_label(contract):
    plain = {k: v for k, v in GOOD.items() if k != "late"}
    closed = request(contract(ROWS), without=["late"])
    assert closed.check([plain]) == []
    assert [(w.column, w.rule) for w in closed.check([GOOD])] == [("late", "additionalProperties")]
    assert request(contract(ROWS), without=["late"], extra=True).check([plain, GOOD, {**GOOD, "zz": 0}]) == []
    assert closed.left == ("not carried: x-table: a request is no table",)
    with pytest.raises(UsageError, match="no column lat"):
        request(contract(ROWS), without=["lat"])


def test_what_may_be_null_may_be_left_out_where_that_is_wanted(contract):
    row = {"id": 1, "kind": "used", "late": 1}
    assert [w.column for w in request(contract(ROWS)).check([row])] == ["price", "note"]
    assert request(contract(ROWS), nulls_optional=True).check([row]) == []


def test_rules_that_speak_of_a_column_that_is_left_out_are_left_out_and_told(contract):
    model = request(
        contract(
            """
            required: [a, y]
            minProperties: 2
            properties: {a: {type: integer}, b: {}, y: {}}
            dependentRequired: {a: [b, y], y: [a]}
            allOf: [{required: [a]}, {$ref: "#/$defs/labelled"}]
            if: {required: [y]}
            then: {properties: {a: {minimum: 5}}}
            $defs: {labelled: {required: [y]}}
            """
        ),
        without=["y"],
    )
    assert model.check([{"a": 1, "b": 2}]) == []
    assert [(w.column, w.rule) for w in model.check([{"a": 1}, {"b": 1}])] == [
        ("", "dependentRequired"),
        ("a", "required"),
        ("", "allOf"),
    ]
    assert [said.split(":")[1].strip() for said in model.left] == ["minProperties", "if", "a part of allOf"]


def test_rules_that_only_warn_refuse_no_request(contract):
    model = request(contract("properties: {a: {type: integer, x-severity: warn}, b: {minimum: 1}}"))
    assert [w.column for w in model.check([{"a": "x", "b": 0}])] == ["b"]
    assert model.left == ("a: not carried: rules that only warn",)


@pytest.mark.parametrize("value", [math.nan, -math.inf, "\ud800", {1}, [math.nan]])
def test_what_is_no_json_is_refused(contract, value):
    (wrong,) = request(contract("properties: {a: {}}")).check([{"a": value}])
    assert (wrong.column, wrong.rule) == ("a", "type")


def test_the_request_schema_is_written_for_other_servers(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.yaml").write_text(ROWS, encoding="utf-8")
    assert run(["contract", "export", "rows.yaml", "--to", "json-schema", "--without", "late", "--extra"]) == 0
    out, err = capsys.readouterr()
    schema = json.loads(out)
    assert "late" not in schema["properties"] and "late" not in schema["required"]
    assert "x-table" not in schema and "additionalProperties" not in schema
    assert "x-table: a request is no table" in err
    assert Draft202012Validator(schema).is_valid(GOOD)
    assert not Draft202012Validator(schema).is_valid({**GOOD, "id": 0})
    (tmp_path / "again.json").write_text(out, encoding="utf-8")
    assert load(tmp_path / "again.json").required == ("id", "kind", "price", "note")


def test_the_class_for_pydantic_has_no_label_either(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.yaml").write_text(ROWS, encoding="utf-8")
    assert run(["contract", "export", "rows.yaml", "--to", "pydantic", "--without", "late"]) == 0
    source = capsys.readouterr().out
    scope: dict = {}
    exec(compile(source.replace("from __future__ import annotations\n", ""), "row.py", "exec"), scope)
    assert "late" not in scope["Row"].model_fields


FLIGHTS = Path(__file__).parents[3] / "examples" / "flights"
CURL = {"year": 2013, "month": 7, "day": 22, "weekday": 1, "hour": 18, "minute": 30, "carrier": "EV", "origin": "EWR"}
CURL |= {"dest": "BNA", "distance": 748, "departures": 24, "seats": None, "temp": 77.5}


def test_the_request_schema_of_the_flights_is_made_from_their_contract(tmp_path):
    made = tmp_path / "request.json"
    words = ["--without", "flight_id", "--without", "late", "--extra", "--nulls-optional"]
    file = str(FLIGHTS / "contract.yaml")
    assert run(["contract", "export", file, "--to", "json-schema", *words, "-o", str(made)]) == 0
    assert made.read_text() == (FLIGHTS / "request.json").read_text()


def test_the_server_of_the_flights_says_what_is_wrong_with_a_flight():
    bodies = [
        {"instances": [CURL]},
        {"instances": [{**CURL, "flight_id": "x", "late": 1}]},
        {"instances": [CURL, {**CURL, "hour": 25}]},
        {"instances": [{**CURL, "carrier": "ZZ"}, {k: v for k, v in CURL.items() if k != "dest"}]},
        {"instances": ["a flight"]},
        {"instances": [{**CURL, "temp": math.nan}]},
        {"instances": [{**CURL, "day": 10**400}]},
    ]
    program = """
import json, serve, sys
for body in json.load(sys.stdin):
    try:
        print("columns", len(serve.parse(body.encode())))
    except serve.Refused as refused:
        print(refused.status, refused)
"""
    asked = json.dumps([json.dumps(body) for body in bodies])
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=asked, cwd=FLIGHTS, capture_output=True, text=True, check=False)
    answers = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert answers[:2] == ["columns 20", "columns 20"]
    assert answers[2].startswith("422 instances[1].hour: 25.0 is greater than the maximum of 23")
    assert answers[3].startswith("422 instances[0].carrier: ") and "instances[1]: " in answers[3]
    assert [answer[:4] for answer in answers[4:]] == ["422 ", "400 ", "422 "]


@pytest.mark.parametrize("rows", [None, {"id": 1}, "id", 3])
def test_what_is_no_list_of_rows_is_wrong(contract, rows):
    (wrong,) = request(contract(properties={"id": {}})).check(rows)
    assert (wrong.row, wrong.column, wrong.message) == (0, "", "the rows: type: expected a list")
