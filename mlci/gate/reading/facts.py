"""Reads the facts: the holdout's labels beside each model's predictions, joined by id in DuckDB.

The only module of the gate that touches files. Whatever is wrong with a table is an error that names the table, the
column, how many rows, and one of them: a gate on rows that do not match would be a gate on nothing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.metric.expression import called, computed
from mlci.gate.metric.forecasts import blocks
from mlci.gate.metric.metrics import quantile
from mlci.gate.reading.columns import (
    Column,
    Source,
    class_text,
    holdout_columns,
    id_columns,
    prediction_columns,
    quoted,
    type_of,
)
from mlci.gate.reading.cuts import Cut, binned, cut_columns, cut_text, cuts
from mlci.gate.reading.features import features
from mlci.gate.table import Grouping, Predictions, Table, Task

if TYPE_CHECKING:
    from mlci.config.judging import Columns, Metric, Search, SliceBy
    from mlci.gate.metric.function import Call
    from mlci.gate.table import Array, Codes

_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json"}
_KINDS = {"read_csv": "CSV", "read_json": "JSON lines", "read_parquet": "Parquet"}


def read(
    holdout_files: Sequence[Path],
    columns: Columns,
    challenger: Path,
    champion: Path | None,
    *,
    slice_columns: Sequence[SliceBy | str] = (),
    search: Search | None = None,
    task: Task = "classification",
    metrics: Mapping[str, Metric] | None = None,
    call: Call | None = None,
    alone: bool = False,
) -> Table:
    """Join the holdout (Parquet, CSV or JSON lines) with the predictions of both models (Parquet) by `columns.id`.

    The rows stand in the order of the holdout, grouped by `slice_columns` and by what `search` is about. Of `metrics`
    those with an expression or a function (run by `call`), and all of the task `scores`, are numbers for each row that
    are read here. Errors speak of a project, or of two tables `alone`. Raises UsageError when a column is not there or
    of a type that cannot be what it is said to be, and WorldError when a file cannot be read or the rows are not fit to
    judge on: no rows, ids that are missing, double or different in the tables, scores that are NULL, NaN or outside
    [0, 1], labels that are not 0, 1, true or false (classification, multilabel), no class (multiclass) or not finite,
    weights that are not above 0, two rows of a series at one time, and whatever `computed` and `call` raise.
    """
    import duckdb

    _refuse_nothing(holdout_files, columns, task)
    metrics = metrics or {}
    settings = {"autoinstall_known_extensions": False, "temp_directory": tempfile.gettempdir()}
    with closing(duckdb.connect(config=settings)) as con:
        holdout, *models = _opened(con, holdout_files, challenger, champion, alone)
        id, *ids = id_columns([holdout, *models], columns.id)
        classes = _classes(con, holdout, columns) if task == "multiclass" else tuple(columns.labels)
        taken = [prediction_columns(model, columns, task, metrics) for model in models]
        named = cuts(slice_columns, metrics)
        with _reading(holdout):
            searched, left_out = features(con, holdout, columns, metrics, search, task) if search else ([], ())
        every = [*named, *searched]
        facts = [id, *holdout_columns(holdout, columns, task), *cut_columns(con, holdout, every)]
        _slice_types(con, holdout, every)
        _loaded(con, holdout, facts)
        base = replace(_holdout(con, columns, task), classes=classes)
        sides, found = list(zip(models, ids, taken, strict=True)), []
        for side in sides:
            given = _predictions(_aligned(con, holdout, side[0], [side[1], *side[2]]), side[2], columns)
            more = computed(con, (holdout, id), side, columns, metrics)
            found.append(replace(given, columns={**given.columns, **more}))
        found = called(con, (holdout, id), sides, columns, metrics, call, found, base.clusters)
        groups = tuple(_grouping(con, i, cut) for i, cut in enumerate(every))
    base = replace(base, groupings=groups[: len(named)], features=groups[len(named) :], unsearched=left_out)
    return replace(base, challenger=found[0], champion=found[1] if champion else None)


def _refuse_nothing(holdout_files: Sequence[Path], columns: Columns, task: Task) -> None:
    if not holdout_files:
        raise UsageError("the gate has no holdout files", help="Check `gate.data` and the path of that dataset.")
    key = "labels" if task == "multilabel" else "label"
    if not getattr(columns, key) and task != "scores":
        raise UsageError(
            f"the gate does not know which column holds the truth of {task}", help=f"Set `gate.columns.{key}`."
        )


def _classes(con: Any, holdout: Source, columns: Columns) -> tuple[str, ...]:
    """The classes, as an ENUM too: those that have a column of scores, else those of the holdout's labels."""
    if columns.scores:
        listed = ", ".join(_text(name) for name in columns.scores)
        con.execute(f"CREATE TYPE classes AS ENUM ({listed})")
        return tuple(columns.scores)
    assert columns.label is not None
    text = class_text(columns.label, type_of(holdout, columns.label, "label"))
    with _reading(holdout):
        con.execute(
            f"CREATE TYPE classes AS ENUM (SELECT DISTINCT {text} AS value FROM {holdout.scan} "  # noqa: S608
            f"WHERE {quoted(columns.label)} IS NOT NULL ORDER BY value)"
        )
    return tuple(row[0] for row in con.execute("SELECT unnest(enum_range(NULL::classes))::VARCHAR").fetchall())


