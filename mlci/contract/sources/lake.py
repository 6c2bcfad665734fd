"""Delta and Iceberg tables: the rows that are in the table now, read by the libraries of those formats.

The Parquet files in such a folder are not the table: some were replaced, some hold rows that were deleted, and values
of partitions may stand in no file at all. So the files are never read directly.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlci.errors import UsageError, WorldError


def is_delta(path: Path) -> bool:
    """Whether a folder is a Delta table."""
    return (path / "_delta_log").is_dir()


def is_iceberg(path: Path) -> bool:
    """Whether a folder is an Iceberg table."""
    return any((path / "metadata").glob("*.metadata.json"))


def delta(path: Path) -> Any:
    """The rows of the newest version, as an Arrow stream. Raises UsageError without the package `deltalake`."""
    try:
        from deltalake import DeltaTable, QueryBuilder
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise _lacking(path, "Delta", "deltalake", "delta") from None
    try:
        return QueryBuilder().register("data", DeltaTable(str(path))).execute("SELECT * FROM data")
    except (DeltaError, OSError) as error:
        raise _broken(path, "Delta", error) from None


def iceberg(path: Path) -> Any:
    """The rows of the current snapshot, as an Arrow stream. Raises UsageError without the package `pyiceberg`."""
    try:
        from pyiceberg.table import StaticTable
    except ImportError:
        raise _lacking(path, "Iceberg", "pyiceberg", "iceberg") from None
    try:
        return StaticTable.from_metadata(str(_newest(path))).scan().to_arrow_batch_reader()
    except Exception as error:  # the library raises what its parsers do
        raise _broken(path, "Iceberg", error) from None


def _newest(path: Path) -> Path:
    """The metadata of the highest version: `v12.metadata.json` or `00012-UUID.metadata.json`."""
    files = list((path / "metadata").glob("*.metadata.json"))
    return max(files, key=lambda file: (_version(file), file.stat().st_mtime_ns))


def _version(file: Path) -> int:
    found = re.match(r"v?(\d+)", file.name)
    return int(found[1]) if found else -1


def _lacking(path: Path, kind: str, package: str, extra: str) -> UsageError:
    help = f"pip install 'mlci[{extra}]'"
    return UsageError(f"{path} is a {kind} table, which is read by {package}: it is not here", help=help)


def _broken(path: Path, kind: str, error: Exception) -> WorldError:
    found = (str(error).splitlines() or [""])[0] or type(error).__name__
    return WorldError(f"the {kind} table {path} cannot be read: {found}", help="check it with the tool that wrote it")
