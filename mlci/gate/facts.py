"""Reads the facts: the holdout's labels beside each model's predictions, joined by id in DuckDB.

The only module of the gate that touches files. Whatever is wrong with a table is an error that names the table, the
column, how many rows, and one of them: a gate on rows that do not match would be a gate on nothing.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.table import Grouping, Predictions, Table, Task

if TYPE_CHECKING:
    from mlci.config.model import Columns
    from mlci.gate.table import Array

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = _INTEGERS + tuple("U" + name for name in _INTEGERS)
_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json"}
_KINDS = {"read_csv": "CSV", "read_json": "JSON lines", "read_parquet": "Parquet"}


@dataclass(frozen=True)
class _Source:
    """A table on disk: what it is to people, its name in SQL, how SQL reads it, and the types of its columns."""

    what: str
    alias: str
    scan: str
    types: dict[str, str]


@dataclass(frozen=True)
class _Column:
    """A column taken from a source: as SQL, under which name, and what must not be (condition, what is wrong)."""

    name: str
    sql: str
    alias: str
    refused: tuple[tuple[str, str], ...] = ()


def read(
    holdout_files: Sequence[Path],
    columns: Columns,
    challenger: Path,
    champion: Path | None,
    *,
    slice_columns: Sequence[str] = (),
    task: Task = "classification",
) -> Table:
    """Join the holdout (Parquet, CSV or JSON lines) with the predictions of both models (Parquet) by `columns.id`.

    The rows stand in the order of the holdout. Raises UsageError when a column is not there or of a type that cannot
    be what it is said to be, and WorldError when a file cannot be read or the rows are not fit to judge on: no rows,
    ids that are missing, double or different in the tables, scores that are NULL, NaN or outside [0, 1], labels that
    are not 0, 1, true or false (classification) or not finite (regression).
    """
    import duckdb

    if not holdout_files:
        raise UsageError("the gate has no holdout files", help="Check `gate.data` and the path of that dataset.")
    files = {"holdout": holdout_files, "challenger": [challenger]} | ({"champion": [champion]} if champion else {})
    settings = {"autoinstall_known_extensions": False, "temp_directory": tempfile.gettempdir()}
    with closing(duckdb.connect(config=settings)) as con:
        holdout, *models = [_open(con, alias, paths) for alias, paths in files.items()]
        id, *ids = _ids([holdout, *models], columns.id)
        wanted = [[id, *_prediction_columns(model, columns, task)] for id, model in zip(ids, models, strict=True)]
        facts = [id, *_holdout_columns(con, holdout, columns, slice_columns, task)]
        _check(con, holdout, facts)
        _load(con, holdout, facts)
        _refuse_double(con, holdout, columns.id)
        found = [_predictions(con, holdout, model, taken) for model, taken in zip(models, wanted, strict=True)]
        labels, groupings = _labels(con, slice_columns)
    return Table(task, labels, found[0], found[1] if len(found) > 1 else None, groupings)


def _open(con: Any, alias: str, files: Sequence[Path]) -> _Source:
    """Look at the files: they are there, they can be read, they have columns."""
    import duckdb

    what = "the holdout" if alias == "holdout" else f"the {alias}'s predictions"
    for path in files:
        if not path.is_file():
            raise WorldError(f"{what}: there is no file {path}", help=_next_step(alias))
    suffix = next((s for s in reversed(files[0].suffixes) if s.lower() not in (".gz", ".zst")), "").lower()
    reader = _READERS.get(suffix, "read_parquet") if alias == "holdout" else "read_parquet"
    # Types by all rows of a CSV, not by the first 20,000: an id may look like a number for as long as that.
    whole = ", sample_size = -1" if reader == "read_csv" else ""
    scan = f"{reader}([{', '.join(map(_literal, files))}], union_by_name = true{whole})"
    shown = f"{what} ({files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''})"
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise WorldError(
            f"{shown} cannot be read as {_KINDS[reader]}: {_line(error)}", help=_next_step(alias)
        ) from None
    return _Source(shown, alias, scan, {row[0]: row[1] for row in rows})


def _ids(sources: Sequence[_Source], id: str) -> list[_Column]:
    """The ids as they are when all tables agree on the type; else as text, where 1, 1.0 and '1' are the same."""
    types = [_type(source, id, "id") for source in sources]
    same = len(set(types)) == 1 or all(kind in _WHOLE for kind in types)
    column = _quote(id)
    whole = (
        f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 1e15 THEN CAST(CAST({column} AS BIGINT) AS VARCHAR)"
    )
    parts = dict.fromkeys(types, f"CAST({column} AS VARCHAR) || ''")
    parts |= {kind: f"{whole} ELSE {parts[kind]} END" for kind in types if _is_number(kind) and kind not in _WHOLE}
    refused = ((f"{column} IS NULL", "is NULL"),)
    return [_Column(id, column if same else parts[kind], "id", refused) for kind in types]


def _holdout_columns(
    con: Any, source: _Source, columns: Columns, slice_columns: Sequence[str], task: Task
) -> list[_Column]:
    """The label, and the columns to slice by, each as an ENUM of its own: a code per row, not a text."""
    out = [_truth(columns.label, _type(source, columns.label, "label"), "label", task, source)]
    for i, name in enumerate(slice_columns):
        _type(source, name, "by", where="gate.slices")
        text = f"coalesce(CAST({_quote(name)} AS VARCHAR), 'null')"
        with _reading(source):
            con.execute(f"CREATE TYPE s{i} AS ENUM (SELECT DISTINCT {text} AS value FROM {source.scan} ORDER BY value)")  # noqa: S608
        out.append(_Column(name, f"CAST({text} AS s{i})", f"s{i}"))
    return out


def _prediction_columns(source: _Source, columns: Columns, task: Task) -> list[_Column]:
    out = []
    if task == "classification" and columns.score is not None:
        kind = _type(source, columns.score, "score")
        if not _is_number(kind):
            raise UsageError(f"{source.what}: `{columns.score}` is {kind}, and a score is a number", help=_NAMES)
        raw = _quote(columns.score)
        outside = f"NOT isnan(CAST({raw} AS DOUBLE)) AND ({raw} < 0 OR {raw} > 1)"
        refused = (
            (f"{raw} IS NULL", "is NULL"),
            (f"isnan(CAST({raw} AS DOUBLE))", "is NaN"),
            (outside, "is outside [0, 1]"),
        )
        out.append(
            _Column(columns.score, f"CAST({raw} AS {'FLOAT' if kind == 'FLOAT' else 'DOUBLE'})", "score", refused)
        )
    if columns.prediction is not None:
        kind = _type(source, columns.prediction, "prediction")
        out.append(_truth(columns.prediction, kind, "value", task, source))
    if not out:
        key = "score` or `gate.columns.prediction" if task == "classification" else "prediction"
        raise UsageError("the gate does not know which column holds the predictions", help=f"Set `gate.columns.{key}`.")
    return out


def _truth(name: str, kind: str, alias: str, task: Task, source: _Source) -> _Column:
    """A label or a predicted label: 0 and 1 for classes, else a finite number."""
    raw = _quote(name)
    text = kind == "VARCHAR" or kind.startswith("ENUM")
    if task == "regression" and _is_number(kind):
        sql = f"CASE WHEN isfinite(CAST({raw} AS DOUBLE)) THEN CAST({raw} AS DOUBLE) END"
        return _Column(name, sql, alias, ((f"({sql}) IS NULL", "is not a finite number"),))
    if task == "regression" or not (text or kind == "BOOLEAN" or _is_number(kind)):
        wanted = "a number" if task == "regression" else "0, 1, true or false"
        raise UsageError(f"{source.what}: `{name}` is {kind}, and must be {wanted}", help=_NAMES)
    if text:
        sql = f"CASE lower(trim({raw})) WHEN '0' THEN 0 WHEN 'false' THEN 0 WHEN '1' THEN 1 WHEN 'true' THEN 1 END"
    else:
        # Not a cast: DuckDB would have the CSV reader do it, on the text `true`.
        yes, no = ("true", "false") if kind == "BOOLEAN" else ("1", "0")
        sql = f"CASE {raw} WHEN {no} THEN 0 WHEN {yes} THEN 1 END"
    return _Column(name, f"CAST({sql} AS TINYINT)", alias, ((f"({sql}) IS NULL", "is not 0, 1, true or false"),))


@contextmanager
def _reading(source: _Source) -> Iterator[None]:
    """What DuckDB finds wrong with the file while it reads on is the file's fault, in the words of people."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise WorldError(f"{source.what} cannot be read: {_line(error)}", help=_next_step(source.alias)) from None


