"""Random schemas over random tables, tens of thousands of verdicts: each is that of jsonschema-rs.

A table is judged as a user has it judged: every broken row is among the samples. Disagreements that were found are kept
in `disagreements.json`.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import jsonschema_rs
import pytest

from mlci.contract import load, validate, verdicts
from tests.unit.contract.chance import CELLS, PLAIN, POOLS, definitions, schema, value, without
from tests.unit.contract.test_agreement import read_cell

SEED = int(os.environ.get("MLCI_SEED", "20260801"))
TIMES = int(os.environ.get("MLCI_TIMES", "1"))
"""Another seed, or more times, find rarer disagreements."""
JUDGED: Counter[str] = Counter()
"""How many verdicts were compared, by the form of the data."""
KEPT = Path(__file__).with_name("disagreements.json")
ROWS = 120


def endless(instance: Any) -> bool:
    """Whether NaN or an infinity is in it."""
    if isinstance(instance, (dict, list)):
        return any(map(endless, instance.values() if isinstance(instance, dict) else instance))
    return isinstance(instance, float) and not math.isfinite(instance)


def valid(judge: jsonschema_rs.Draft202012Validator, instance: Any) -> bool:
    """The reference's verdict. What is not JSON is not valid; jsonschema-rs takes NaN for null."""
    if endless(instance):
        return False
    try:
        return judge.is_valid(instance)
    except (ValueError, TypeError):
        return False


