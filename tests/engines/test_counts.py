"""The same contract over the same rows counts the same on DuckDB, Postgres and Spark, rule by rule."""

from __future__ import annotations

import datetime
import math
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from mlci.contract import Report, load, validate

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
ENGINES = ("postgres", "pyspark")


def counts(report: Report) -> dict[tuple[str, str], int]:
    return {(v.column, v.rule): v.count for v in report.violations}


FAULTS = """
with numbered as (select *, row_number() over (order by flight_id) as n from read_parquet('{month}')),
faulty as (
    select * replace (
        case when n between 101 and 104 then lower(flight_id) else flight_id end as flight_id,
        case when n between 201 and 208 then 2012 else year end as year,
        case when n between 301 and 310 then 0 else month end as month,
        case when n between 401 and 402 then 8 else weekday end as weekday,
        case when n between 501 and 509 then 25 else hour end as hour,
        case when n between 601 and 612 then 'ZZ' else carrier end as carrier,
        case when n between 701 and 705 then null else origin end as origin,
        case when n = 801 then 'PDXX' when n = 802 then E'PDX\\n' else dest end as dest,
        case when n between 901 and 907 then -distance else distance end as distance,
        case when n between 1001 and 1006 then 'NaN'::double when n = 1007 then 'inf'::double else temp end as temp,
        case when n between 1101 and 1111 then 1060.5 else pressure end as pressure
    ) from numbered
)
select * exclude (n) from (from faulty union all from faulty where n between 5001 and 5003)
"""
FOUND = {
    ("flight_id", "pattern"): 4,
    ("year", "const"): 8,
    ("month", "minimum"): 10,
    ("weekday", "maximum"): 2,
    ("hour", "maximum"): 9,
    ("carrier", "enum"): 12,
    ("origin", "null"): 5,
    ("dest", "pattern"): 2,
    ("distance", "minimum"): 7,
    ("temp", "type"): 7,
    ("pressure", "maximum"): 11,
    ("flight_id", "unique"): 3,
}


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """April of the example's flights, with twelve faults."""
    folder = tmp_path_factory.mktemp("flights")
    for name in ("prepare.py", "requirements-data.lock"):
        shutil.copy(FLIGHTS / name, folder)
    subprocess.run([sys.executable, "prepare.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    file = folder / "faulty.parquet"
    with duckdb.connect() as db:
        db.execute(f"COPY ({FAULTS.format(month=folder / 'data' / '2013-04.parquet')}) TO '{file}' (FORMAT parquet)")
    return file


def test_duckdb_finds_the_twelve_faults_that_are_planted_in_the_flights(flights):
    assert counts(validate([flights], load(FLIGHTS / "contract.yaml"))) == FOUND


@pytest.mark.parametrize("engine", ENGINES)
def test_another_engine_finds_the_same_twelve_faults(engine, flights, counted):
    report = counted(engine, flights, load(FLIGHTS / "contract.yaml"))
    assert counts(report) == FOUND
    assert report.rows == 27_567
    assert all(len(v.samples) == min(v.count, 5) for v in report.violations)
    assert [row["carrier"] for v in report.violations if v.rule == "enum" for row in v.samples] == ["ZZ"] * 5


ODD = {
    "id": pa.array([1, 2, 2, 4, None, 6, 8, 2**31 - 1], "int32"),
    "x": [0.1, 0.3, math.nan, None, 1e300, math.inf, 0.35, 0.30000000000000004],
    "w": [1.0, 1.5, math.nan, None, 1e300, -math.inf, -0.0, 2.0**53 + 2],
    "d": pa.array([Decimal(n).scaleb(-2) for n in (150, 5, 7, 100, 149, -5, 0, 999999)], pa.decimal128(6, 2)),
    "s": ["a", "ab", "a\nb", "${x}", "é😀", "a'\\b", "a\n", "abcd"],
    "mail": ["a@b.de", "no", '"x y"@b.de', "a@b", "é@b.de", None, "a b@c.de", "a.b@c-d.org"],
    "day": pa.array([datetime.date(2013, 1, 1)] * 7 + [None], "date32"),
    "at": pa.array([datetime.datetime(2013, 1, 1, 5)] * 6 + [None] * 2, pa.timestamp("us")),
    "date": [
        "2012-02-29",
        "2013-02-29",
        "1900-02-29",
        "2000-02-29",
        "0000-02-29",
        "2013-13-01",
        "2013-1-1",
        "2013-04-31",
    ],
    "instant": [
        *("2013-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "2016-12-31T22:59:60Z", "2016-12-31T15:59:60-08:00"),
        *("2013-01-01t00:00:00.5+05:30", "2013-01-01T24:00:00Z", "2013-01-01T00:00:00", "2013-02-29T00:00:00Z"),
    ],
    "yes": [True, False, None, True, True, True, True, True],
    "f": pa.array([1.0, math.nan, *[0.5] * 5, 0.1], "float32"),
}
RULES = r"""
required: [id, gone]
additionalProperties: false
properties:
  id: {type: integer, minimum: 2, maximum: 2147483646.5, multipleOf: 2}
  x: {type: [number, "null"], minimum: 0.1, exclusiveMaximum: 1.0e300, multipleOf: 0.1}
  w: {type: integer, maximum: 9007199254740993}
  d: {type: number, multipleOf: 0.05, exclusiveMaximum: 1.5, enum: [0.05, 0, 1, 1.49, 0.001]}
  s: {type: string, pattern: '^[a-z]+\b.?$', maxLength: 3, enum: [a, ab, "a\nb", "${x}", "é😀", "a'\\b"]}
  mail: {type: string, format: email}
  day: {type: string, format: date, pattern: '^2013-01', const: "2013-01-02"}
  at: {type: string, format: date-time}
  date: {type: string, format: date}
  instant: {type: string, format: date-time}
  yes: {const: true, not: {type: "null"}}
if: {properties: {id: {const: 2}}}
then: {properties: {x: {type: number, minimum: 1}}}
else: {properties: {s: {maxLength: 4}}}
anyOf: [{properties: {id: {minimum: 4}}}, {properties: {yes: {const: true}}}]
oneOf: [{properties: {x: {minimum: 0.3}}}, {properties: {d: {minimum: 1}}}, {required: [nowhere]}]
dependentRequired: {id: [nowhere]}
propertyNames: {maxLength: 6}
maxProperties: 11
x-table: {unique: [[id], [s, yes]], rows: {min: 100}}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_odd_values_count_the_same_as_on_duckdb(engine, tmp_path, contract, counted):
    file, rules = tmp_path / "odd.parquet", contract(RULES)
    pa.parquet.write_table(pa.table(ODD), file)
    here, there = validate([file], rules), counted(engine, file, rules)
    assert counts(there) == counts(here)
    assert {left.rule for left in there.fallback} == {"multipleOf", "format"}
    assert len(there.violations) > 25


NESTED = {
    "place": [{"lat": 1.0, "name": "a"}, {"lat": math.nan, "name": "b"}, None, {"lat": None, "name": "toolong"}],
    "tags": [["a", "b"], [], None, ["c", "c"]],
}
NESTED_RULES = """
properties:
  place:
    type: object
    required: [lat]
    properties: {lat: {type: number, maximum: 90}, name: {type: string, maxLength: 3}}
    maxProperties: 2
  tags: {type: [array, "null"], minItems: 1, uniqueItems: true, items: {type: string, enum: [a, b, c]}}
"""


def test_spark_looks_into_structs_and_leaves_the_elements_of_lists_to_the_fallback(tmp_path, contract, counted):
    file, rules = tmp_path / "nested.parquet", contract(NESTED_RULES)
    pa.parquet.write_table(pa.table(NESTED), file)
    here, there = validate([file], rules), counted("pyspark", file, rules)
    assert counts(there) == counts(here)
    assert {left.rule for left in there.fallback} == {"uniqueItems", "items"}