def _check(con: Any, source: _Source, columns: Sequence[_Column]) -> int:
    """Refuse no rows and unfit values, in one pass over the file; gives the number of rows. The id comes first."""
    refused = [(column, *check) for column in columns for check in column.refused]
    tallies = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition, _ in refused)
    with _reading(source):
        rows, *found = con.execute(f"SELECT count(*), {tallies} FROM {source.scan}").fetchone()  # noqa: S608
    if rows == 0:
        raise WorldError(f"{source.what} has no rows", help=_next_step(source.alias))
    id = columns[0]
    for count, (column, condition, wrong) in zip(found, refused, strict=True):
        if count:
            query = f"SELECT {_quote(id.name)}, {_quote(column.name)} FROM {source.scan} WHERE {condition} LIMIT 1"  # noqa: S608
            row, value = con.execute(query).fetchone()
            such = "" if column is id else f", such as {value!r} where {id.name} = {row!r}"
            message = f"{source.what}: `{column.name}` {wrong} in {words.many(count, 'row')} of {rows:,}{such}"
            raise WorldError(message, help=_next_step(source.alias))
    return int(rows)


def _load(con: Any, source: _Source, columns: Sequence[_Column]) -> None:
    """Copy what is needed into a table named by the alias, in the order of the file."""
    with _reading(source):
        con.execute(f"CREATE TEMP TABLE {source.alias} AS {_select(source, columns)}")


