"""Data wherever it is, as files: data frames and Arrow streams, rows in a list, URLs, Delta and Iceberg tables.

What is not a file of this machine becomes one in a temporary folder, as it streams by: the memory stays bounded, rows
have numbers, and each form of data is judged by the same code. The folder goes when the judging is done.
"""

from __future__ import annotations

import glob
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from mlci.contract.judging.validate import validate as validate_files
from mlci.contract.language.schema import Contract
from mlci.contract.query.engine import MEMORY
from mlci.contract.query.quote import literal
from mlci.contract.report import Report
from mlci.contract.sources import lake, remote
from mlci.errors import UsageError, WorldError

Place = Callable[[str], Path]
"""Where a new file goes, by the name that reports show."""


def validate(data: Any, contract: Contract, **options: Any) -> Report:
    """Check data against a contract; `options` are those of `mlci.contract.judging.validate.validate`.

    `data` is a path, a pattern of paths or a URL (s3, gs, az, http, https) of a Parquet, CSV, JSON lines or Arrow IPC
    file; the folder of a Delta or an Iceberg table; a data frame of pandas or polars; a pyarrow Table, RecordBatch,
    RecordBatchReader or Dataset; anything else with `__arrow_c_stream__`; a list of rows, each a dict as `json.loads`
    makes it; or a sequence of these, all as one table.

    Raises UsageError for what is none of these, for a package that is not installed, and for what the files raise.
    """
    if not isinstance(contract, Contract):
        raise UsageError(f"{contract!r} is no contract", help="give mlci.contract.load(FILE)")
    with as_files(data) as files:
        return validate_files(files, contract, **options)


@contextmanager
def as_files(data: Any) -> Iterator[list[Path]]:
    """The files that hold the data, for as long as they are needed."""
    if isinstance(data, (str, Path)):
        data = [data]
    if isinstance(data, Sequence) and all(isinstance(part, Path) and _is_plain(part) for part in data):
        yield list(data)
        return
    with tempfile.TemporaryDirectory(prefix="mlci-") as folder:
        places = count()

        def place(name: str) -> Path:
            path = Path(folder) / str(next(places)) / name
            path.parent.mkdir()
            return path

        found = list(_files(data, place))
        yield _named(found, Path(folder))


def _named(found: list[Path], folder: Path) -> list[Path]:
    """The files side by side where their names allow it: reports show of a path what tells files apart."""
    names = {path.name for path in found if path.is_relative_to(folder) and not (folder / path.name).exists()}
    return [path.rename(folder / path.name) for path in found] if len(names) == len(found) else found


def _is_plain(path: Path) -> bool:
    return path.suffix not in _ARROW and path.is_file()


def _files(data: Any, place: Place) -> Iterator[Path]:
    if isinstance(data, str) and remote.is_url(data):
        yield from remote.fetch(data, place)
    elif isinstance(data, (str, Path)):
        for path in matching(Path(data)):
            yield from _local(path, place)
    elif isinstance(data, (list, tuple)):
        if data and all(isinstance(row, dict) for row in data):
            yield _rows(data, place("data.jsonl"))
        else:
            for part in data:
                yield from _files(part, place)
    else:
        yield spool(data, place("data.parquet"))


def matching(path: Path) -> list[Path]:
    """The files that a pattern matches, sorted; a path that is there, or that is no pattern, is itself."""
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (it may be absolute)
    if not found:
        raise WorldError(f"{path} matches no file", help="check the pattern, and the folder that it starts from")
    return [Path(name) for name in found]


def _local(path: Path, place: Place) -> Iterator[Path]:
    if lake.is_delta(path):
        yield spool(lake.delta(path), place(f"{path.name}.parquet"))
    elif lake.is_iceberg(path):
        yield spool(lake.iceberg(path), place(f"{path.name}.parquet"))
    elif path.suffix in _ARROW and path.is_file():
        yield spool(_arrow(path), place(f"{path.stem}.parquet"))
    else:
        yield path


_ARROW = (".arrow", ".feather", ".ipc")


