"""From files to tables: files of one form with the same columns of the same types are one table, read by one query.

What cannot be opened is set aside with the reason, and the rest goes on. Names of columns are taken as the file has
them: DuckDB folds the case of names and renames what is there twice, so each column also has the SQL that reads it.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

import csv
import gzip
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BufferedIOBase
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Literal

from mlci.contract.query.engine import Engine
from mlci.contract.query.footer import Footer, exactly, footer, footers
from mlci.contract.query.quote import literal, name
from mlci.errors import UsageError, WorldError

FILE = "mlci:file"
"""The column that says which file a row is from."""
TWICE = "mlci:twice"
"""The column of a table of JSON lines that says whether a row has a key twice."""
Form = Literal["parquet", "csv", "json"]
Shape = tuple[Any, ...]
_FORMS: dict[str, Form] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv"}
_FORMS |= {".jsonl": "json", ".ndjson": "json", ".json": "json"}
_MAGIC = b"PAR1"
LINE = 2_000_000
"""Bytes that a line of a CSV file may have: DuckDB's bound."""
_BUFFER = 16 * LINE
_RATIO = 1100
"""What gzip packs no tighter than."""
_CAUSES = {
    "unterminated quote": "a quote is not closed",
    "unicode": "not UTF-8",
    "quoted value": "a quote is misplaced",
    "Maximum line size": f"longer than {LINE:,} bytes",
}
_FAULTS = {
    r"CSV Parser state machine": "a quote is misplaced, or a line ends otherwise than the first",
    r'"maximum_object_size" of (\d+)': "a value is longer than {:,} bytes",
    r"No files found": "it is gone",
    r"end of GZIP stream": "it is cut short: the end of its gzip stream is missing",
    r"too small to be a Parquet file": "the file is cut short: its footer is missing",
    r"Failed to read file .*: (?!.*[\"'])(.+)": "{}",
    r"Parallel CSV Reader": f"a line is longer than {LINE:,} bytes, or a quote is not closed",
    r"Invalid string encoding": "a string is not UTF-8",
}
"""What DuckDB says of a file, in words of ours."""


class Unreadable(Exception):
    """A file that is not what it should be; the message says why, without any of its data."""


@dataclass(frozen=True)
class Column:
    """A column: its name in the file, the SQL that reads it, and its type (`CSV` and `JSON` are read cell by cell)."""

    name: str
    sql: str
    type: str


@dataclass(frozen=True)
class Table:
    """Files that one query reads. `source` is the SQL to select from."""

    form: Form
    files: tuple[Path, ...]
    columns: tuple[Column, ...]
    delimiter: str = ","

    def column(self, wanted: str) -> Column | None:
        """The column of this name, the first where there are two."""
        return next((c for c in self.columns if c.name == wanted), None)

    @property
    def numbered(self) -> bool:
        """Whether rows have a number: in Parquet, unless columns of the data hide DuckDB's own."""
        hidden = self.column("file_row_number") or self.column("file_index")
        return self.form == "parquet" and hidden is None

    @property
    def source(self) -> str:
        """What stands after FROM."""
        paths = f"[{', '.join(literal(exactly(file)) for file in self.files)}], filename = {literal(FILE)}"
        if self.form == "parquet":
            return f"read_parquet({paths}, hive_partitioning = false)"
        if self.form == "json":
            return f"({self._json(paths)})"
        columns = ", ".join(f"{literal(f'c{i}')}: 'VARCHAR'" for i in range(len(self.columns)))
        return (
            f"read_csv({paths}, columns = {{{columns}}}, hive_partitioning = false, auto_detect = false, "
            f"header = true, delim = {literal(self.delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
            f"allow_quoted_nulls = false, max_line_size = {LINE})"
        )

    def _json(self, paths: str) -> str:
        """Each value as JSON, its kind and its text, so that each is found once however many rules there are."""
        pointers = ", ".join(literal("/" + c.name.replace("~", "~0").replace("/", "~1")) for c in self.columns)
        extracted = f"json_extract(json, [{pointers}])" if pointers else "[]"
        values = "".join(f", v[{i}] AS {c.sql}" for i, c in enumerate(self.columns, 1))
        answers = "".join(f", json_type({c.sql}) AS {c.sql}_kind, {c.sql}->>'$' AS {c.sql}_text" for c in self.columns)
        objects = f"SELECT json, {extracted} AS v, {name(FILE)} FROM {_objects(paths, self.files)}"
        twice = f"len(json_keys(json)) > list_count(v) AS {name(TWICE)}"  # each key of a row is a column
        return f"SELECT *{answers} FROM (SELECT json, {name(FILE)}, {twice}{values} FROM ({objects}))"