def reference(found: Any, defs: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    found = {**found, "$defs": defs} if isinstance(found, dict) else found
    return jsonschema_rs.Draft202012Validator(found, validate_formats=True)


def broken(file: Path, contract: dict[str, Any], rows: int) -> dict[str, set[int]]:
    """The numbers (`i`) of the rows that break a rule of each column, and of the row as a whole (no column)."""
    path = file.with_name("contract.json")
    path.write_text(json.dumps({**contract, "x-table": {"unique": ["i"]}}), encoding="utf-8")
    report = validate([file], load(path), samples=rows)
    assert report.rows == rows
    json.dumps(report.facts(), allow_nan=False)
    found: dict[str, set[int]] = {}
    for violation in report.violations:
        assert violation.count == min(len(violation.samples), rows), violation
        found.setdefault(violation.column, set()).update(int(row["i"]) for row in violation.samples)
    return found


def plain(instance: Any) -> Any:
    """A value of DuckDB as JSON has it; decimals stay exact."""
    if isinstance(instance, dict):
        return {name: plain(below) for name, below in instance.items()}
    if isinstance(instance, (list, tuple)):
        return [plain(below) for below in instance]
    return instance if isinstance(instance, (bool, int, float, str, Decimal, type(None))) else str(instance)


def compare(form: str, found: dict[str, set[int]], contract: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Each column of each row, and each row as a whole, against the reference."""
    columns = contract["properties"]
    for name, column in columns.items():
        judge = reference(column, contract["$defs"])
        for i, row in enumerate(rows):
            if name in row:
                assert (i not in found.get(name, ())) == valid(judge, row[name]), (column, contract["$defs"], row[name])
                JUDGED[form] += 1
    judge = reference({k: v for k, v in contract.items() if k != "$defs"}, contract["$defs"])
    bad = set().union(*found.values())
    for i, row in enumerate(rows):
        assert (i not in bad) == valid(judge, row), (contract, row)
    JUDGED[form] += len(rows)


@pytest.mark.parametrize("seed", range(150 * TIMES))
def test_each_value_is_judged_as_the_reference_does(seed):
    rng = random.Random(SEED + seed)
    defs = definitions(rng)
    found = schema(rng, 3)
    found = {**found, "$defs": defs} if isinstance(found, dict) else found
    values = [value(rng) for _ in range(ROWS)]
    judge = reference(found, defs)
    for instance, verdict in zip(values, verdicts(found, values), strict=True):
        assert verdict == valid(judge, instance), (found, instance)
    JUDGED["values"] += len(values)


@pytest.fixture(scope="module")
def pools():
    """The values of each type, as lists in an engine."""
    with duckdb.connect() as db:
        for n, (kind, values) in enumerate(POOLS.items()):
            db.execute(f"CREATE TABLE p{n} (v {kind})")
            db.executemany(f"INSERT INTO p{n} VALUES (?)", [[v] for v in [*values, None]])
            db.execute(f"SET VARIABLE p{n} = (SELECT list(v ORDER BY rowid) FROM p{n})")
        yield db


def contract_of(rng: random.Random, names: list[str], *, deep: int = 2) -> dict[str, Any]:
    row = schema(rng, 2)
    row = {k: v for k, v in row.items() if k not in ("type", "properties", "enum", "const")} if row is not True else {}
    return {**row, "properties": {name: schema(rng, deep) for name in names}, "$defs": definitions(rng)}


@pytest.mark.parametrize("seed", range(30 * TIMES))
def test_each_row_of_a_parquet_file_is_judged_as_the_reference_does(seed, pools, tmp_path):
    rng = random.Random(SEED + seed)
    kinds = rng.sample(range(len(POOLS)), 7)
    names = rng.sample(["a", "b", "a/b", "0", "é", "it's", 'c "x', "d", "e"], len(kinds))
    picks = [
        f"getvariable('p{n}')[1 + (hash(range, {seed}, {n}) % {len(list(POOLS.values())[n]) + 1})::INT]" for n in kinds
    ]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    columns = ", ".join(f"{pick} AS {name}" for pick, name in zip(picks, quoted, strict=True))
    pools.execute(f"COPY (SELECT range AS i, {columns} FROM range({ROWS})) TO '{tmp_path}/t.parquet' (FORMAT parquet)")
    stored = pools.execute(f"SELECT * FROM '{tmp_path}/t.parquet' ORDER BY i").fetchall()
    rows = [dict(zip(["i", *names], map(plain, row), strict=True)) for row in stored]
    contract = contract_of(rng, names)
    compare("parquet", broken(tmp_path / "t.parquet", contract, ROWS), contract, rows)


@pytest.mark.parametrize("seed", range(24 * TIMES))
def test_each_row_of_json_lines_is_judged_as_the_reference_does(seed, tmp_path):
    rng = random.Random(SEED + seed)
    names = rng.sample(["a", "b", "a/b", "0", "é", "it's", "~1"], 5)
    made = [{name: value(rng) for name in names if rng.random() < 0.8} for _ in range(ROWS)]
    rows = [{"i": i, **row} for i, row in enumerate(made)]
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    contract = contract_of(rng, names)
    compare("json", broken(file, contract, ROWS), contract, rows)


def mapping(rng: random.Random) -> dict[str, Any]:
    found = schema(rng, 1)
    return found if isinstance(found, dict) else {}


@pytest.mark.parametrize("seed", range(16 * TIMES))
def test_each_cell_of_a_csv_file_is_judged_as_the_reference_does(seed, tmp_path):
    rng = random.Random(SEED + seed)
    columns = {f"c{n}": {**without(mapping(rng), "$ref"), "type": PLAIN["type"](rng, 0)} for n in range(10)}
    rows = [[str(i), *(rng.choice(["", *CELLS]) for _ in columns)] for i in range(ROWS)]
    file = tmp_path / "t.csv"
    file.write_text("".join(",".join(row) + "\n" for row in [["i", *columns], *rows]), encoding="utf-8")
    found = broken(file, {"properties": columns}, ROWS)
    for n, (name, column) in enumerate(columns.items()):
        judge = reference(column, {})
        for i, row in enumerate(rows):
            seen = read_cell(row[n + 1], column)
            assert (i not in found.get(name, ())) == valid(judge, seen), (column, row[n + 1])
            JUDGED["csv"] += 1


def test_what_was_found_once_stays_right(tmp_path):
    """Each disagreement as a value, and, where the row is an object, as a line of JSON."""
    for case in json.loads(KEPT.read_text(encoding="utf-8")):
        found, row = case["schema"], case["row"]
        assert verdicts(found, [row]) == [case["valid"]], case
        if isinstance(row, dict):
            lines = tmp_path / "t.jsonl"
            lines.write_text(json.dumps({"i": 0, **row}), encoding="utf-8")
            assert (not broken(lines, found, 1)) == case["valid"], case


def test_tens_of_thousands_of_verdicts_were_compared():
    assert JUDGED["values"] >= 15_000
    assert JUDGED["parquet"] >= 15_000
    assert JUDGED["json"] >= 10_000
    assert JUDGED["csv"] >= 15_000
