"""What is wrong with a file is told with its place, nothing of it is let through, and the other files still count."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from mlci.cli import run
from mlci.contract import load, validate
from mlci.errors import UsageError, WorldError
from tests.unit.contract.test_validate import FLIGHTS, GOOD, patched, rules

MEMORY = """
import re, sys
from pathlib import Path
from mlci.contract import load, validate
report = validate([Path(sys.argv[1])], load(Path(sys.argv[2])))
most = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]  # ru_maxrss counts the parent's too
print(report.rows, len(report.violations), int(most) // 1024)
"""


def cut(file: Path, keep: slice) -> Path:
    file.write_bytes(file.read_bytes()[keep])
    return file


def garbled(file: Path, start: int, stop: int) -> Path:
    raw = bytearray(file.read_bytes())
    raw[start:stop] = bytes(b ^ 0x5A for b in raw[start:stop])
    file.write_bytes(raw)
    return file


def pipe(folder: Path, name: str) -> Path:
    os.mkfifo(folder / name)
    return folder / name


def link(folder: Path, name: str, target: str) -> Path:
    (folder / name).symlink_to(target)
    return folder / name


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder, and rights to it that end at what its files allow: root may read everything."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        if os.geteuid():
            yield Path(folder)
            return
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


LONG = b"x" * 33_000_000
HASHES = "SELECT md5(range::VARCHAR) AS h, range AS id FROM range(20000)"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p, t, d: t("", "x.parquet"), "empty (0 bytes)"),
        (lambda p, t, d: t("a,b\n1,2\n", "x.parquet"), "not a Parquet file"),
        (lambda p, t, d: cut(p(GOOD, "x.parquet"), slice(0, 3)), "not a Parquet file"),
        (lambda p, t, d: cut(p(GOOD, "x.parquet"), slice(0, 4)), "cut short: its footer is missing"),
        (lambda p, t, d: cut(p(GOOD, "x.parquet"), slice(0, -9)), "cut short: its footer is missing"),
        (lambda p, t, d: cut(p(GOOD, "x.parquet"), slice(0, -1)), "cut short: its footer is missing"),
        (lambda p, t, d: cut(p(HASHES, "x.parquet"), slice(0, 40_000)), "cut short: its footer is missing"),
        (lambda p, t, d: t(b"PAR1" + b"\0" * 50 + b"\xff\xff\xff\x7fPAR1", "x.parquet"), ""),
        (lambda p, t, d: t("", "x.csv"), "empty (0 bytes)"),
        (lambda p, t, d: t("id,carrier\n1,AA\n2,AA,3\n", "x.csv"), "line 3: 3 columns instead of 2"),
        (lambda p, t, d: t("id,carrier\n1,AA\n2\n", "x.csv"), "line 3: 1 columns instead of 2"),
        (lambda p, t, d: t("id,carrier\n" + "1,AA\n" * 300_000 + "2\n1,AA\n", "x.csv"), "line 300002: 1 columns"),
        (lambda p, t, d: t('id,carrier\n1,"AA\n2,UA\n', "x.csv"), "a quote is not closed"),
        (lambda p, t, d: t(b"id,carrier\n1,\xff\xfe\n", "x.csv"), "line 2: not UTF-8"),
        (lambda p, t, d: t(b"\xff\xfeid\n", "x.csv"), "line 1: not UTF-8"),
        (lambda p, t, d: t("id,é\n".encode("utf-16"), "x.csv"), "line 1: not UTF-8"),
        (lambda p, t, d: t("\n1,2\n", "x.csv"), "no names of columns"),
        (lambda p, t, d: t("id,a\r\n1,x\r\n2,y\n", "x.csv"), "line 3: it ends otherwise than line 1"),
        (lambda p, t, d: t("id,a\r1,x\r2,y\r", "x.csv"), "line 1: a carriage return alone"),
        (lambda p, t, d: t(b"id,a\n1," + LONG[:3_000_000] + b"\n", "x.csv"), "line 2: longer than 2,000,000 bytes"),
        (lambda p, t, d: t(b"id,a\n1," + LONG + b"\n", "x.csv"), "the last line is longer than 2,000,000 bytes"),
        (lambda p, t, d: t(b"id,a\n1," + LONG + b"\n2,x\n", "x.csv"), "a line is longer than 2,000,000 bytes"),
        (lambda p, t, d: t(LONG[:2_000_001], "x.csv"), "line 1: longer than 2,000,000 bytes"),
        (lambda p, t, d: t(gzip.compress(b"id\n" + LONG, 1), "x.csv.gz"), "the last line is longer than 2,000,000"),
        (lambda p, t, d: t(b"\x1f\x8bnot gzip", "x.csv.gz"), "unpacked"),
        (lambda p, t, d: t(gzip.compress(os.urandom(9000).hex().encode())[:5000], "x.csv.gz"), "unpacked"),
        (lambda p, t, d: t(gzip.compress(b'{"id": 1}\n' * 99)[:-9], "x.jsonl.gz"), "gzip"),
        (lambda p, t, d: t('{"id": 1}\n{"id": \n', "x.jsonl"), "line 2: not valid JSON (byte 8)"),
        (lambda p, t, d: t('{"id": 1}{"id": 2}\n', "x.jsonl"), "line 1: not valid JSON"),
        (lambda p, t, d: t("id,carrier\n1,AA\n", "x.jsonl"), "line 1: not valid JSON"),
        (lambda p, t, d: t('[{"id": 1}, {"id": 2}, {"id"', "x.json"), "value 3: not valid JSON"),
        (lambda p, t, d: t(b'\xef\xbb\xbf{"id": 1}\n', "x.jsonl"), "line 1: it begins with a byte order mark"),
        (lambda p, t, d: t(b'{"id": "\xff"}\n', "x.jsonl"), "line 1: not valid JSON"),
        (lambda p, t, d: t(b'{"id": "a\0b"}\n', "x.jsonl"), "line 1: not valid JSON"),
        (lambda p, t, d: t(b'{"id": "' + 2 * LONG + b'"}\n', "x.jsonl"), "a value is longer than 16,777,216 bytes"),
        (lambda p, t, d: pipe(d, "x.csv"), "not a regular file"),
        (lambda p, t, d: pipe(d, "x.parquet"), "not a regular file"),
        (lambda p, t, d: link(d, "x.csv", "/dev/zero"), "not a regular file"),
        (lambda p, t, d: link(d, "x.jsonl", "/dev/null"), "not a regular file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding_and_the_rest_is_judged(contract, parquet, text, tmp_path, make, words):
    good, bad = parquet(GOOD, "good.parquet"), make(parquet, text, tmp_path)
    report = validate([bad, good], contract(FLIGHTS))
    assert rules(report) == [("", "readable", 1)]
    (sample,) = report.violations[0].samples
    assert sample["(file)"] == bad.name
    assert words in sample["(problem)"]
    assert str(tmp_path) not in sample["(problem)"]
    assert report.rows == 3
    assert report.summary == "3 rows, 3 columns: 1 file unreadable"


def test_the_command_ends_with_1_for_a_bad_file_2_for_a_bad_contract_and_3_for_none(contract, parquet, text, tmp_path):
    rules, wrong = str(contract(FLIGHTS).file), str(text("properties: {a: {minimum: x}}", "wrong.yaml"))
    good, bad = str(parquet(GOOD)), str(text("", "x.csv"))
    assert run(["validate", good, bad, "--contract", rules]) == 1
    assert run(["validate", str(tmp_path / "gone.csv"), "--contract", rules]) == 3
    assert run(["validate", good, "--contract", wrong]) == 2


def test_a_broken_page_is_found_with_its_row_group_and_column_and_the_other_files_count(contract, parquet, tmp_path):
    one, other = tmp_path / "one.parquet", parquet(HASHES, "other.parquet")
    duckdb.execute(f"COPY ({HASHES}) TO '{one}' (FORMAT parquet, ROW_GROUP_SIZE 6144)")
    garbled(one, 250_000, 250_400)
    report = validate([one, other], contract(properties={"h": {"type": "string", "minLength": 32}}))
    assert report.rows == 20_000
    (found,) = report.violations[0].samples
    assert found["(file)"] == "one.parquet"
    assert found["(problem)"].startswith("row group 2 (rows 6,145 to 12,288), `h`: ")


def test_a_hole_in_the_middle_is_found(contract, parquet):
    file = parquet(HASHES)
    raw = file.read_bytes()
    file.write_bytes(raw[:1000] + raw[5000:])
    report = validate([file], contract(properties={"h": {"type": "string"}, "id": {"minimum": 0}}))
    assert rules(report) == [("", "readable", 1)]


def test_a_string_of_a_parquet_file_that_is_not_utf8_is_found(contract, parquet):
    file = patched(parquet("SELECT 'caf\u00e9' || range AS name FROM range(3)"), "\u00e9".encode(), b"\xff\xfe")
    report = validate([file], contract(properties={"name": {"maxLength": 9}}))
    (found,) = report.violations[0].samples
    assert found["(problem)"] == "row group 1 (rows 1 to 3), `name`: a string is not UTF-8"


def test_a_key_in_a_file_whose_statistics_are_wrong_is_never_miscounted(contract, parquet):
    """Writers have written wrong ones: PARQUET-251."""
    file = parquet("SELECT (range + 1000)::INTEGER AS k FROM range(100)")
    patched(file, (1099).to_bytes(4, "little"), (1005).to_bytes(4, "little"))
    with pytest.raises(WorldError, match="statistics are corrupt"):
        validate([file], contract(**{"x-table": {"unique": ["k"]}}))


def test_a_file_that_vanishes_after_it_was_opened_is_a_finding(contract, parquet, text, monkeypatch):
    module = sys.modules["mlci.contract.judging.validate"]
    files = [parquet(GOOD, "stays.parquet"), parquet(GOOD, "goes.parquet"), text("id,carrier\n1,AA\n", "goes.csv")]
    opened = module.open_tables

    def open_and_lose(*args):
        found = opened(*args)
        files[1].unlink(missing_ok=True)
        files[2].unlink(missing_ok=True)
        return found

    monkeypatch.setattr(module, "open_tables", open_and_lose)
    report = validate(files, contract(FLIGHTS))
    assert report.rows == 3
    assert {row["(file)"]: row["(problem)"] for v in report.violations for row in v.samples} == {
        "goes.parquet": "it is gone",
        "goes.csv": "it is gone",
    }


def test_a_file_that_may_not_be_read_is_a_finding(contract):
    with unprivileged() as folder:
        for name in ("shut.csv", "open.csv"):
            (folder / name).write_text("id,carrier\n1,AA\n2,AA\n3,UA\n", encoding="utf-8")
        (folder / "contract.yaml").write_text(FLIGHTS, encoding="utf-8")
        (folder / "shut.csv").chmod(0)
        report = validate([folder / "shut.csv", folder / "open.csv"], load(folder / "contract.yaml"))
    assert report.rows == 3
    assert report.violations[0].samples == (
        {"(file)": "shut.csv", "(problem)": "it cannot be opened: Permission denied"},
    )


def test_no_files_a_missing_one_a_folder_a_link_to_nothing_and_an_unknown_kind(contract, tmp_path, text):
    some = contract(properties={})
    with pytest.raises(UsageError, match="no data"):
        validate([], some)
    with pytest.raises(WorldError, match=r"gone\.parquet"):
        validate([tmp_path / "gone.parquet"], some)
    with pytest.raises(WorldError, match="is a folder"):
        validate([tmp_path], some)
    with pytest.raises(WorldError, match="a link that leads nowhere"):
        validate([link(tmp_path, "l.csv", "nowhere.csv")], some)
    with pytest.raises(WorldError, match="a link that leads nowhere"):
        validate([link(tmp_path, "loop.csv", "loop.csv")], some)
    with pytest.raises(UsageError, match=r"\.xlsx"):
        validate([text("x", "d.xlsx")], some)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_zero_rows_pass_unless_rows_are_asked_for(contract, parquet, text, form):
    empty = {
        "parquet": lambda: parquet("SELECT 1 AS a WHERE FALSE"),
        "csv": lambda: text("a"),
        "jsonl": lambda: text("\n", "d.jsonl"),
    }
    file = empty[form]()
    report = validate([file], contract(properties={"a": {"type": "integer"}}))
    assert report.passed
    assert report.summary.startswith("0 rows")
    assert rules(validate([file], contract(**{"x-table": {"rows": {"min": 1}}}))) == [("", "rows", 1)]


def test_columns_missing_renamed_of_another_type_or_of_several_types_over_files(contract, parquet, text):
    files = [
        parquet("SELECT 'x' AS a, 1 AS b", "1.parquet"),
        parquet("SELECT 'x' AS \"A\", 1 AS b", "2.parquet"),
        parquet("SELECT 7 AS a, 1.5 AS b", "3.parquet"),
        text("a,b\nx,y\n", "4.csv"),
        text('{"a": ["x"], "b": "1"}\n', "5.jsonl"),
    ]
    some = contract(properties={"a": {"type": "string"}, "b": {"type": "integer"}}, required=["a", "b"])
    report = validate(files, some)
    assert rules(report) == [("a", "required", 1), ("a", "type", 2), ("b", "type", 3)]
    assert report.violations[0].samples[0]["(file)"] == "2.parquet"
    assert [row["(file)"] for row in report.violations[2].samples] == ["3.parquet", "4.csv", "5.jsonl"]


def test_a_key_that_is_there_twice_in_a_row_of_json_is_a_finding(contract, text):
    file = text('{"a": "x", "a": 1}\n{"a": "x"}\n{"a": null, "b": 1, "b": 1}\n{}\n', "d.jsonl")
    report = validate([file], contract(properties={"a": {"type": ["string", "null"]}}))
    assert rules(report) == [("", "duplicate", 2)]


def test_marks_line_ends_and_nul_bytes_are_read_as_they_are(contract, text):
    some = contract(properties={"a": {"enum": ["x", "y"]}}, required=["a"], additionalProperties=False)
    assert validate([text(b"\xef\xbb\xbfa\r\nx\r\ny\r\n", "1.csv"), text('{"a":"x"}\r\n', "2.jsonl")], some).passed
    short = contract(properties={"a": {"maxLength": 2}})
    for file in (text(b"a\nx\0y\n"), text(b'{"a": "x\\u0000y"}\n', "d.jsonl")):
        assert rules(validate([file], short)) == [("a", "maxLength", 1)]


def test_a_row_of_a_megabyte_is_judged(contract, text):
    some = contract(properties={"a": {"minLength": 1_000_000, "maxLength": 1_000_000}})
    files = [text(b"a,b\n" + LONG[:1_000_000] + b",1\n"), text(b'{"a":"' + LONG[:1_000_000] + b'"}\n', "d.jsonl")]
    report = validate(files, some)
    assert report.passed
    assert report.rows == 2


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_MS", "TIMESTAMPTZ"])
def test_timestamps_before_year_0_and_after_9999_are_findings(contract, parquet, kind):
    far = "'0044-03-15 (BC) 00:00:00', '12000-01-01 00:00:00', 'infinity', '-infinity', '0001-01-01', '9999-12-31'"
    file = parquet(f"SELECT unnest([{far}])::{kind} AS t")
    report = validate([file], contract(properties={"t": {"type": "string", "format": "date-time"}}))
    assert rules(report) == [("t", "format", 4)]


def test_dates_beyond_the_range_are_findings(contract, parquet):
    file = parquet("SELECT unnest(['infinity'::DATE, DATE '20000-01-01', DATE '2000-01-01']) AS d")
    report = validate([file], contract(properties={"d": {"type": "string", "format": "date"}}))
    assert rules(report) == [("d", "format", 2)]


def test_the_ends_of_nanoseconds_and_the_timestamps_of_old_writers_are_read(contract, parquet, tmp_path):
    ends = "'1677-09-22 00:00:00', '2262-04-11 00:00:00'"
    file = parquet(f"SELECT unnest([{ends}])::TIMESTAMP_NS AS t")
    assert validate([file], contract(properties={"t": {"format": "date-time", "minLength": 19}})).passed
    old = tmp_path / "int96.parquet"  # 2013-01-01, 9999-12-31 23:59:59 and 0001-01-01 as INT96, by pyarrow
    old.write_bytes(base64.b64decode(INT96))
    report = validate([old], contract(properties={"t": {"enum": ["2013-01-01T00:00:00"], "format": "date-time"}}))
    assert report.rows == 3
    assert rules(report) == [("t", "enum", 2)]


INT96 = (
    "UEFSMRUAFVQVVCwVBhUAFQYVBhwAAAACAAAABgEAAAAAAAAAAOZ6JQAANrRVlE4AACz+UQAAAAAAAAAAAFJEGgAVBBksNQAYBnNjaGVtYRUCABUG"
    "JQIYAXQAFgYZHBkcJgAcFQYZJQYAGRgBdBUAFgYWehZ6JghJHBUAFQAVAgA8KQYZJgAGAAAAFnoWBiYIFnoAKCBwYXJxdWV0LWNwcC1hcnJvdyB2"
    "ZXJzaW9uIDI2LjAuMRkcHAAAAHoAAABQQVIx"
)


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time(contract, text):
    file = text("a\n" + "a" * 100_000 + "!\n" + "a" * 100_000 + "\n")
    assert rules(validate([file], contract(properties={"a": {"pattern": "^(a+)+$"}}))) == [("a", "pattern", 1)]


@pytest.mark.parametrize("deep", [5_000, 10_000])
def test_values_nested_too_deep_for_the_fallback_are_never_let_through(contract, text, deep):
    file = text('{"a":' + "[" * deep + "]" * deep + "}\n", "d.jsonl")
    tree = {"type": "array", "items": {"$ref": "#/$defs/t"}}
    assert rules(validate([file], contract(properties={"a": {"type": "array"}}))) == []
    report = validate([file], contract(**{"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": tree}}))
    assert rules(report) == [("a", "$ref", 1)]


def test_a_small_file_that_unpacks_to_a_great_deal_takes_bounded_memory(contract, tmp_path):
    some = contract(properties={"a": {"type": "integer"}}).file
    with gzip.open(tmp_path / "bomb.csv.gz", "wb", 9) as out:
        out.write(b"a,b\n")
        for _ in range(20):
            out.write(b"12,11\n" * 1_000_000)
    assert (tmp_path / "bomb.csv.gz").stat().st_size < 1_000_000
    command = [sys.executable, "-c", MEMORY, tmp_path / "bomb.csv.gz", some]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert found[:2] == ["20000000", "0"]
    assert int(found[2]) < 350


def test_the_line_of_a_broken_csv_does_not_quote_its_data(contract, text):
    report = validate([text("mail\nalice@example.com,secret\n")], contract(properties={"mail": {"x-sensitive": True}}))
    assert "secret" not in json.dumps(report.facts())


def test_nothing_of_a_broken_file_stays_with_the_next(contract, parquet, text):
    """The engine is used for all files: a fault in one must not change what it says of another."""
    files = [garbled(parquet(HASHES, f"{i}.parquet"), 300, 700) for i in range(3)]
    files += [parquet(GOOD, "good.parquet"), text("id,carrier,delay\n9,AA,\n", "good.csv")]
    report = validate(files, contract(FLIGHTS))
    assert report.rows == 4
    assert duckdb.sql("SELECT 1").fetchall() == [(1,)]
