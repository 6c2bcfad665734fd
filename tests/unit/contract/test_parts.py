"""A file that is known is not read again: whatever is known, the report is that of a full validation.

Tables and contracts by chance. `MLCI_EXAMPLES` asks for more of them.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from mlci.contract import Contract, Report, load, validate
from mlci.contract.query.part import Part
from mlci.errors import ConfigError

EXAMPLES = int(os.environ.get("MLCI_EXAMPLES", "25"))
CHECKED = settings(
    max_examples=EXAMPLES, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
)

DAYS = [date(2013, 1, n) for n in (1, 2, 28)]
POOLS: dict[str, list[Any]] = {
    "TINYINT": [-128, -1, 0, 1, 127],
    "INTEGER": [-3, 0, 1, 2, 3, 2**31 - 1],
    "BIGINT": [-(2**63), -2, 0, 1, 2, 70_000, 2**63 - 1],
    "UBIGINT": [0, 1, 2, 2**63, 2**64 - 1],
    "HUGEINT": [-(2**100), 0, 1, 2**64],
    "DOUBLE": [-0.0, 0.0, 0.5, 1.0, 2.0, math.nan, math.inf, 1e300],
    "FLOAT": [-0.0, 0.0, 0.5, 3.0, math.nan],
    "DECIMAL(6,2)": [Decimal("0.00"), Decimal("0.50"), Decimal("1.00"), Decimal("-7.25")],
    "DECIMAL(18,0)": [Decimal(0), Decimal(1), Decimal(10), Decimal(2**53 + 1)],
    "VARCHAR": ["", "a", "ab", "é", "null", "1", "0.5", "x" * 130, "x" * 131, "2013-01-01", "***"],
    "BOOLEAN": [True, False],
    "DATE": DAYS,
    "BIGINT[]": [[], [1], [1, 1], [2, None]],
    "STRUCT(a INTEGER, b VARCHAR)": [{"a": 1, "b": "x"}, {"a": None, "b": "y"}, {"a": 9, "b": None}],
}
SCALARS = [kind for kind in POOLS if "[" not in kind and "STRUCT" not in kind]
NAMES = ["id", "k", "n", "t", "x"]
RANGES = [(0, 6), (0, 40), (-20, 20), (100, 140), (10**6, 10**6 + 40), (-(2**62), 2**62)]
"""Keys of whole numbers: from where to where, so that files overlap or do not."""


@dataclass(frozen=True)
class Made:
    """A file by chance: its form, the types of its columns, its rows."""

    form: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]


@st.composite
def kinds(draw: st.DrawFn) -> dict[str, str]:
    """The types of the columns that most files have."""
    keys = st.sampled_from(["BIGINT", "INTEGER", "UBIGINT", *SCALARS])
    rest = st.sampled_from(list(POOLS))
    return {"id": draw(keys), "k": draw(keys), "n": draw(rest), "t": draw(st.just("VARCHAR")), "x": draw(rest)}


def cells(kind: str, column: str, spread: tuple[int, int]) -> st.SearchStrategy[Any]:
    pool: st.SearchStrategy[Any] = st.sampled_from(POOLS[kind])
    if column == "id" and kind in ("INTEGER", "BIGINT", "UBIGINT"):
        low, high = spread
        low, high = (max(low, 0), max(high, 0)) if kind == "UBIGINT" else (low, high)
        low, high = (low % 1000, low % 1000 + 40) if kind == "INTEGER" else (low, high)
        pool = st.integers(low, high)
    if column == "id" and kind == "VARCHAR":
        pool = st.integers(0, 40).map(lambda n: f"{spread[0] % 997:03}-{n}") | pool
    return st.one_of(pool, pool, pool, pool, st.none())


@st.composite
def made(draw: st.DrawFn, usual: dict[str, str], form: str) -> Made:
    columns = dict(usual)
    change = draw(st.sampled_from(["", "", "", "drop", "rename", "type"]))
    at = draw(st.sampled_from(NAMES))
    if change in ("drop", "rename"):
        kind = columns.pop(at)
        columns |= {f"{at}2": kind} if change == "rename" else {}
    elif change == "type":
        columns[at] = draw(st.sampled_from(SCALARS))
    spread = draw(st.sampled_from(RANGES))
    row = st.fixed_dictionaries({name: cells(kind, name, spread) for name, kind in columns.items()})
    rows = draw(st.lists(row, max_size=12))
    if form == "jsonl":
        rows = [{k: v for k, v in row.items() if v is not None or draw(st.booleans())} for row in rows]
    return Made(form, columns, rows)


@st.composite
def tables(draw: st.DrawFn) -> list[Made]:
    usual = draw(kinds())
    form = draw(st.sampled_from(["parquet", "parquet", "parquet", "csv", "jsonl", "mixed"]))
    forms = st.sampled_from(["parquet", "csv", "jsonl"]) if form == "mixed" else st.just(form)
    return [draw(made(usual, draw(forms))) for _ in range(draw(st.integers(1, 6)))]


COLUMN = st.sampled_from(
    [
        {},
        {"type": ["integer", "null"], "minimum": 1},
        {"type": "number", "maximum": 1},
        {"type": "string", "maxLength": 2},
        {"enum": [1, "a", None, 0.5]},
        {"type": ["string", "null"], "pattern": "^[a-z0-9-]*$", "x-sensitive": True},
        {"type": "string", "format": "date", "x-severity": "warn"},
        {"type": "array", "items": {"minimum": 2}},
        {"type": "object", "properties": {"a": {"minimum": 5}}},
        {"minimum": 0, "x-tolerance": 0.3},
        {"type": ["number", "null"], "x-nan": "null", "multipleOf": 1},
        {"not": {"const": "a"}},
        {"pattern": "(?=a)a"},
        False,
    ]
)
RULES: dict[str, Any] = {
    "nulls": {"n": {"max": "10%"}, "t": {"max": 0}},
    "distinct": {"t": {"max": 2}, "id": {"min": 5}},
    "monotonic": {"id": "increasing", "n": {"order": "strictlyDecreasing", "tolerance": "10%"}},
    "counts": [{"name": "some", "where": {"properties": {"n": {"minimum": 1}}, "required": ["n"]}, "max": 1}],
    "mean": {"n": {"max": 0.5}, "x": {"min": 1}},
    "quantiles": {"n": {"0.5": {"max": 0}}, "x": {"0.9": {"min": 3}}},
    "freshness": {"t": {"maxAge": "2d"}},
    "sql": {"most": {"select": "count(*) FILTER (WHERE t = 'a')", "max": 0}},
}
ROW_RULES = st.sampled_from(
    [
        {},
        {"dependentRequired": {"n": ["x"]}},
        {"if": {"properties": {"t": {"const": "a"}}, "required": ["t"]}, "then": {"required": ["x"]}},
        {"anyOf": [{"required": ["id"]}, {"minProperties": 4}]},
        {"propertyNames": {"maxLength": 1}},
    ]
)
KEYS = st.sampled_from([[["id"]], [["id"]], [["id", "k"]], [["k"], ["id", "t"]], [["n"], ["x"]], []])


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    rules = draw(st.lists(st.sampled_from(sorted(RULES)), max_size=3, unique=True))
    limits = draw(st.sampled_from([{}, {"rows": {"min": 20}}, {"rows": {"max": 5}}]))
    keys = draw(KEYS)
    unique = {"unique": keys} if keys else {}
    return {
        **draw(ROW_RULES),
        "properties": {name: draw(COLUMN) for name in draw(st.lists(st.sampled_from(NAMES), unique=True))},
        "required": draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)),
        **draw(st.sampled_from([{}, {}, {"additionalProperties": False}])),
        "x-table": {**unique, **limits, **{name: RULES[name] for name in rules}},
    }


def written(folder: Path, tables: Sequence[Made]) -> list[Path]:
    with duckdb.connect(config={"threads": 1}) as db:
        return [_written(db, folder / f"f{n}.{one.form}", one) for n, one in enumerate(tables)]


def _written(db: duckdb.DuckDBPyConnection, file: Path, one: Made) -> Path:
    if one.form == "parquet":
        listed = ", ".join(f'"{name}" {kind}' for name, kind in one.columns.items())
        db.execute(f"CREATE OR REPLACE TABLE t ({listed})")
        if one.rows:
            marks = ", ".join(f"?::{kind}" for kind in one.columns.values())
            lines = ", ".join([f"({marks})"] * len(one.rows))
            db.execute(f"INSERT INTO t VALUES {lines}", [row[name] for row in one.rows for name in one.columns])
        db.execute(f"COPY t TO '{file}' (FORMAT parquet)")
    elif one.form == "csv":
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(one.columns)
            writer.writerows(
                [["" if row[name] is None else text(row[name]) for name in one.columns] for row in one.rows]
            )
    else:
        lines = (json.dumps({k: plain(v) for k, v in row.items()}) + "\n" for row in one.rows)
        file.write_text("".join(lines) or "{}\n", encoding="utf-8")
    return file


def text(value: Any) -> str:
    return json.dumps(plain(value)) if isinstance(value, (dict, list)) else str(value)


def plain(value: Any) -> Any:
    """A value as a line of JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return float(value) if isinstance(value, Decimal) else str(value) if isinstance(value, date) else value


