"""The tables that suites read: Parquet, sampled where there are too many rows, with predictions in the same order."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from mlci.config.judging import Columns
from mlci.errors import WorldError
from mlci.gate.suites.protocol import Rows

_READERS = {".csv": "read_csv", ".tsv": "read_csv", ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json"}


def write(
    files: Sequence[Path], predictions: Path | None, columns: Columns, *, what: str, sample: int | None, folder: Path
) -> Rows:
    """Write the rows of `files` (Parquet, CSV or JSON lines), and the predictions for them, to `folder` as Parquet.

    With `sample`, at most so many rows, always the same ones. `what` names the rows in errors. Raises WorldError when
    a file cannot be read, when the id or the label is not there, and when predictions and rows are not one to one.
    """
    import duckdb

    folder.mkdir(parents=True)
    table = folder / "rows.parquet"
    answers = folder / "predictions.parquet" if predictions else None
    try:
        with closing(duckdb.connect(config={"temp_directory": tempfile.gettempdir()})) as con:
            source = _scan(files)
            have = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]  # noqa: S608
            truth = [columns.label] if columns.label is not None else [*columns.labels.values()]
            needed = [*truth, *([columns.id] if predictions else [])]
            if missing := [name for name in needed if name not in have]:
                raise WorldError(f"{what} have no column {missing[0]!r}", help="check `gate.columns` and the data")
            of = int(con.execute(f"SELECT count(*) FROM {source}").fetchone()[0])  # noqa: S608
            _load(con, source, have, columns.id, sample if sample is not None and sample < of else None)
            rows = min(of, sample) if sample is not None else of
            if rows == 0:
                raise WorldError(f"{what} have no rows", help="check the data that the suite reads")
            con.execute(f"COPY (SELECT * EXCLUDE (mlci_at) FROM taken ORDER BY mlci_at) TO {_text(table)}")  # noqa: S608
            if predictions and answers:
                _answers(con, predictions, columns, answers, rows, what)
    except duckdb.Error as error:
        raise WorldError(f"{what} cannot be read: {str(error).splitlines()[0]}", help="check the files") from error
    return Rows(table, answers, rows, of)


def _load(con: Any, source: str, have: Sequence[str], id: str, sample: int | None) -> None:
    """The rows in the order of the files; a sample by a hash of the id, or of the row where it has none."""
    by = _name(id) if id in have else ", ".join(map(_name, have))
    drawn = f"ORDER BY hash({by}), {by} LIMIT {sample}" if sample is not None else ""
    numbered = f"SELECT *, row_number() OVER () AS mlci_at FROM {source}"  # noqa: S608
    con.execute(f"CREATE TEMP TABLE taken AS SELECT * FROM ({numbered}) {drawn}")  # noqa: S608


def _answers(con: Any, predictions: Path, columns: Columns, out: Path, rows: int, what: str) -> None:
    source, id = _scan([predictions]), _name(columns.id)
    one = [name for name in (columns.score, columns.prediction) if name is not None]
    said = dict.fromkeys([*one, *columns.scores.values(), *columns.predictions.values(), *columns.quantiles])
    taken = ", ".join(f"p.{_name(name)}" for name in said) or f"p.* EXCLUDE ({id})"
    joined = f"taken t JOIN {source} p ON {_same(con, source, columns.id)}"
    found, met = con.execute(f"SELECT count(*), count(DISTINCT t.mlci_at) FROM {joined}").fetchone()  # noqa: S608
    if found != rows or met != rows:
        short = f"{rows - met:,} of them without one" if met < rows else f"{found:,} predictions for {rows:,} rows"
        raise WorldError(
            f"{what} and the predictions for them are not one to one by {columns.id!r}: {short}",
            help="`gate.predict` writes one row for each row of MLCI_DATA, and the id tells every row apart",
        )
    query = f"SELECT t.{id}, {taken} FROM {joined} ORDER BY t.mlci_at"  # noqa: S608
    con.execute(f"COPY ({query}) TO {_text(out)}")


def _same(con: Any, source: str, id: str) -> str:
    """The condition that two ids are the same; as text when only one of them is a text."""
    column = _name(id)
    query = f"SELECT typeof({column}) FROM {{}} LIMIT 1"  # noqa: S608
    kinds = [(con.execute(query.format(table)).fetchone() or ("",))[0] for table in ("taken", source)]
    if (kinds[0] == "VARCHAR") == (kinds[1] == "VARCHAR"):
        return f"t.{column} = p.{column}"
    return f"CAST(t.{column} AS VARCHAR) = CAST(p.{column} AS VARCHAR)"


def _scan(files: Sequence[Path]) -> str:
    suffix = next((s for s in reversed(files[0].suffixes) if s.lower() not in (".gz", ".zst")), "").lower()
    reader = _READERS.get(suffix, "read_parquet")
    whole = ", sample_size = -1" if reader == "read_csv" else ""
    return f"{reader}([{', '.join(map(_path, files))}], union_by_name = true{whole})"


def _path(path: Path) -> str:
    """The path as SQL, with what would be a wildcard taken as it stands."""
    return _text(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
