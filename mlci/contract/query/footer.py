"""The footers of Parquet files, many by one query: a dataset of a file a day has hundreds."""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.contract.query.engine import Engine
from mlci.contract.query.quote import literal

_FIELDS = "name, type, num_children, converted_type, scale, precision, logical_type::VARCHAR"
_ENDS = "max(least(data_page_offset, coalesce(dictionary_page_offset, data_page_offset)) + total_compressed_size)"
_ROWS = "coalesce(sum(row_group_num_rows) FILTER (WHERE column_id = 0), 0)::BIGINT"


@dataclass(frozen=True)
class Footer:
    """The fields of the schema's flattened tree, the byte that the last page ends at, and how many rows there are:
    as the file says, and in its row groups.
    """

    schema: tuple[tuple[Any, ...], ...]
    end: int | None
    rows: int
    grouped: int


def footers(engine: Engine, files: Sequence[Path]) -> dict[Path, Footer]:
    """The footers of all files but those that cannot be read, which are few."""
    import duckdb

    if not files:
        return {}
    try:
        return _read(engine, files)
    except duckdb.Error:
        half = len(files) // 2
        return footers(engine, files[:half]) | footers(engine, files[half:]) if half else {}


def footer(engine: Engine, file: Path) -> Footer:
    """The footer of one file. Raises `duckdb.Error`."""
    return _read(engine, [file])[file]


def exactly(file: Path) -> str:
    """The path as a glob that matches nothing else."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(file))


def _read(engine: Engine, files: Sequence[Path]) -> dict[Path, Footer]:
    paths = f"[{', '.join(literal(exactly(file)) for file in files)}]"
    schemas: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    engine.rows("SET preserve_insertion_order = true")
    try:
        for file, *fields in engine.rows(f"SELECT file_name, {_FIELDS} FROM parquet_schema({paths})"):
            schemas[file].append(tuple(fields))
    finally:
        engine.rows("SET preserve_insertion_order = false")
    ends = {
        file: (end, rows)
        for file, end, rows in engine.rows(
            f"SELECT file_name, {_ENDS}, {_ROWS} FROM parquet_metadata({paths}) GROUP BY ALL"
        )
    }
    rows = dict(engine.rows(f"SELECT file_name, num_rows FROM parquet_file_metadata({paths})"))
    return {
        file: Footer(tuple(schemas[name]), end, rows[name], grouped)
        for file in files
        for name in [str(file)]
        for end, grouped in [ends.get(name, (None, 0))]
    }