def _slice_types(con: Any, holdout: Source, wanted: Sequence[Cut]) -> None:
    """An ENUM for each cut but bins: a code per row, not a text."""
    for i, cut in ((i, cut) for i, cut in enumerate(wanted) if cut.bins is None):
        values = f"SELECT DISTINCT {cut_text(cut)} AS value FROM {holdout.scan} ORDER BY value"  # noqa: S608
        with _reading(holdout):
            con.execute(f"CREATE TYPE s{i} AS ENUM ({values})")


def _opened(
    con: Any, holdout: Sequence[Path], challenger: Path, champion: Path | None, alone: bool
) -> Iterator[Source]:
    """The holdout, and the predictions of each model."""
    files = {"holdout": holdout, "challenger": [challenger]} | ({"champion": [champion]} if champion else {})
    for alias, paths in files.items():
        yield _open(con, *_named(alias, alone, list(holdout) == [challenger]), paths)


def _open(con: Any, alias: str, what: str, way_out: str, files: Sequence[Path]) -> Source:
    """Look at the files: they are there, they can be read, they have columns."""
    import duckdb

    for path in files:
        if not path.is_file():
            raise WorldError(f"{what}: there is no file {path}", help=way_out)
    suffix = next((s for s in reversed(files[0].suffixes) if s.lower() not in (".gz", ".zst")), "").lower()
    reader = _READERS.get(suffix, "read_parquet") if alias == "holdout" else "read_parquet"
    # Types by all rows of a CSV, not by the first 20,000: an id may look like a number for as long as that.
    whole = ", sample_size = -1" if reader == "read_csv" else ""
    scan = f"{reader}([{', '.join(map(_literal, files))}], union_by_name = true{whole})"
    shown = f"{what} ({files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''})"
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise WorldError(f"{shown} cannot be read as {_KINDS[reader]}: {_line(error)}", help=way_out) from None
    return Source(shown, alias, scan, {row[0]: row[1] for row in rows}, way_out)


