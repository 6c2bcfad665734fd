"""Row for row, the verdict is that of jsonschema-rs: random schemas over random tables, in each form of file."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.contract import load, validate
from mlci.contract.language.plan import plan
from mlci.contract.query.engine import engine
from mlci.contract.query.judge import printed_checks
from mlci.contract.query.tables import open_tables

EXAMPLES = int(os.environ.get("MLCI_EXAMPLES", "25"))
"""More find rarer disagreements."""
BIG = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1]
STRINGS = ["", "a", "ab", "a\n", "é", "\N{GRINNING FACE}x", "12", "2013-01-01", "2013-02-30", "it's", '"', "null", "\0"]
INSTANTS = ["2013-01-01T00:00:00Z", "2013-01-01t00:00:00.5+05:30", "2013-01-01 00:00:00", "2016-12-31T23:59:60Z"]
INSTANTS += ["2016-12-31T22:59:60Z", "2016-12-31T15:59:60-08:00", "2017-01-01T07:59:60+08:00", "2013-13-01T00:00:00Z"]
INSTANTS += ["2013-01-01T24:00:00Z", "2013-01-01T00:00:00", "0000-01-01T00:00:00Z", "2013-01-01T00:00:00Zx", "2013-1-1"]
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 0.1, 1e300, 2.0**53, 2.0**53 + 2, math.nan, math.inf]),
    st.floats(-4, 4, width=32),
)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "TINYINT": st.integers(-4, 4),
    "BIGINT": st.integers(-4, 4) | st.sampled_from(BIG),
    "UBIGINT": st.integers(0, 4) | st.sampled_from([2**53 + 1, 2**64 - 1]),
    "HUGEINT": st.integers(-4, 4) | st.sampled_from([2**64, -(2**100)]),
    "DOUBLE": FLOATS,
    "FLOAT": FLOATS.filter(lambda x: math.isnan(x) or abs(x) < 1e30 or math.isinf(x)),
    "DECIMAL(6,2)": st.integers(-400, 400).map(lambda n: Decimal(n).scaleb(-2)),
    "BOOLEAN": st.booleans(),
    "VARCHAR": st.sampled_from(STRINGS + INSTANTS) | st.text("ab1é ", max_size=4),
    "DATE": st.dates(date(1, 1, 1)),
    "TIMESTAMP": st.datetimes(datetime(1, 1, 1)),
    "INTEGER[]": st.lists(st.integers(0, 3), max_size=2),
    "STRUCT(a INTEGER)": st.fixed_dictionaries({"a": st.integers(0, 3)}),
}
LIMITS = st.one_of(st.integers(-4, 4), st.sampled_from([0.1, 1.5, -0.25, 1.0, 1e300, *BIG, 2**200, -(2**200)]))
SCALARS = st.one_of(
    st.none(), st.booleans(), LIMITS, st.sampled_from([s for s in STRINGS if s != "\0"] + ["2013-01-01T00:00:00"])
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
RULES = {
    "minimum": LIMITS,
    "maximum": LIMITS,
    "exclusiveMinimum": LIMITS,
    "exclusiveMaximum": LIMITS,
    "multipleOf": st.integers(1, 3) | st.just(2.0),
    "enum": st.lists(SCALARS, min_size=1, max_size=4),
    "const": SCALARS,
    "pattern": st.sampled_from(["^a", "b$", r"^\d", "é", "^.$", r"\s", "'", '"']),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "format": st.sampled_from(["date", "date-time"]),
}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A column's schema in the supported subset."""
    out: dict[str, Any] = {}
    if draw(st.booleans()):
        types = draw(st.lists(TYPES, min_size=1, max_size=3, unique=True))
        out["type"] = types[0] if len(types) == 1 else types
    for keyword in draw(st.lists(st.sampled_from(sorted(RULES)), max_size=2, unique=True)):
        out[keyword] = draw(RULES[keyword])
    return out


