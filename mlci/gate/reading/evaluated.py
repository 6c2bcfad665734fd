"""The table of rows that `mlflow.models.evaluate` logs (`eval_results_table.json`), read as predictions.

It has a row for each example with what every metric gave it (`toxicity/v1/score`), as pandas writes a table split into
`columns` and `data`. The numbers without rows that MLflow logs beside it have no interval, so no verdict hangs on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlci.errors import UsageError, WorldError

_HELP = "give the table of rows that MLflow logs, eval_results_table.json, or predictions as Parquet"


def as_parquet(file: Path, folder: Path) -> Path:
    """The file itself, or, where its content is such a table, the same as Parquet in the folder (in place, if need be).

    Raises WorldError for JSON that is no table, and UsageError for metrics without rows.
    """
    try:
        with file.open("rb") as stream:
            is_json = stream.read(64).lstrip()[:1] == b"{"
        found = json.loads(file.read_bytes()) if is_json else None
    except OSError:
        return file  # what reads it says what is wrong
    except (ValueError, RecursionError) as error:
        raise WorldError(f"{file} cannot be read as JSON: {error}", help=_HELP) from error
    if found is None:
        return file
    names, rows = found.get("columns"), found.get("data")
    if found and all(isinstance(value, (int, float)) for value in found.values()):
        message = f"{file} has metrics but no rows: a number alone has no interval, so nothing can be decided by it"
        raise UsageError(message, help=_HELP)
    if not _is_table(names, rows):
        raise WorldError(f"{file} is no table of `columns` and `data`", help=_HELP)
    return _write(names, rows, folder / f"{file.stem}.parquet")


def _is_table(names: Any, rows: Any) -> bool:
    """Columns with a name each, and rows that have as many values."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    whole = isinstance(rows, list) and all(isinstance(row, list) and len(row) == len(names) for row in rows)
    return whole and 0 < len(names) == len(set(names))


def _write(names: list[str], rows: list[list[Any]], target: Path) -> Path:
    import duckdb

    lines, parquet = target.with_suffix(".ndjson"), str(target).replace("'", "''")
    kinds = [_kind([row[at] for row in rows]) for at in range(len(names))]
    with lines.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(dict(enumerate(_plain(row, kinds)))) + "\n")
    columns = ", ".join(f"'{at}': '{kind}'" for at, kind in enumerate(kinds))
    named = ", ".join('"{}" AS "{}"'.format(at, name.replace('"', '""')) for at, name in enumerate(names))
    scan = f"read_json($file, format = 'newline_delimited', columns = {{{columns}}})"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {named} FROM {scan}) TO '{parquet}' (FORMAT parquet)", {"file": str(lines)})  # noqa: S608
    lines.unlink()
    return target


def _kind(values: list[Any]) -> str:
    """The type of a column: of numbers where it has nothing else."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return "BOOLEAN"
    if kinds <= {int} and kinds and all(abs(value) < 1 << 63 for value in values if value is not None):
        return "BIGINT"
    return "DOUBLE" if kinds <= {int, float} and kinds else "VARCHAR"


def _plain(row: list[Any], kinds: list[str]) -> Iterator[Any]:
    """Values that JSON and DuckDB agree on: not a number as text, what is nested as JSON in a text."""
    for value, kind in zip(row, kinds, strict=True):
        if kind == "VARCHAR" and value is not None and not isinstance(value, str):
            yield json.dumps(value)
        else:
            yield str(value) if isinstance(value, float) and value - value != 0 else value