@contextmanager
def _reading(source: Source) -> Iterator[None]:
    """What DuckDB finds wrong with the file while it reads on is the file's fault, in the words of people."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise WorldError(f"{source.what} cannot be read: {_line(error)}", help=source.way_out) from None


def _check(con: Any, source: Source, columns: Sequence[Column]) -> int:
    """Refuse no rows and unfit values, in one pass over the file; gives the number of rows. The id comes first."""
    refused = [(column, *check) for column in columns for check in column.refused]
    tallies = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition, _ in refused)
    with _reading(source):
        rows, *found = con.execute(f"SELECT count(*), {tallies} FROM {source.scan}").fetchone()  # noqa: S608
    if rows == 0:
        raise WorldError(f"{source.what} has no rows", help=source.way_out)
    id = columns[0]
    for count, (column, condition, wrong) in zip(found, refused, strict=True):
        if count:
            query = f"SELECT {quoted(id.name)}, {quoted(column.name)} FROM {source.scan} WHERE {condition} LIMIT 1"  # noqa: S608
            row, value = con.execute(query).fetchone()
            shown = "NULL" if value is None else str(value) if isinstance(value, Decimal) else repr(value)
            such = "" if column is id else f", such as {shown} where {id.name} = {row!r}"
            message = f"{source.what}: `{column.name}` {wrong} in {words.many(count, 'row')} of {rows:,}{such}"
            raise WorldError(message, help=source.way_out)
    return int(rows)


def _load(con: Any, source: Source, columns: Sequence[Column]) -> None:
    """Copy what is needed into a table named by the alias, in the order of the file."""
    with _reading(source):
        con.execute(f"CREATE TEMP TABLE {source.alias} AS {_select(source, columns)}")


def _loaded(con: Any, holdout: Source, facts: Sequence[Column]) -> None:
    """The holdout as a table, each row once; the id comes first."""
    _check(con, holdout, facts)
    _load(con, holdout, facts)
    _refuse_double(con, holdout, facts[0].name)


def _select(source: Source, columns: Sequence[Column]) -> str:
    return f"SELECT {', '.join(f'{column.sql} AS {column.alias}' for column in columns)} FROM {source.scan}"  # noqa: S608


def _aligned(con: Any, holdout: Source, source: Source, columns: Sequence[Column]) -> dict[str, Array]:
    """One model's columns by alias, in the order of the holdout; refuses rows that are not one to one."""
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
    arrays: dict[str, Array] = {}
    for name, values in found.items():
        arrays[name] = np.empty_like(values)
        arrays[name][at] = values
    return arrays


def _predictions(arrays: Mapping[str, Array], taken: Sequence[Column], columns: Columns) -> Predictions:
    own = {column.name: arrays[column.alias] for column in taken if column.alias.startswith("m")}
    levels = {f"q{i}": quantile(level) for i, level in enumerate(columns.quantiles.values())}
    own |= {levels[name]: array for name, array in arrays.items() if name in levels}
    return Predictions(_side_by_side(arrays, "score", "p"), _side_by_side(arrays, "value", "v"), own)


def _side_by_side(arrays: Mapping[str, Array], one: str, many: str) -> Array | None:
    """The column of that name, or those of many classes or tags (`p0`, `p1`, …) as one table."""
    import numpy as np

    several = [array for name, array in arrays.items() if re.fullmatch(rf"{many}\d+", name)]
    return np.column_stack(several) if several else arrays.get(one)


def _holdout(con: Any, columns: Columns, task: Task) -> Table:
    """What does not depend on a model, in the order of the holdout: a table without predictions."""
    import numpy as np

    several = [f"l{i}" for i in range(len(columns.labels))] if task == "multilabel" else []
    in_time = task == "forecasting"
    # Without series all rows are of one; without times they stand in the order of the holdout.
    series = "series" if columns.series is not None else "0"
    turn = f"row_number() OVER (PARTITION BY {series} ORDER BY {'time' if columns.time else 'rowid'}) - 1 AS turn"
    scales = {f"e{i}": name for i, name in enumerate(columns.scale)} if in_time else {}
    picked = [
        *(several or ["label" if columns.label is not None else "0::TINYINT AS label"]),
        *(["weight"] if columns.weight is not None else []),
        *(["cluster"] if columns.group is not None else []),
        *([f"{series} AS series", turn, *scales] if in_time else []),
    ]
    if in_time and columns.time is not None:
        _refuse_same_time(con, columns, series)
    found = con.execute(f"SELECT {', '.join(picked)} FROM holdout ORDER BY rowid").fetchnumpy()  # noqa: S608
    arrays = {name: np.ma.getdata(array) for name, array in found.items()}
    codes: dict[str, Codes] = {}
    codes |= {name: np.unique(arrays[name], return_inverse=True)[1] for name in ("cluster", "series") if name in arrays}
    if in_time and "cluster" not in codes:
        codes["cluster"] = blocks(codes["series"], arrays["turn"])
    return Table(
        task,
        np.column_stack([arrays[name] for name in several]) if several else arrays["label"],
        Predictions(),
        weights=arrays.get("weight"),
        clusters=codes.get("cluster"),
        series=codes.get("series"),
        scales={name: arrays[alias] for alias, name in scales.items()},
    )


