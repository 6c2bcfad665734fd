"""A first contract: the data that it was inferred from keeps it, whatever the data is."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.contract import load, validate
from mlci.contract.learn.infer import infer
from mlci.contract.learn.write import to_yaml
from mlci.errors import UsageError, WorldError
from tests.unit.contract.test_agreement import CELLS, COLUMNS, JSON_VALUES

EXAMPLES = int(os.environ.get("MLCI_EXAMPLES", "12"))
"""More find rarer faults."""


def inferred(files: Sequence[Path]) -> str:
    """The contract's text; the files keep it."""
    found = infer(files)
    text = to_yaml(found.schema, found.notes)
    contract = files[0].with_name("inferred.yaml")
    contract.write_text(text, encoding="utf-8")
    report = validate(files, load(contract))
    assert report.passed, (text, report.violations)
    return text


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_every_parquet_file_keeps_the_contract_inferred_from_it(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=8))
    values = st.tuples(*(st.none() | COLUMNS[kind] for kind in kinds))
    rows = data.draw(st.lists(values, max_size=30))
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        columns = ", ".join(f'"c{i} ""x" {kind}' for i, kind in enumerate(kinds))
        connection.execute(f"CREATE TABLE t ({columns})")
        if rows:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(kinds))})", rows)
        connection.execute(f"COPY t TO '{folder}/t.parquet' (FORMAT parquet)")
        inferred([Path(folder, "t.parquet")])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_every_csv_file_keeps_the_contract_inferred_from_it(data):
    cells = (
        st.sampled_from([c for c in CELLS if "\n" not in c]) | st.integers().map(str) | st.text("aZ09-. ", max_size=5)
    )
    width = data.draw(st.integers(1, 5))
    rows = data.draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=30))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.csv")
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([[*(f"c{i}" for i in range(width)), "last"], *([*row, "x"] for row in rows)])
        inferred([file])


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", 'b "~/', ""]), JSON_VALUES, max_size=3), min_size=1, max_size=12))
def test_every_json_lines_file_keeps_the_contract_inferred_from_it(rows):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        inferred([file])


ORDERS = """SELECT range AS id, 'N' || (100 + range) AS tail,
  CASE WHEN range % 7 = 0 THEN 'XX' ELSE 'AA' END AS carrier,
  DATE '2020-01-01' + (range % 50)::INTEGER AS day, (range % 3) * 5 AS size, range * 0.5 AS price,
  CASE WHEN range % 10 = 0 THEN NULL ELSE range % 4 END AS stars, md5(range::VARCHAR) AS hash FROM range(200)"""


def test_the_contract_says_what_was_seen(parquet):
    file = parquet(ORDERS, "orders.parquet")
    assert inferred([file]) == inferred([file]) == (Path(__file__).parent / "inferred.yaml").read_text(encoding="utf-8")


def test_what_a_few_values_suggest_and_one_of_many_breaks_gives_way(parquet):
    query = "SELECT CASE WHEN range = 77777 THEN 'é!' ELSE 'A' || range END AS x FROM range(100000)"
    assert "pattern" not in inferred([parquet(query)])


def test_nan_is_left_out_and_the_contract_says_so(parquet):
    text = inferred([parquet("SELECT 1 AS a, unnest(['nan'::DOUBLE, 2]) AS x")])
    assert "# x: left out: 1 values that are not number" in text
    assert "required: [a]" in text


def test_files_of_different_columns_are_one_table(parquet):
    one, other = parquet("SELECT 1 AS a, 2 AS b", "1.parquet"), parquet("SELECT 7::BIGINT AS a", "2.parquet")
    text = inferred([one, other])
    assert "required: [a]" in text
    assert "INTEGER | BIGINT, no nulls, 2 distinct, 1 to 7" in text
    assert "in 1 of 2 rows" in text


def test_texts_are_not_quoted_in_remarks(parquet):
    query = "SELECT 'person' || range || '@example.org' AS mail FROM range(100)"
    assert "example.org" not in "".join(line for line in inferred([parquet(query)]).splitlines() if "#" in line)


