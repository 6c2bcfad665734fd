"""Where a file is broken that opened well: the row group and the column of a Parquet file, the line of a CSV file.

Asked only of a file that a query failed on, so it may read that file once more.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from mlci.contract.query.engine import Engine
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import LINE, Column, Table, opened, reason


def explained(engine: Engine, table: Table, error: Exception) -> str:
    """Why a table of one file cannot be read to its end, with the place where that can be found."""
    import duckdb

    why = reason(error)
    if table.form == "parquet" and table.numbered:
        try:
            return _in_parquet(engine, table) or why
        except duckdb.Error:
            return why
    if table.form == "csv" and "state machine" in str(error) and (line := _other_end(table)):
        return f"line {line}: it ends otherwise than line 1 (\\n, \\r\\n)"
    return why


def _in_parquet(engine: Engine, table: Table) -> str | None:
    """The first row group that cannot be read, and the first column of it."""
    file = literal(str(table.files[0]))
    counted = "SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata({}) ORDER BY ALL"
    first = 0
    for group, rows in engine.rows(counted.format(file)):
        if _fault(engine, table, table.columns, first, rows):
            for column in table.columns:
                if why := _fault(engine, table, (column,), first, rows):
                    return f"row group {group + 1} (rows {first + 1:,} to {first + rows:,}), `{column.name}`: {why}"
        first += rows
    return None


def _fault(engine: Engine, table: Table, columns: tuple[Column, ...], first: int, rows: int) -> str | None:
    """What is wrong with these columns in one row group; DuckDB reads no other for the numbers of its rows."""
    import duckdb

    whole = ", ".join(f"bit_xor(hash({column.sql}))" for column in columns)
    group = f"file_row_number BETWEEN {first} AND {first + rows - 1}"
    try:
        engine.rows(f"SELECT {whole} FROM {table.source} WHERE {group}")
    except duckdb.Error as error:
        return reason(error)
    return None


def _other_end(table: Table) -> int | None:
    """The first line, outside of quotes, that ends otherwise than the first one."""
    quoted, ends = False, None
    with opened(table.files[0]) as stream:
        number = 1
        while line := stream.readline(LINE):
            quoted ^= line.count(b'"') % 2 == 1
            if not line.endswith(b"\n"):
                continue
            end = line.endswith(b"\r\n")
            if not quoted:
                ends = end if ends is None else ends
                if end != ends:
                    return number
            number += 1
    return None