def reference(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def verdicts(file: Path, schema: dict[str, Any]) -> list[dict[str, bool]]:
    """For each row, in the file's order, whether each column keeps its rules; the report must say the same."""
    path = file.with_name("contract.json")
    path.write_text(json.dumps(schema), encoding="utf-8")
    contract = load(path)
    report = validate([file], contract, samples=2)
    with engine() as db:
        (table,), unreadable = open_tables(db, [file])
        assert not unreadable
        printed = [(p.check, p.fails) for p in printed_checks(table, plan(contract))]
        order = "ORDER BY file_row_number" if table.numbered else ""
        db.rows("SET preserve_insertion_order = true")
        broken = ["TRUE", *(f"coalesce({sql}, FALSE)" for _, sql in printed)]
        rows = [row[1:] for row in db.rows(f"SELECT {', '.join(broken)} FROM {table.source} {order}")]
    assert report.rows == len(rows)
    counts = {(v.column, v.rule): v.count for v in report.violations if v.count and table.column(v.column)}
    assert counts == {
        (c.column, c.rule): n for (c, _), n in zip(printed, map(sum, zip(*rows, strict=True)), strict=True) if n
    }
    json.dumps(report.facts(), allow_nan=False)
    columns = {check.column for check, _ in printed}
    return [
        {
            name: not any(bad for bad, (check, _) in zip(row, printed, strict=True) if check.column == name)
            for name in columns
        }
        for row in rows
    ]


def as_json(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_each_value_of_a_parquet_file_is_judged_as_the_reference_does(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=8))
    names = [f'c{i} "x' for i in range(len(kinds))]
    rows = data.draw(st.lists(st.tuples(*(st.none() | COLUMNS[kind] for kind in kinds)), min_size=1, max_size=8))
    schema = {name: data.draw(schemas()) for name in names}
    for name, kind in zip(names, kinds, strict=True):
        if kind in ("DATE", "TIMESTAMP"):  # rules on the text of dates have an example of their own
            kept = {k: v for k, v in schema[name].items() if k in ("type", "minimum", "multipleOf")}
            schema[name] = kept | ({"format": "date"} if kind == "DATE" else {})
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(quoted, kinds, strict=True))
        connection.execute(f"CREATE TABLE t ({columns})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(kinds))})", rows)
        stored = connection.execute("SELECT * FROM t").fetchall()
        connection.execute(f"COPY t TO '{folder}/t.parquet' (FORMAT parquet)")
        found = verdicts(Path(folder, "t.parquet"), {"properties": schema})
    for i, name in enumerate(names):
        judge = reference(schema[name])
        for row, verdict in zip(stored, found, strict=True):
            finite = not isinstance(row[i], float) or math.isfinite(row[i])
            valid = finite and judge.is_valid(as_json(row[i]))
            assert verdict.get(name, True) == valid, (schema[name], row[i], kinds[i])


JSON_VALUES = st.one_of(
    SCALARS.filter(lambda x: not isinstance(x, (int, float)) or abs(x) <= 2**53),
    st.sampled_from([*STRINGS, *INSTANTS]),
    st.just([1]),
    st.just({"a": 1}),
    st.integers(-4, 4),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_each_line_of_a_json_lines_file_is_judged_as_the_reference_does(data):
    names = ["a", "A", 'b "~/', ""][: data.draw(st.integers(1, 4))]
    keys = st.sampled_from([*names, "other"])
    rows = data.draw(st.lists(st.dictionaries(keys, JSON_VALUES, max_size=4), min_size=1, max_size=12))
    schema = {
        "type": "object",
        "properties": {name: data.draw(schemas()) for name in names},
        "required": data.draw(st.lists(keys, max_size=2, unique=True)),
        "additionalProperties": data.draw(st.booleans()),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found = verdicts(file, schema)
    judge = reference(schema)
    missing = {name for name in schema["required"] if not any(name in row for row in rows)}
    for row, verdict in zip(rows, found, strict=True):
        assert (all(verdict.values()) and not missing) == judge.is_valid(row), (schema, row)


CELLS = [
    "",
    "1",
    "1.0",
    "1.5",
    "-3",
    "007",
    "+1",
    " 1",
    "1e1",
    "1.5e1",
    "15e-1",
    "12x",
    "true",
    "False",
    "nan",
    "inf",
    "a",
    "é",
]
CELLS += ["2013-01-01", "2013-02-30", "9007199254740993", "12345678901234567890", ".5", "5.", "1_000", "0x10", "-0"]
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def read_cell(cell: str, schema: dict[str, Any]) -> Any:
    """What the documentation says of a cell."""
    types = schema.get("type", [])
    reads = {types} if isinstance(types, str) else set(types)
    if not reads:
        values = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
        values += (
            [0] if schema.keys() & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} else []
        )
        reads = {"string"} | {"boolean" for v in values if isinstance(v, bool)}
        reads |= {"number" for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)}
    if cell == "":
        return None
    if reads & {"integer", "number"} and NUMBER.fullmatch(cell):
        number = json.loads(cell)
        if "number" in reads or number == int(number) or "string" not in reads:
            return number
    if "boolean" in reads and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    return cell


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(schemas(), min_size=1, max_size=6))
def test_each_cell_of_a_csv_file_is_judged_as_the_reference_does(columns):
    schema = {f"c{i}": column for i, column in enumerate(columns)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "t.csv")
        lines = ([*schema, "last"], *([cell] * len(schema) + ["x"] for cell in CELLS))
        file.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
        found = verdicts(file, {"properties": schema})
    for name, column in schema.items():
        judge = reference(column)
        for cell, verdict in zip(CELLS, found, strict=True):
            value = read_cell(cell, column)
            is_text = isinstance(value, str) and "string" not in column.get("type", "string")
            assert verdict.get(name, True) == (not is_text and judge.is_valid(value)), (column, cell)