def contract_of(folder: Path, rules: dict[str, Any]) -> Contract:
    file = folder / "contract.json"
    file.write_text(json.dumps(rules), encoding="utf-8")
    try:
        return load(file)
    except ConfigError:  # a rule of the table for a column of another type
        reject()


def kept(report: Report) -> dict[Path, Part]:
    """The parts of a report, as a store has them."""
    return {
        file: Part.from_json(json.loads(json.dumps(part.to_json())))
        for file, part in report.parts.items()
        if part.problem is None
    }


def facts(report: Report) -> dict[str, Any]:
    """All facts but the time, which goes on."""
    found = report.facts()
    json.dumps(found, allow_nan=False)
    for violation in found["violations"]:
        if violation["rule"].startswith("freshness"):
            violation["found"] = ""
    return found


def counts(report: Report) -> dict[tuple[str, str], int]:
    return {(v.column, v.rule): v.count for v in report.violations}


@CHECKED
@given(tables(), contracts(), st.data())
def test_whatever_files_are_known_the_report_is_that_of_all(tables, rules, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contract, files = contract_of(folder, rules), written(folder, tables)
        full = validate(files, contract)
        parts, expected = kept(full), facts(full)
        some = data.draw(st.sets(st.sampled_from(files)))
        alone = {file: part for file in files for part in kept(validate([file], contract)).values()}
        for known in (parts, {f: p for f, p in parts.items() if f in some}, {f: alone[f] for f in some if f in alone}):
            assert facts(validate(files, contract, known=known)) == expected


@CHECKED
@given(tables(), contracts(), st.randoms())
def test_neither_the_order_of_files_nor_the_footer_changes_a_count(tables, rules, random):
    rules["x-table"].pop("monotonic", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contract, files = contract_of(folder, rules), written(folder, tables)
        full = validate(files, contract)
        assert facts(validate(files, contract, footer=False)) == facts(full)
        shuffled = random.sample(files, len(files))
        assert counts(validate(shuffled, contract)) == counts(full)


@CHECKED
@given(tables(), contracts())
def test_rules_of_rows_add_up_over_files(tables, rules):
    rules["x-table"] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contract, files = contract_of(folder, rules), written(folder, tables)
        alone: Counter[tuple[str, str]] = Counter()
        for file in files:
            alone.update(counts(validate([file], contract)))
        assert counts(validate(files, contract)) == dict(alone)


def oracle(tables: Sequence[Made], key: Sequence[str]) -> int:
    """How many rows repeat a key, over Python's values; nulls are left out."""
    seen: Counter[tuple[str | None, ...]] = Counter()
    for one in tables:
        if all(name in one.columns for name in key):
            rows = (tuple(of_key(row.get(name), one) for name in key) for row in one.rows)
            seen.update(row for row in rows if None not in row)
    return sum(seen.values()) - len(seen)


def of_key(value: Any, one: Made) -> str | None:
    """A value of a key as text: a number is the same whatever its type; the cells of text files are as written."""
    if value is None:
        return None
    if one.form == "csv":
        return text(value) or None
    if one.form == "jsonl":
        return plain(value) if isinstance(plain(value), str) else json.dumps(plain(value))
    if isinstance(value, (float, Decimal)) and math.isfinite(value):
        if value == int(value) and abs(value) < 1e38:
            return str(int(value))
        return "1e+300" if value == 1e300 else str(value).rstrip("0")
    return str(value).lower() if isinstance(value, bool) else str(value)


@CHECKED
@given(tables(), st.sampled_from([["id"], ["id", "k"], ["k"], ["k", "t"]]), st.data())
def test_repeated_keys_are_counted_as_python_counts_them(tables, key, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, contract = written(folder, tables), contract_of(folder, {"x-table": {"unique": [key]}})
        full = validate(files, contract)
        assert counts(full).get((", ".join(key), "unique"), 0) == oracle(tables, key)
        some = data.draw(st.sets(st.sampled_from(files)))
        again = validate(files, contract, known={f: p for f, p in kept(full).items() if f in some})
        assert facts(again) == facts(full)


def lying(folder: Path, name: str, columns: str, truth: bytes, lie: bytes) -> Path:
    """A file whose statistics speak of another value than is there."""
    file = folder / name
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT {columns} FROM range(100)) TO '{file}' (FORMAT parquet)")
    raw = file.read_bytes()
    at = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    assert truth in raw[at:]
    file.write_bytes(raw[:at] + raw[at:].replace(truth, lie))
    return file


def test_without_the_footer_statistics_that_lie_are_not_believed(tmp_path):
    low, high = (1099).to_bytes(4, "little"), (1005).to_bytes(4, "little")
    files = [lying(tmp_path, f"{n}.parquet", "(range + 1000)::INTEGER AS k, range AS i", low, high) for n in "ab"]
    rules = {
        "properties": {"k": {"maximum": 1009}},
        "x-table": {"unique": ["k"], "quantiles": {"k": {"1": {"max": 1050}}}, "mean": {"k": {"max": 1000}}},
    }
    contract = contract_of(tmp_path, rules)
    expected = {("k", "maximum"): 90, ("k", "quantiles 1"): 1, ("k", "mean"): 1}
    assert counts(validate(files[:1], contract, footer=False)) == expected
    both = validate(files, contract, footer=False)
    assert counts(both) == {**expected, ("k", "maximum"): 180, ("k", "unique"): 100}
    known = validate(files[:1], contract, footer=False).parts
    assert facts(validate(files, contract, known=known, footer=False)) == facts(both)
    assert validate(files[:1], contract_of(tmp_path, {"properties": {"k": {"maximum": 1009}}})).passed  # believed


def test_without_the_footer_a_count_of_nulls_that_lies_is_not_believed(tmp_path):
    """`null_count` (field 3 of Statistics, a zigzag varint) says 0 where half of the values are null."""
    columns = "CASE WHEN range % 2 = 0 THEN range::INTEGER END AS k"
    file = lying(tmp_path, "a.parquet", columns, b"\x16\x64\x28", b"\x16\x00\x28")
    contract = contract_of(tmp_path, {"properties": {"k": {"type": "integer"}}})
    assert counts(validate([file], contract, footer=False)) == {("k", "null"): 50}


@pytest.mark.parametrize("n", [1, 3])
def test_a_column_of_which_the_footer_proves_the_rules_is_not_read(tmp_path, n):
    files = [tmp_path / f"{i}.parquet" for i in range(n)]
    for file in files:
        with duckdb.connect() as db:
            db.execute(f"COPY (SELECT range::INTEGER AS k, range AS i FROM range(100)) TO '{file}' (FORMAT parquet)")
        raw = file.read_bytes()
        file.write_bytes(raw[:4] + b"\xff" * 100 + raw[104:])  # the pages of k
    contract = contract_of(tmp_path, {"properties": {"k": {"type": "integer", "maximum": 99}, "i": {"minimum": 0}}})
    assert validate(files, contract).passed
    assert [v.rule for v in validate(files, contract, footer=False).violations] == ["readable"] * n


def test_what_no_footer_proves_is_read(tmp_path):
    queries = ["range::INTEGER AS k", "(range + 1)::INTEGER AS k", "nullif(range, 7)::INTEGER AS k"]
    with duckdb.connect() as db:
        for i, query in enumerate(queries):
            db.execute(f"COPY (SELECT {query} FROM range(100)) TO '{tmp_path}/{i}.parquet' (FORMAT parquet)")
    files = sorted(tmp_path.glob("*.parquet"))
    for limit, broken in ((98, 4), (99, 1), (100, 0)):
        contract = contract_of(tmp_path, {"properties": {"k": {"type": "integer", "minimum": 0, "maximum": limit}}})
        expected = {("k", "null"): 1, **({("k", "maximum"): broken} if broken else {})}
        assert counts(validate(files, contract)) == expected


def test_numbers_of_rows_that_contradict_each_other_are_told(tmp_path):
    """The file's number of rows, field 3 of FileMetaData, comes before the list of row groups."""
    file = lying(tmp_path, "a.parquet", "range::INTEGER AS k", b"\x16\xc8\x01\x19\x1c", b"\x16\xc6\x01\x19\x1c")
    (found,) = validate([file], contract_of(tmp_path, {"properties": {"k": {}}})).violations
    assert found.samples[0]["(problem)"] == "its footer speaks of 99 rows, and of 100 in all row groups"