def _select(source: _Source, columns: Sequence[_Column]) -> str:
    return f"SELECT {', '.join(f'{column.sql} AS {column.alias}' for column in columns)} FROM {source.scan}"  # noqa: S608


def _predictions(con: Any, holdout: _Source, source: _Source, columns: Sequence[_Column]) -> Predictions:
    """One model's predictions in the order of the holdout; refuses rows that are not one to one."""
    import numpy as np

    rows = _check(con, source, columns)
    (expected,) = con.execute("SELECT count(*) FROM holdout").fetchone()
    taken = ", ".join(column.alias for column in columns[1:])
    joined = f"holdout JOIN ({_select(source, columns)}) USING (id)"
    query = f"SELECT CAST(holdout.rowid AS UINTEGER) AS at, {taken} FROM {joined}"  # noqa: S608
    with _reading(source):
        found = {name: np.ma.getdata(array) for name, array in con.execute(query).fetchnumpy().items()}
    at = found.pop("at")
    met = np.zeros(expected, bool)
    met[at] = True
    # Ids of the holdout are unique by now. So every row met, as many pairs and predictions as rows: one to one.
    if not (met.all() and len(at) == rows == expected):
        _load(con, source, columns)
        _refuse_double(con, source, columns[0].name)
        _refuse_unmatched(con, holdout, source, columns[0].name)
    arrays = {}
    for name, values in found.items():
        arrays[name] = np.empty_like(values)
        arrays[name][at] = values
    return Predictions(**arrays)


def _labels(con: Any, slice_columns: Sequence[str]) -> tuple[Array, tuple[Grouping, ...]]:
    """The labels and the groups, in the order of the holdout."""
    import numpy as np

    picked = ["label", *(f"enum_code(s{i}) AS s{i}" for i in range(len(slice_columns)))]
    found = con.execute(f"SELECT {', '.join(picked)} FROM holdout ORDER BY rowid").fetchnumpy()  # noqa: S608
    groupings = []
    for i, by in enumerate(slice_columns):
        values = con.execute(f"SELECT unnest(enum_range(NULL::s{i}))::VARCHAR").fetchall()
        groupings.append(Grouping(by, np.ma.getdata(found[f"s{i}"]), tuple(row[0] for row in values)))
    return np.ma.getdata(found["label"]), tuple(groupings)


def _refuse_double(con: Any, source: _Source, id: str) -> None:
    rows, ids = con.execute(f"SELECT count(*), count(DISTINCT id) FROM {source.alias}").fetchone()  # noqa: S608
    if rows == ids:
        return
    double = f"SELECT id, count(*) AS n FROM {source.alias} GROUP BY id HAVING n > 1"  # noqa: S608
    count, example, times = con.execute(f"SELECT count(*), arg_max(id, n), max(n) FROM ({double})").fetchone()  # noqa: S608
    stand = f"{words.many(count, 'id')} {'stands' if count == 1 else 'stand'}"
    raise WorldError(
        f"{source.what}: {stand} in more than one row, such as {id} = {example!r} in {times:,} rows",
        help=f"`{id}` must tell every row apart.",
    )


def _refuse_unmatched(con: Any, holdout: _Source, source: _Source, id: str) -> None:
    """Name the rows of the holdout without a prediction, or the predictions of rows that the holdout does not have."""
    for here, there in ((holdout, source), (source, holdout)):
        query = f"SELECT count(*), first(id ORDER BY a.rowid) FROM {here.alias} a ANTI JOIN {there.alias} b USING (id)"  # noqa: S608
        count, example = con.execute(query).fetchone()
        if count:
            rows = words.many(count, "row")
            wrong = (
                f"no prediction for {rows} of {here.what}"
                if here is holdout
                else f"{rows} that the holdout does not have"
            )
            raise WorldError(
                f"{source.what}: {wrong}, such as {id} = {example!r}",
                help="`gate.predict` must write one row for every row of MLCI_DATA, with its id.",
            )


_NAMES = "Check `gate.columns` in mlci.yaml."


def _type(source: _Source, name: str, key: str, *, where: str = "gate.columns") -> str:
    """The type of a column that the configuration names; refuses one that is not there."""
    if name in source.types:
        return source.types[name]
    near = difflib.get_close_matches(name, source.types, n=1, cutoff=0.5)
    help = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(f'`{one}`' for one in source.types)}."
    raise UsageError(f"{source.what} has no column `{name}`, which `{where}.{key}` names", help=help)


def _is_number(kind: str) -> bool:
    return kind in (*_WHOLE, "FLOAT", "DOUBLE") or kind.startswith("DECIMAL")


def _next_step(alias: str) -> str:
    if alias == "holdout":
        return "Check the dataset that `gate.data` names."
    return "`gate.predict` must write one row for every row of MLCI_DATA into MLCI_PREDICTIONS, as Parquet."


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(path: Path) -> str:
    """The path as SQL, with what would be a wildcard taken as it stands."""
    return "'" + re.sub(r"([*?\[])", r"[\1]", str(path)).replace("'", "''") + "'"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