def test_a_file_that_cannot_be_read_is_said(text):
    with pytest.raises(WorldError, match="not a Parquet file"):
        infer([text("x", "a.parquet")])
    with pytest.raises(UsageError, match="there twice"):
        infer([text("a,a\n1,2\n")])
    with pytest.raises(UsageError, match="no files"):
        infer([])


def test_formats_that_every_text_fits_are_said_and_one_text_among_many_takes_them_back(parquet):
    made = "uuid()::VARCHAR AS u, '10.0.0.' || range % 256 AS i, 'u' || range || '@example.org' AS m"
    text = inferred([parquet(f"SELECT {made}, 'https://example.org/' || range AS w FROM range(5000)")])
    assert all(f"format: {name}" in text for name in ("uuid", "ipv4", "email", "uri"))
    made = "'2001:db8::' || hex(range) AS v, 'n' || range || '.eu.example.org' AS h"
    made += ", '12:00:' || 10 + range % 50 || 'Z' AS t"
    text = inferred([parquet(f"SELECT {made} FROM range(5000)")])
    assert all(f"format: {name}" in text for name in ("ipv6", "hostname", "time"))
    made = "CASE WHEN range = 4321 THEN 'nobody' ELSE 'u' || range || '@example.org' END AS m"
    assert "email" not in inferred([parquet(f"SELECT {made} FROM range(5000)")])


@pytest.mark.parametrize(
    "made", ["'photo' || range || '.jpg'", "'word' || range", "'1.2.' || range", "'aa:bb:cc:dd:ee:' || 10 + range % 90"]
)
def test_words_files_versions_and_hardware_are_no_hosts_and_no_addresses(parquet, made):
    assert "format" not in inferred([parquet(f"SELECT {made} AS x FROM range(500)")])


PANEL = "SELECT 's' || range % 40 AS store, DATE '2026-01-01' + (range // 40)::INTEGER AS day, range * 0.5 AS sold"


def test_columns_that_are_unique_together_are_a_key_where_none_is_alone(parquet):
    assert "unique: [store, day]" in inferred([parquet(f"{PANEL} FROM range(4000)")])
    days = ["1.parquet", "2.parquet"]
    files = [parquet(f"{PANEL} FROM range({i * 4000}, {i * 4000 + 4000})", name) for i, name in enumerate(days)]
    assert "unique: [store, day]" in inferred(files)
    assert "unique" not in inferred([parquet(f"{PANEL} FROM range(4000) UNION ALL {PANEL} FROM range(1)")])


def test_three_columns_are_a_key_where_no_two_are(parquet):
    made = "range % 10 AS a, range // 10 % 20 AS b, range // 200 % 30 AS c, range * 0.5 AS x"
    assert "unique: [a, b, c]" in inferred([parquet(f"SELECT {made} FROM range(6000)")])


def test_a_key_is_not_made_of_numbers_with_a_point_of_nulls_or_of_what_hardly_repeats(parquet):
    made = "range % 40 AS store, nullif(range // 40, 3) AS day, (range // 40)::DOUBLE AS at"
    assert "unique" not in inferred([parquet(f"SELECT {made} FROM range(4000)")])
    made = "hash(range) % 3000 AS a, hash(range + 7) % 3000 AS b"
    assert "unique" not in inferred([parquet(f"SELECT {made} FROM range(4000)")])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([200, 404, 500], "enum: [200, 404, 500]"),
        ([0, 5, 10], "enum: [0, 5, 10]"),
        ([-1, 1, 9], "enum: [-1, 1, 9]"),
        ([0, 1, 2, 4], "minimum: 0"),
        ([2024, 2025, 2027], "minimum: 2024"),
        (list(range(0, 90, 10)), "minimum: 0"),
    ],
)
def test_few_whole_numbers_are_an_enumeration_where_they_do_not_look_like_a_count(parquet, values, said):
    assert said in inferred([parquet(f"SELECT {values}[1 + range % {len(values)}] AS x FROM range(200)")])
    assert "enum" not in inferred([parquet(f"SELECT {values}[1 + range % {len(values)}] AS x FROM range(20)")])


def test_a_key_that_is_there_twice_is_told(text):
    with pytest.raises(UsageError, match=r"twice\.jsonl: a row has a key twice"):
        infer([text('{"a": 1, "a": 2}\n', "twice.jsonl")])
