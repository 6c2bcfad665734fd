"""The rows of a dataset as a server gets them: JSON objects of its columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from mlci.errors import WorldError


def rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Each row of the files, in their order; raises WorldError for a file that cannot be read."""
    import duckdb

    with duckdb.connect(config={"memory_limit": "128MB", "threads": 1}) as connection:
        for file in files:
            reader = {".csv": "read_csv", ".parquet": "read_parquet"}.get(file.suffix, "read_json")
            try:
                cursor = connection.execute(f"SELECT * FROM {reader}(?)", [str(file)])  # noqa: S608 - one of three names
                names = [column[0] for column in cursor.description or []]
                while batch := cursor.fetchmany(256):
                    yield from ({n: _plain(v) for n, v in zip(names, row, strict=True)} for row in batch)
            except duckdb.Error as error:
                raise WorldError(f"cannot read the rows of {file}: {error}") from error


def _plain(value: Any) -> Any:
    """A value of a row as JSON has it."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None if isinstance(value, float) else str(value)
    return value
