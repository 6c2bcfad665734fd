"""DuckDB, embedded: in memory, with a bound on it, spilling to a temporary folder, and loading nothing from outside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mlci.errors import WorldError

MEMORY = "256MB"
MORE_MEMORY = "2GB"
"""What a query may take at first, and what it gets when that was not enough."""
_TRUSTING = ("statistics_propagation", "filter_pushdown", "join_filter_pushdown", "row_group_pruner", "top_n")
"""What takes a file's statistics for true: answers from them, and filters by which a scan leaves row groups out."""


class Engine:
    """A DuckDB that is opened anew after a fault that it does not survive."""

    def __init__(self, folder: str, *, footer: bool = True) -> None:
        self._folder = folder
        self.footer = footer
        self._connection: Any = self._connect()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises WorldError when the machine has not enough room, `duckdb.Error` for the data."""
        import duckdb

        try:
            try:
                return self._run(sql, values)
            except duckdb.OutOfMemoryException:
                self._run(f"SET memory_limit = '{MORE_MEMORY}'")
                return self._run(sql, values)
        except (duckdb.FatalException, duckdb.InternalException):
            self.close()
            self._connection = self._connect()
            raise
        except duckdb.Error as error:
            if isinstance(error, duckdb.OutOfMemoryException) or "No space left" in str(error):
                found = str(error).splitlines()[0]
                raise WorldError(
                    f"validation has not enough room: {found}", help=f"free some in {self._folder}"
                ) from None
            raise

    def batches(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, fewer at a time where they are long; nothing else may be asked before the last."""
        found, size = self._connection.execute(sql), 100
        while batch := found.fetchmany(size):
            yield batch
            longest = max(sum(len(value) for value in row if isinstance(value, str)) for row in batch)
            size = min(5_000, 2 * size, 4_000_000 // (longest + 100) + 1)

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(sql, values or None).fetchall()
        return found

    def _connect(self) -> Any:
        import duckdb

        config = {
            "memory_limit": MEMORY,
            "threads": str(min(os.cpu_count() or 1, 8)),
            "temp_directory": self._folder,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "preserve_insertion_order": "false",
        }
        connection = duckdb.connect(":memory:", config=config)
        connection.execute("SET enable_progress_bar = false")
        if not self.footer:
            there = {name for (name,) in connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()}
            trusting = ", ".join(name for name in _TRUSTING if name in there)
            connection.execute(f"SET disabled_optimizers = '{trusting}'")
        return connection

    def close(self) -> None:
        """Let go of the memory and of the files in the temporary folder."""
        self._connection.close()


@contextmanager
def engine(*, footer: bool = True) -> Iterator[Engine]:
    """An engine and its temporary folder, for as long as they are needed. Without `footer` it trusts no statistics."""
    with tempfile.TemporaryDirectory(prefix="mlci-") as folder:
        opened = Engine(folder, footer=footer)
        try:
            yield opened
        finally:
            opened.close()
