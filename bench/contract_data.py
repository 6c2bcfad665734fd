"""The rows that the benchmarks of the contract check: made by DuckDB, the same on every machine, only where missing.

Five million of them are 184 MB: a unique id, integers, floats, texts of a pattern, an enum, dates as text, a nullable
column. 13 kinds of fault are planted in 21 rows, spread over the file, and in 3 more whose id another row has.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT

PLANTED: dict[str, int] = {
    "account.null": 1,
    "country.maxLength": 1,
    "day.format": 2,
    "discount.maximum": 2,
    "email.pattern": 2,
    "id.unique": 3,
    "name.null": 1,
    "price.minimum": 2,
    "quantity.maximum": 2,
    "quantity.minimum": 2,
    "sku.pattern": 3,
    "status.enum": 2,
    "weight.null": 1,
}
"""How many rows break which rule of which column."""

COLUMNS = {
    "id": "(i + 1)::BIGINT",
    "account": "(1 + r1 % 1000000)::INTEGER",
    "quantity": "(1 + r2 % 100)::INTEGER",
    "price": "(r3 % 1000000) / 100.0::DOUBLE",
    "discount": "CASE WHEN r4 % 5 > 0 THEN (r5 % 101) / 100.0::DOUBLE END",
    "weight": "r6 * 50 / 2147483647.0::DOUBLE",
    "sku": "chr((65 + r7 % 26)::INT) || chr((65 + r8 % 26)::INT) || 'X-' || lpad((r1 % 1000000)::VARCHAR, 6, '0')",
    "email": "'user' || r2 % 5000000 || '@mail' || r3 % 50 || '.example.org'",
    "status": "['new', 'paid', 'sent', 'done', 'back'][1 + r4 % 5]",
    "country": "['AT', 'BE', 'CH', 'DE', 'DK', 'ES', 'FI', 'FR', 'GB', 'IT', 'NL', 'NO', 'PL', 'SE'][1 + r5 % 14]",
    "day": "strftime(DATE '2023-01-01' + (r6 % 730)::INTEGER, '%Y-%m-%d')",
    "name": "['Ada', 'Ben', 'Cleo', 'Dora', 'Emil', 'Fay', 'Gus', 'Ida'][1 + r7 % 8] || ' ' || r8 % 20000",
}
FAULTS: tuple[tuple[str, str], ...] = (
    ("account", "NULL"),
    ("country", "'DEU'"),
    ("day", "'2023-02-30'"),
    ("day", "'17/05/2023'"),
    ("discount", "1.01"),
    ("discount", "20.0"),
    ("email", "'nobody'"),
    ("email", "'Some One@example.org'"),
    ("name", "NULL"),
    ("price", "-0.01"),
    ("price", "-100.0"),
    ("quantity", "101"),
    ("quantity", "10000"),
    ("quantity", "0"),
    ("quantity", "-1"),
    ("sku", "'ABX-12345'"),
    ("sku", "'abX-123456'"),
    ("sku", "'ABX-1234567'"),
    ("status", "'lost'"),
    ("status", "'New'"),
    ("weight", "NULL"),
    ("id", "1"),
    ("id", "2"),
    ("id", "3"),
)
"""The value that stands there instead, in a row of its own."""


def series(data: Path) -> Path:
    """The folder of the files below that of all data; another series would have another."""
    return data / f"orders-{hashlib.sha256(repr((COLUMNS, FAULTS)).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Data:
    """A file of the series: `first` is how many rows of it stand before, in other files."""

    file: Path
    rows: int
    faulty: bool = False
    first: int = 0


def make(wanted: Sequence[Data]) -> None:
    """Make the files that are missing, in another process: who measures must stay small (see `measure`)."""
    missing = [[str(d.file), d.rows, d.faulty, d.first] for d in wanted if not d.file.exists()]
    if missing:
        subprocess.run(
            [sys.executable, "-m", "bench.contract_data"], cwd=ROOT, input=json.dumps(missing).encode(), check=True
        )


def days(folder: Path, number: int, rows: int) -> list[Data]:
    """A clean file for each day, all ids unique."""
    return [Data(folder / f"day-{day:03}.parquet", rows, first=day * rows) for day in range(number)]


def write(data: Data) -> None:
    """Write the Parquet file, in row groups of 122,880 rows as DuckDB does by itself."""
    import duckdb

    data.file.parent.mkdir(parents=True, exist_ok=True)
    values = {name: _planted(name, data.rows) if data.faulty else value for name, value in COLUMNS.items()}
    columns = ", ".join(f"{value} AS {name}" for name, value in values.items())
    drawn = ", ".join(f"{_drawn(k)} AS r{k}" for k in range(1, 9))
    source = f"SELECT i, {drawn} FROM (SELECT range + {data.first} AS i FROM range({data.rows}))"
    half = data.file.with_suffix(".half")
    with duckdb.connect() as connection:
        options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
        connection.execute(f"COPY (SELECT {columns} FROM ({source})) TO '{half}' ({options})")
    half.rename(data.file)


def _planted(name: str, rows: int) -> str:
    """The column with its faults, in rows spread over the file."""
    cases = "".join(
        f" WHEN i = {rows - 1 - at * (rows // (len(FAULTS) + 1))} THEN {value}"
        for at, (column, value) in enumerate(FAULTS)
        if column == name
    )
    return f"CASE{cases} ELSE {COLUMNS[name]} END" if cases else COLUMNS[name]


def _drawn(number: int) -> str:
    """An integer below 2**31 - 1 that looks random, from `i`: arithmetic alone, so no version draws another."""
    mixed = f"((i * 48271 + {number} * 69621000 + 11) % 2147483647)"
    for factor, shift in ((1664525, 15), (22695477, 13)):
        mixed = f"((xor({mixed}, {mixed} >> {shift}) * {factor} + {number}) % 2147483647)"
    return mixed


if __name__ == "__main__":
    for path, *rest in json.load(sys.stdin):
        write(Data(Path(path), *rest))