def open_tables(engine: Engine, files: Sequence[Path]) -> tuple[list[Table], dict[Path, str]]:
    """Group the files into tables; also those that cannot be read, with the reason.

    Raises WorldError for a file that is not there, UsageError for a kind of file that nothing here reads.
    """
    import duckdb

    forms: dict[Path, Form] = {}
    shapes: dict[Shape, list[Path]] = {}
    tables: dict[Shape, Table] = {}
    unreadable: dict[Path, str] = {}
    for file in files:
        try:
            forms[file] = _form(file)
        except Unreadable as why:
            unreadable[file] = str(why)
    read = footers(engine, [file for file, form in forms.items() if form == "parquet"])
    for file, form in forms.items():
        try:
            found = _parquet_shape(engine, file, read.get(file)) if form == "parquet" else _SHAPES[form](engine, file)
            shape = (form, *found)
            if shape not in tables:
                tables[shape] = _TABLES[form](engine, file, shape[1:])
            shapes.setdefault(shape, []).append(file)
        except Unreadable as why:
            unreadable[file] = str(why)
        except duckdb.Error as error:
            unreadable[file] = reason(error)
    whole = [Table(t.form, tuple(shapes[shape]), t.columns, t.delimiter) for shape, t in tables.items()]
    return whole, unreadable


def only(tables: Sequence[Table], files: Sequence[Path]) -> list[Table]:
    """The tables with these of their files, without those that have none."""
    wanted = set(files)
    kept = [(table, tuple(file for file in table.files if file in wanted)) for table in tables]
    return [replace(table, files=some) for table, some in kept if some]


def reason(error: Exception) -> str:
    """DuckDB's words on a broken file, without the data that it quotes."""
    text = str(error)
    if found := re.search(r"CSV Error on Line: (\d+)", text):
        counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
        if counts:
            return f"line {found[1]}: {counts[2]} columns instead of {counts[1]}"
        why = next((said for word, said in _CAUSES.items() if word in text), "cannot be parsed")
        return f"line {found[1]}: {why}"
    if found := re.search(r"at byte (\d+) in (line|record/value) (\d+)", text):
        why = "it begins with a byte order mark" if "byte order mark" in text else f"not valid JSON (byte {found[1]})"
        return f"{found[2].split('/')[-1]} {int(found[3]) - 1}: {why}"  # DuckDB counts on from 2
    for fault, said in _FAULTS.items():
        if found := re.search(fault, text):
            return said.format(*(int(part) if part.isdecimal() else part for part in found.groups()))
    line = text.splitlines()[0].split("Error: ", 1)[-1].strip()
    return re.sub(r"""(["']).*\1""", "…", line)  # a path of this machine, or a value


def form_of(file: PurePath, shown: str) -> Form:
    """The form by the file's name (also with `.gz` for text). Raises UsageError for another one."""
    suffixes = [s.lower() for s in file.suffixes]
    suffix = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if suffix not in _FORMS:
        known = ", ".join(_FORMS)
        raise UsageError(f"{shown}: what `{suffix or file.name}` holds is not known", help=f"files end in {known}")
    return _FORMS[suffix]


def _form(file: Path) -> Form:
    """The form of a file that can be opened."""
    if not file.exists():
        link = "a link that leads nowhere" if file.is_symlink() else ""
        found = f"{file} is {link}" if link else f"there is no file {file}"
        raise WorldError(found, help="check the path")
    if file.is_dir():
        raise WorldError(f"{file} is a folder, not a file", help=f"name its files: {file}/*.parquet")
    form = form_of(file, str(file))
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe or a device may never end
            raise Unreadable("this is not a regular file")
        if facts.st_size == 0:
            raise Unreadable("the file is empty (0 bytes)")
        with file.open("rb") as stream:
            stream.read(1)
        if form == "parquet":
            _parquet_ends(file)
    except OSError as error:
        raise Unreadable(f"it cannot be opened: {error.strerror}") from None
    return form


def _parquet_ends(file: Path) -> None:
    """A Parquet file begins and ends with its mark."""
    with file.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, file.stat().st_size - 4))
        tail = stream.read(4)
    if head == b"PARE":
        raise Unreadable("the file is encrypted")
    if head != _MAGIC:
        raise Unreadable("this is not a Parquet file")
    if tail != _MAGIC:
        raise Unreadable("the file is cut short: its footer is missing")


def _parquet_shape(engine: Engine, file: Path, read: Footer | None) -> Shape:
    """The footer's schema. Two files of one shape have the same columns in the same order."""
    found = read or footer(engine, file)
    if found.end is not None and found.end > file.stat().st_size:
        raise Unreadable("a part of the file is missing: its footer speaks of more bytes than there are")
    if found.rows != found.grouped:
        raise Unreadable(f"its footer speaks of {found.rows:,} rows, and of {found.grouped:,} in all row groups")
    return found.schema