def _arrow(path: Path) -> Any:
    """The batches of an Arrow IPC file, of the file format or the stream format."""
    try:
        import pyarrow as pa
        from pyarrow import feather, ipc
    except ImportError:
        help = "pip install pyarrow, or write the data as Parquet"
        raise UsageError(f"{path}: Arrow IPC files are read by pyarrow, which is not here", help=help) from None
    try:
        with pa.memory_map(str(path)) as mapped:
            if mapped.read(6) == b"ARROW1":
                return feather.read_table(path, memory_map=True)
        return ipc.open_stream(pa.memory_map(str(path)))
    except (pa.ArrowInvalid, OSError) as error:
        found = str(error).splitlines()[0]
        raise UsageError(f"{path} is not a whole Arrow IPC file: {found}", help="write it anew") from None


def _rows(rows: Iterable[dict[str, Any]], file: Path) -> Path:
    with file.open("w", encoding="utf-8") as out:
        for number, row in enumerate(rows, start=1):
            try:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
            except (TypeError, ValueError, RecursionError) as error:
                help = "rows hold what json.loads makes: text, numbers, booleans, None, lists and dicts"
                raise UsageError(f"row {number} is not JSON: {error}", help=help) from None
    return file


class _Stream:
    """Arrow data behind its C interface alone. Where it has no schema, DuckDB opens the stream to learn it."""

    def __init__(self, data: Any, schema: Callable[[], Any] | None = None) -> None:
        self._data = data
        if schema:
            self.__arrow_c_schema__ = schema

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._data.__arrow_c_stream__(requested_schema)


def _stream(data: Any) -> Any:
    """The data as DuckDB reads it once, where that can be; a frame can be asked for its stream again."""
    schema = getattr(data, "__arrow_c_schema__", None)
    schema = schema or getattr(getattr(data, "schema", None), "__arrow_c_schema__", None)
    if schema:
        return _Stream(data, schema)
    try:
        import pyarrow as pa
    except ImportError:
        return _Stream(data)
    try:
        return pa.RecordBatchReader.from_stream(data)
    except pa.ArrowInvalid as error:
        help = "give a data frame: `series.to_frame()`"
        raise UsageError(f"a {type(data).__name__} is no table: {error}", help=help) from None


def spool(data: Any, file: Path) -> Path:
    """Write a data frame or Arrow data to a Parquet file, in its order, some batches at a time."""
    import duckdb

    module = type(data).__module__.partition(".")[0]
    kind = f"{module}.{type(data).__name__}".removeprefix("builtins.")
    if kind == "polars.LazyFrame":
        data = data.collect()
    elif hasattr(data, "scanner"):  # a Dataset of pyarrow
        data = data.scanner().to_reader()
    if not (kind == "pandas.DataFrame" or hasattr(data, "__arrow_c_stream__")):
        help = "give paths, URLs, a data frame, Arrow data, or a list of dicts"
        raise UsageError(f"data of the type {kind} cannot be validated", help=help)
    config = {"memory_limit": MEMORY, "temp_directory": str(file.parent), "autoinstall_known_extensions": "false"}
    _need_names_of_their_own(data)
    try:
        with duckdb.connect(":memory:", config=config) as connection:
            connection.register("mlci:data", data if kind == "pandas.DataFrame" else _stream(data))
            target = f"{literal(str(file))} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 61440)"
            connection.execute(f'COPY (SELECT * FROM "mlci:data") TO {target}').fetchall()  # noqa: S608
    except duckdb.Error as error:
        found = str(error).splitlines()[0]
        raise UsageError(f"the {kind} cannot be read: {found}", help="write it to a Parquet file first") from None
    return file


def _need_names_of_their_own(data: Any) -> None:
    """DuckDB would rename the second of two columns, and no rule would find it."""
    names = getattr(getattr(data, "schema", None), "names", None)
    names = names if isinstance(names, list) else list(map(str, getattr(data, "columns", ())))
    seen: dict[str, str] = {}
    for name in names:
        if before := seen.setdefault(str(name).lower(), str(name)) if str(name).lower() in seen else None:
            help = "rename one of them, or write the data to a file"
            raise UsageError(f"the columns {before!r} and {str(name)!r} differ by case at most", help=help)
        seen[str(name).lower()] = str(name)