def _refuse_same_time(con: Any, columns: Columns, series: str) -> None:
    rows = f"SELECT id, time, {series} AS which FROM holdout"  # noqa: S608
    twice = f"SELECT min(id) AS one, max(id) AS other, time FROM ({rows}) GROUP BY which, time HAVING count(*) > 1"  # noqa: S608
    query = f"SELECT count(*), first(one), first(other), first(time::VARCHAR) FROM ({twice})"  # noqa: S608
    count, one, other, time = con.execute(query).fetchone()
    if count:
        of = "of a series " if columns.series is not None else ""
        raise WorldError(
            f"the holdout: {words.many(count, 'time')} {of}{'stands' if count == 1 else 'stand'} in more than one row, "
            f"such as {columns.time} = {time} where {columns.id} = {one!r} and {other!r}",
            help="Name the column that tells the series apart in `gate.columns.series`.",
        )


def _grouping(con: Any, i: int, cut: Cut) -> Grouping:
    """The rows by a cut, in the order of the holdout; one at a time, as there may be many."""
    import numpy as np

    if cut.bins is not None:
        return binned(cut, con.execute(f"SELECT s{i} AS x FROM holdout ORDER BY rowid").fetchnumpy()["x"])  # noqa: S608
    codes = con.execute(f"SELECT enum_code(s{i}) AS x FROM holdout ORDER BY rowid").fetchnumpy()["x"]  # noqa: S608
    values = con.execute(f"SELECT unnest(enum_range(NULL::s{i}))::VARCHAR").fetchall()
    return Grouping(cut.name, np.ma.getdata(codes), tuple(row[0] for row in values))


def _refuse_double(con: Any, source: Source, id: str) -> None:
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


def _refuse_unmatched(con: Any, holdout: Source, source: Source, id: str) -> None:
    """Name the rows of the holdout without a prediction, or the predictions of rows that the holdout does not have."""
    for here, there in ((holdout, source), (source, holdout)):
        query = f"SELECT count(*), first(id ORDER BY a.rowid) FROM {here.alias} a ANTI JOIN {there.alias} b USING (id)"  # noqa: S608
        count, example = con.execute(query).fetchone()
        if count:
            rows = words.many(count, "row")
            wrong = (
                f"no prediction for {rows} of {here.what}"
                if here is holdout
                else f"{rows} that {holdout.what} does not have"
            )
            raise WorldError(f"{source.what}: {wrong}, such as {id} = {example!r}", help=source.way_out)


def _named(alias: str, alone: bool, one_table: bool) -> tuple[str, str, str]:
    """The alias of a table, what it is to people, and the way out when something is wrong with it."""
    what = "the holdout" if alias == "holdout" else f"the {alias}'s predictions"
    if not alone:
        return alias, what, _OF_PROJECT[alias]
    if alias == "holdout" and one_table:
        return alias, "the challenger's table", "Check it, or name the rows and their labels by --holdout."
    return alias, what, _OF_TABLES[alias]


_OF_PROJECT = {
    "holdout": "Check the dataset that `gate.data` names.",
    "challenger": "`gate.predict` must write one row for every row of MLCI_DATA into MLCI_PREDICTIONS, as Parquet.",
    "champion": "A champion must have predicted each row of the holdout, once; without one: --set gate.champion=null.",
}
_OF_TABLES = {
    "holdout": "Check the table of --holdout.",
    "challenger": "The table of --challenger has each row of the holdout, once, as Parquet.",
    "champion": "The table of --champion has each row of the challenger's, once, as Parquet; it may be left out.",
}


def _literal(path: Path) -> str:
    """The path as SQL, with what would be a wildcard taken as it stands."""
    return _text(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