def _parquet_table(engine: Engine, file: Path, shape: Shape) -> Table:
    bound = engine.rows(f"DESCRIBE SELECT * FROM read_parquet({literal(exactly(file))}, hive_partitioning = false)")
    names = list(_top_level(iter((field[0], field[2]) for field in shape)))
    if len(names) != len(bound):
        names = [row[0] for row in bound]
    columns = (Column(raw, name(row[0]), row[1]) for raw, row in zip(names, bound, strict=True))
    return Table("parquet", (file,), tuple(columns))


def _top_level(schema: Iterator[tuple[str, int | None]]) -> Iterator[str]:
    """The names of the columns, from the footer's flattened tree."""
    _, count = next(schema)
    for _ in range(count or 0):
        column, children = next(schema)
        yield column
        below = children or 0
        while below:
            below += (next(schema)[1] or 0) - 1


def _csv_shape(_: Engine, file: Path) -> Shape:
    delimiter, header = _header(file)
    return (delimiter, *header)


def _csv_table(_: Engine, file: Path, shape: Shape) -> Table:
    delimiter, *header = shape
    return Table("csv", (file,), tuple(Column(n, f"c{i}", "CSV") for i, n in enumerate(header)), delimiter)


def _header(file: Path) -> tuple[str, list[str]]:
    """The delimiter (a tab in `.tsv`, else the most frequent of `, ; |` and tab in the first line) and the names."""
    try:
        with opened(file) as stream:
            lines = _lines(stream)
            first = next(lines, "").removeprefix("\ufeff")
            unquoted = re.sub(r'"[^"]*"', "", first)
            if "\r" in unquoted.removesuffix("\n").removesuffix("\r"):
                raise Unreadable("line 1: a carriage return alone; lines end in \\n or in \\r\\n")
            delimiter = "\t" if ".tsv" in file.name.lower() else max(",;|\t", key=unquoted.count)
            csv.field_size_limit(LINE)
            header = next(csv.reader(chain([first], lines), delimiter=delimiter, strict=True), [])
        _ends_in_time(file)
    except UnicodeDecodeError:
        raise Unreadable("line 1: not UTF-8") from None
    except csv.Error as error:
        raise Unreadable(f"line 1: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"it cannot be unpacked: {error}") from None
    if not any(header):
        raise Unreadable("line 1: no names of columns")
    return delimiter, header


def opened(file: Path) -> BufferedIOBase:
    """The bytes of a text file, unpacked."""
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")


def _lines(stream: BufferedIOBase) -> Iterator[str]:
    while line := stream.readline(LINE + 1):
        if len(line) > LINE:
            raise Unreadable(f"line 1: longer than {LINE:,} bytes")
        yield line.decode()


def _ends_in_time(file: Path) -> None:
    """DuckDB's parallel reader says nothing of a last line that is longer than its buffer: it leaves the line out."""
    size, packed = file.stat().st_size, file.suffix == ".gz"
    if size < _BUFFER // (_RATIO if packed else 1):
        return
    tail, size = b"", 0 if packed else size
    with opened(file) as stream:
        if not packed:
            stream.seek(size - LINE)
        while block := stream.read(LINE):
            tail, size = (tail + block)[-LINE:], size + len(block)
    if size >= _BUFFER and b"\n" not in tail.rstrip(b"\r\n"):
        raise Unreadable(f"the last line is longer than {LINE:,} bytes")


def _json_shape(engine: Engine, file: Path) -> Shape:
    """How it is read, and the keys of all objects; nothing is guessed from a sample."""
    source = _objects(f"[{literal(exactly(file))}]", (file,))
    found = engine.rows(f"SELECT DISTINCT unnest(json_keys(json)) AS k FROM {source} ORDER BY k")
    return (_lined(file), *(row[0] for row in found))


def _json_table(_: Engine, file: Path, shape: Shape) -> Table:
    return Table("json", (file,), tuple(Column(key, f"j{i}", "JSON") for i, key in enumerate(shape[1:])))


def _objects(paths: str, files: Sequence[Path]) -> str:
    """`.json` may also be one array of objects. No table has files of both sorts."""
    form = "newline_delimited" if any(map(_lined, files)) else "auto"
    return f"read_json_objects({paths}, format = {literal(form)})"


def _lined(file: Path) -> bool:
    return ".json" not in [s.lower() for s in file.suffixes]


_SHAPES = {"csv": _csv_shape, "json": _json_shape}
_TABLES = {"parquet": _parquet_table, "csv": _csv_table, "json": _json_table}
