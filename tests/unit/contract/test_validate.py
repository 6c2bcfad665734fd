"""Validation of real files: good, bad and broken, one and several."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from mlci.contract import validate
from mlci.errors import ConfigError


def rules(report) -> list[tuple[str, str, int]]:
    return [(v.column, v.rule, v.count) for v in report.violations]


FLIGHTS = """
type: object
required: [id, carrier]
additionalProperties: false
properties:
  id: {type: integer, minimum: 1}
  carrier: {type: string, enum: [AA, UA]}
  delay: {type: [number, "null"], maximum: 500}
x-table:
  unique: [id]
  rows: {min: 3}
"""
GOOD = "SELECT * FROM (VALUES (1, 'AA', 1.5::DOUBLE), (2, 'UA', NULL), (3, 'AA', 0)) t(id, carrier, delay)"
BAD = (
    "SELECT * FROM (VALUES (1, 'AA', 1.5::DOUBLE), (1, 'XX', 'nan'), (NULL, NULL, 501), (-1, 'UA', NULL)) "
    "t(id, carrier, delay)"
)


def test_a_good_table_passes(contract, parquet):
    report = validate([parquet(GOOD)], contract(FLIGHTS))
    assert report.passed
    assert report.summary == "3 rows, 3 columns: all rules kept"
    assert report.columns == (("id", "INTEGER"), ("carrier", "VARCHAR"), ("delay", "DOUBLE"))


def test_each_broken_rule_has_its_count_its_rows_and_its_line(contract, parquet):
    report = validate([parquet(BAD)], contract(FLIGHTS))
    assert rules(report) == [
        ("id", "null", 1),
        ("id", "minimum", 1),
        ("carrier", "null", 1),
        ("carrier", "enum", 1),
        ("delay", "type", 1),
        ("delay", "maximum", 1),
        ("id", "unique", 1),
    ]
    enum = report.violations[3]
    assert enum.samples == (
        {
            "(file)": "data.parquet",
            "(row)": 2,
            "id": 1,
            "carrier": "XX",
            "delay": "NaN",
        },
    )
    assert enum.line == 7
    assert report.violations[-1].samples == ({"id": "1", "(rows)": 2},)
    assert report.summary == "4 rows, 3 columns: 7 rules violated, 7 times"


def test_a_csv_is_judged_cell_by_cell_and_never_crashes(contract, text):
    file = text('id,carrier,delay\n1,AA,1.5\n12x,AA,\n1.0,UA,nan\n,XX,"7"\n2,"",007\n')
    report = validate([file], contract(FLIGHTS))
    assert rules(report) == [
        ("id", "null", 1),
        ("id", "type", 1),
        ("carrier", "enum", 2),
        ("delay", "type", 2),
    ]
    assert report.violations[1].samples == ({"(file)": "data.csv", "id": "12x", "carrier": "AA", "delay": None},)


@pytest.mark.parametrize("row", ["n\n9007199254740993\n", '{"n": 9007199254740993}\n'])
def test_whole_numbers_are_exact_in_text_where_only_integers_are_allowed(contract, text, row):
    file = text(row, "d.csv" if row[0] == "n" else "d.jsonl")
    assert validate(
        [file], contract(properties={"n": {"type": "integer", "const": 2**53 + 1, "maximum": 2**53 + 1}})
    ).passed
    near = contract(properties={"n": {"type": "integer", "const": 2**53, "maximum": 2**53}})
    assert rules(validate([file], near)) == [("n", "maximum", 1), ("n", "const", 1)]


def test_numbers_beyond_what_can_be_compared_are_refused_not_let_through(contract, text):
    file = text("n,x\n" + "9" * 38 + "," + "1e308\n" + "9" * 39 + ",1e309\n")
    report = validate([file], contract(properties={"n": {"type": "integer"}, "x": {"type": "number"}}))
    assert rules(report) == [("n", "type", 1), ("x", "type", 1)]


def test_json_lines_tell_absent_from_null(contract, text):
    file = text(
        '{"id": 1, "carrier": "AA"}\n{"id": 2, "carrier": null}\n{"id": 3}\n[4]\n'
        '{"id": 5.0, "carrier": "UA", "x": 1}\n',
        "d.jsonl",
    )
    report = validate([file], contract(FLIGHTS))
    assert rules(report) == [
        ("", "type", 1),
        ("x", "additionalProperties", 1),
        ("id", "required", 1),
        ("carrier", "required", 2),
        ("carrier", "null", 1),
    ]


def test_several_files_are_one_table_and_a_missing_column_is_told_with_its_file(contract, parquet):
    one = parquet(GOOD, "a/1.parquet")
    two = parquet("SELECT 9 AS id", "a/2.parquet")
    three = parquet("SELECT 'UA' AS carrier, 1::BIGINT AS id, 7 AS extra", "b/3.parquet")
    report = validate([one, two, three], contract(FLIGHTS))
    assert report.rows == 5
    assert report.files == 3
    assert rules(report) == [("extra", "additionalProperties", 1), ("carrier", "required", 1), ("id", "unique", 1)]
    assert report.violations[0].samples == ({"(file)": "b/3.parquet"},)
    assert report.violations[1].samples == ({"(file)": "a/2.parquet"},)
    assert dict(report.columns)["id"] == "INTEGER | BIGINT"


def test_samples_of_many_files_come_from_the_first_rows(contract, parquet):
    files = [parquet(f"SELECT {i} * 10 + range AS id FROM range(5)", f"{i}.parquet") for i in range(4)]
    report = validate(files, contract(properties={"id": {"maximum": -1}}), samples=3)
    assert [(s["(file)"], s["(row)"], s["id"]) for s in report.violations[0].samples] == [
        ("0.parquet", 1, 0), ("0.parquet", 2, 1), ("0.parquet", 3, 2),
    ]  # fmt: skip


def test_a_column_of_another_type_is_wrong_in_every_row(contract, parquet):
    report = validate(
        [parquet("SELECT range::VARCHAR AS n FROM range(4)")], contract(properties={"n": {"type": "integer"}})
    )
    assert rules(report) == [("n", "type", 4)]


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_NS"])
def test_columns_of_dates_keep_the_format_of_their_type_and_no_other(contract, parquet, kind):
    file = parquet(f"SELECT '2013-01-01'::{kind} AS d")
    own, other = ("date", "date-time") if kind == "DATE" else ("date-time", "date")
    assert validate([file], contract(properties={"d": {"type": "string", "format": own}})).passed
    assert rules(validate([file], contract(properties={"d": {"format": other}}))) == [("d", "format", 1)]


def test_dates_are_text_in_iso_form_to_the_other_rules(contract, parquet):
    file = parquet("SELECT DATE '2013-01-02' AS d, TIMESTAMP '2013-01-02 03:04:05' AS t")
    properties = {"d": {"const": "2013-01-02", "minLength": 10}, "t": {"const": "2013-01-02T03:04:05"}}
    assert validate([file], contract(properties=properties)).passed


def test_uuids_enums_nested_and_binary_columns_have_json_types(contract, parquet):
    file = parquet(
        "SELECT uuid() AS u, 'a'::ENUM('a') AS e, [1] AS l, {'a': 1} AS s, MAP {'a': 1} AS m, 'x'::BLOB AS b, "
        "'{}'::JSON AS j, TIME '01:02:03' AS t"
    )
    types = {"u": "string", "e": "string", "l": "array", "s": "object", "m": "object", "b": "string", "j": "object"}
    types |= {"t": "string"}
    report = validate([file], contract(properties={name: {"type": kind} for name, kind in types.items()}))
    assert rules(report) == [("b", "type", 1)]


NAMES = [
    'a "quoted" one',
    "select",
    "été",
    "it's",
    "a.b",
    "A",
    "a",
    "{x}",
    "%s",
    "c0",
    "s0",
    "b0",
    "filename",
    "\N{GRINNING FACE}",
    "a\nb",
]


def quoted(text: str, by: str) -> str:
    return by + text.replace(by, by * 2) + by


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_no_name_and_no_value_can_leave_its_quotes(contract, parquet, text, form):
    value = "'); DROP TABLE t; --\"\\ \N{GRINNING FACE}"
    names = [n for n in NAMES if not (form == "parquet" and n == "A")]
    if form == "csv":
        lines = [[quoted(n, '"') for n in names], [quoted(value, '"')] * len(names)]
        file = text("".join(",".join(line) + "\n" for line in lines))
    elif form == "jsonl":
        file = text(json.dumps(dict.fromkeys(names, value)) + "\n", "d.jsonl")
    else:
        file = parquet("SELECT " + ", ".join(f"{quoted(value, chr(39))} AS {quoted(n, chr(34))}" for n in names))
    same = contract(
        required=names,
        properties={n: {"const": value, "enum": [value]} for n in names},
        **{"x-table": {"unique": names}},
    )
    assert validate([file], same).passed
    other = contract(properties={n: {"type": "string", "const": "'"} for n in names})
    assert rules(validate([file], other)) == [(n, "const", 1) for n in names]


def test_names_differ_by_case(contract, parquet):
    file = parquet('SELECT 1 AS "Delay"')
    report = validate([file], contract(required=["delay"], additionalProperties=False, properties={"delay": {}}))
    assert rules(report) == [("Delay", "additionalProperties", 1), ("delay", "required", 1)]


def patched(file: Path, old: bytes, new: bytes) -> Path:
    """Other names of the same length in the footer of a Parquet file."""
    raw = file.read_bytes()
    assert old in raw
    file.write_bytes(raw.replace(old, new))
    return file


def test_columns_that_differ_only_by_case_are_two_columns(contract, parquet):
    file = patched(parquet("SELECT 1 AS delay, 'x' AS other"), b"other", b"DELAY")
    types = {"delay": {"type": "integer"}, "DELAY": {"type": "string"}}
    assert validate([file], contract(properties=types, required=list(types))).passed


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_column_that_is_there_twice_is_a_finding(contract, parquet, text, form):
    file = (
        patched(parquet("SELECT 1 AS aaa, 2 AS bbb"), b"bbb", b"aaa") if form == "parquet" else text("aaa,aaa\n1,2\n")
    )
    assert rules(validate([file], contract(properties={"aaa": {"type": "integer"}}))) == [("aaa", "duplicate", 1)]


def test_sensitive_values_are_masked_wherever_a_sample_shows_them(contract, parquet):
    file = parquet("SELECT 'alice@example.com' AS mail, -1 AS age FROM range(2)")
    sensitive = {"type": "string", "maxLength": 3, "x-sensitive": True}
    both = contract(properties={"mail": sensitive, "age": {"minimum": 0}}, **{"x-table": {"unique": ["mail"]}})
    report = validate([file], both)
    assert [v.rule for v in report.violations] == ["maxLength", "minimum", "unique"]
    assert all(row["mail"] == "***" for v in report.violations for row in v.samples)
    assert "alice" not in json.dumps(report.facts())


def test_wide_tables_show_only_the_key_and_the_offending_column(contract, parquet):
    columns = ", ".join(f"{i} AS c{i}" for i in range(12))
    file = parquet(f"SELECT {columns}")
    report = validate([file], contract(properties={"c5": {"maximum": 0}}, **{"x-table": {"unique": ["c3"]}}))
    assert list(report.violations[0].samples[0]) == ["(file)", "(row)", "c3", "c5"]


def test_no_samples_are_shown_where_none_are_wanted(contract, parquet):
    report = validate([parquet(BAD)], contract(FLIGHTS), samples=0)
    assert len(report.violations) == 7
    assert not any(v.samples for v in report.violations)


def test_rows_are_bounded(contract, parquet):
    file = parquet(GOOD)
    assert rules(validate([file], contract(**{"x-table": {"rows": {"min": 4}}}))) == [("", "rows", 1)]
    assert rules(validate([file], contract(**{"x-table": {"rows": {"max": 2}}}))) == [("", "rows", 1)]


def test_globs_in_file_names_are_just_characters(contract, parquet):
    other = parquet("SELECT -1 AS id", "x1.parquet")
    odd = parquet("SELECT 1 AS id", "x[1]?'é*.parquet".replace("'", ""))
    assert other.exists()
    assert validate([odd], contract(properties={"id": {"minimum": 0}})).passed


def test_other_delimiters_marks_line_ends_and_gzip(contract, text):
    some = contract(properties={"a": {"type": "integer"}, "b": {"const": "x,y"}}, required=["a", "b"])
    assert validate([text("\ufeffa;b\r\n1;x,y\r\n", "1.csv")], some).passed
    assert validate([text('a\tb\n1\t"x,y"\n', "2.tsv")], some).passed
    assert validate([text(gzip.compress(b'a,b\n1,"x,y"\n'), "3.csv.gz")], some).passed
    assert validate([text(gzip.compress(b'{"a":1,"b":"x,y"}\n'), "4.jsonl.gz")], some).passed
    assert validate([text('[{"a":1,"b":"x,y"}]', "5.json")], some).passed


@pytest.mark.parametrize(
    ("values", "again"),
    [
        ("1, 2, 2, 2, NULL, NULL", 2), ("(-128)::TINYINT, 127::TINYINT", 0), ("NULL, NULL", 0),
        ("0::BIGINT, 9223372036854775807, 0", 1), ("-9223372036854775807, 9223372036854775807", 0),
        ("1.5, 1.5", 1), ("'a', 'b', 'a'", 1), ("0.0::DOUBLE, -0.0::DOUBLE", 1),
        ("DATE '2013-01-01', DATE '2013-01-01'", 1), ("18446744073709551615::UBIGINT, 0::UBIGINT", 0),
    ],
)  # fmt: skip
def test_keys_are_counted_exactly_and_nulls_are_left_out(contract, parquet, values, again):
    file = parquet(f"SELECT unnest([{values}]) AS k")
    report = validate([file], contract(**{"x-table": {"unique": ["k"]}}))
    assert rules(report) == ([("k", "unique", again)] if again else [])


def test_keys_of_several_columns_and_over_files_of_different_types(contract, parquet, text):
    some = contract(**{"x-table": {"unique": [["a", "b"]]}})
    one = parquet("SELECT * FROM (VALUES (1, 'x'), (1, 'y'), (1, NULL), (1, NULL)) t(a, b)")
    two = text("a,b\n1,y\n2,x\n")
    assert validate([one], some).passed
    report = validate([one, two], some)
    assert rules(report) == [("a, b", "unique", 1)]
    assert report.violations[0].samples == ({"a": "1", "b": "y", "(rows)": 2},)


def test_a_key_whose_column_is_not_there_is_told(contract, parquet):
    report = validate([parquet("SELECT 1 AS a")], contract(**{"x-table": {"unique": ["a", "b"]}}))
    assert rules(report) == [("b", "required", 1)]


def test_more_rules_than_one_query_can_hold(contract, parquet):
    file = parquet("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(700)))
    report = validate([file], contract(properties={f"c{i}": {"type": "integer", "maximum": 690} for i in range(700)}))
    assert rules(report) == [(f"c{i}", "maximum", 1) for i in range(691, 700)]


def test_the_samples_of_huge_numbers_decimals_and_long_text_are_plain_json(contract, parquet):
    file = parquet("SELECT 2::HUGEINT ** 100 AS h, 1.25::DECIMAL(5, 2) AS d, repeat('x', 500) AS t, 'inf'::DOUBLE AS f")
    report = validate([file], contract(properties={n: {"type": "boolean"} for n in "hdtf"}))
    facts = json.loads(json.dumps(report.facts(), allow_nan=False))
    sample = facts["violations"][0]["samples"][0]
    assert (sample["d"], sample["f"]) == ("1.25", "Infinity")
    assert len(sample["t"]) == 120
    assert facts["columns"][1] == {"name": "d", "type": "DECIMAL(5,2)"}


def test_nothing_is_left_behind(contract, parquet, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    validate([parquet(BAD)], contract(FLIGHTS))
    assert not list((tmp_path / "tmp").iterdir())
    assert duckdb.sql("SELECT 1").fetchall() == [(1,)]


def test_a_column_may_only_warn_or_tolerate_a_share_of_the_rows(contract, parquet):
    file = parquet("SELECT range AS a, range AS b, range AS c FROM range(100)")
    found = validate(
        [file],
        contract(
            properties={
                "a": {"minimum": 2, "x-severity": "warn"},
                "b": {"minimum": 2, "x-tolerance": "2%"},
                "c": {"minimum": 3, "x-tolerance": 0.02},
            }
        ),
    )
    assert [(v.column, v.count, v.blocks) for v in found.violations] == [
        ("a", 2, False),
        ("b", 2, False),
        ("c", 3, True),
    ]
    assert not found.passed
    assert found.summary == "100 rows, 3 columns: 1 rule violated, 3 times, 2 warnings"


@pytest.mark.parametrize("wrong", [{"x-severity": "fatal"}, {"x-tolerance": "many"}, {"x-tolerance": 2}])
def test_a_severity_or_a_tolerance_that_is_none_is_refused(contract, wrong):
    with pytest.raises(ConfigError) as told:
        contract(properties={"a": wrong})
    assert "expected" in told.value.problems[0].message
