from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mlci.config.judging import Columns
from mlci.errors import WorldError
from mlci.gate.suites import write

COLUMNS = Columns(id="id", label="y", score="p")


def table(path: Path, query: str) -> Path:
    quoted = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{quoted}'")
    return path


def rows(path: Path) -> list[tuple]:
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM '{path}'").fetchall()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_rows_keep_their_order_and_predictions_stand_beside_them(tmp_path: Path, suffix: str) -> None:
    holdout = table(tmp_path / f"it's [1].{suffix}", "SELECT 9 - range AS id, range % 2 AS y FROM range(10)")
    answers = table(tmp_path / "p.parquet", "SELECT range AS id, range / 10 AS p, 'x' AS other FROM range(10)")
    found = write([holdout], answers, COLUMNS, what="the holdout", sample=None, folder=tmp_path / "out")
    assert (found.rows, found.of) == (10, 10)
    assert [row[0] for row in rows(found.table)] == list(range(9, -1, -1))
    assert rows(found.predictions) == [(i, i / 10) for i in range(9, -1, -1)]


def test_a_sample_is_the_same_rows_each_time_and_in_their_order(tmp_path: Path) -> None:
    holdout = table(tmp_path / "rows.parquet", "SELECT range AS id, 0 AS y FROM range(5000)")
    answers = table(tmp_path / "p.parquet", "SELECT range AS id, 0.5 AS p FROM range(5000)")
    taken = []
    for name in ("a", "b"):
        found = write([holdout], answers, COLUMNS, what="the holdout", sample=100, folder=tmp_path / name)
        assert (found.rows, found.of) == (100, 5000)
        taken.append([row[0] for row in rows(found.table)])
        assert [row[0] for row in rows(found.predictions)] == taken[-1]
    assert taken[0] == taken[1] == sorted(taken[0])
    assert taken[0] != list(range(100))


def test_rows_without_an_id_can_be_sampled_too(tmp_path: Path) -> None:
    train = table(tmp_path / "rows.parquet", "SELECT range AS x, 0 AS y FROM range(500)")
    found = write([train], None, COLUMNS, what="the rows of train", sample=50, folder=tmp_path / "out")
    assert (found.rows, found.predictions) == (50, None)


def test_ids_that_are_text_in_one_table_only_are_the_same(tmp_path: Path) -> None:
    holdout = table(tmp_path / "rows.parquet", "SELECT range::VARCHAR AS id, 0 AS y FROM range(5)")
    answers = table(tmp_path / "p.parquet", "SELECT range AS id, 0.5 AS p FROM range(5)")
    found = write([holdout], answers, COLUMNS, what="the holdout", sample=None, folder=tmp_path / "out")
    assert rows(found.predictions)[4] == ("4", 0.5)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (Columns(id="id", labels={"cat": "y", "dog": "z"}, scores={"cat": "p", "dog": "q"}), [1, 0.5, 0.25]),
        (Columns(id="id", label="y", prediction="p", quantiles={"q": 0.9}), [1, 0.5, 0.25]),
        (Columns(id="id"), [1, 0.5, 0.25, "x"]),
    ],
)
def test_what_models_of_other_tasks_say_is_written_too(tmp_path: Path, columns: Columns, said: list) -> None:
    holdout = table(tmp_path / "rows.parquet", "SELECT 1 AS id, 0 AS y, 1 AS z")
    answers = table(tmp_path / "p.parquet", "SELECT 1 AS id, 0.5 AS p, 0.25 AS q, 'x' AS other")
    found = write([holdout], answers, columns, what="the holdout", sample=None, folder=tmp_path / "out")
    assert [float(one) if one != "x" else one for one in rows(found.predictions)[0]] == said


@pytest.mark.parametrize(
    ("holdout", "answers", "message"),
    [
        ("SELECT range AS id FROM range(5)", "SELECT 1 AS id, 0.5 AS p", "no column 'y'"),
        ("SELECT range AS x, 0 AS y FROM range(5)", "SELECT 1 AS id, 0.5 AS p", "no column 'id'"),
        ("SELECT range AS id, 0 AS y FROM range(5)", "SELECT range AS id, 0.5 AS p FROM range(4)", "1 of them without"),
        ("SELECT range % 4 AS id, 0 AS y FROM range(5)", "SELECT range AS id, 0.5 AS p FROM range(4)", None),
        ("SELECT range AS id, 0 AS y FROM range(4)", "SELECT range % 4 AS id, 0.5 AS p FROM range(5)", "5 predictions"),
        ("SELECT 1 AS id, 0 AS y WHERE false", "SELECT 1 AS id, 0.5 AS p", "have no rows"),
        ("SELECT 1 AS id, 0 AS y", "SELECT 1 AS id, 0.5 AS q", "cannot be read"),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path: Path, holdout: str, answers: str, message: str | None) -> None:
    files = table(tmp_path / "rows.parquet", holdout), table(tmp_path / "p.parquet", answers)
    if message is None:  # double ids of rows are the gate's to refuse; each still has its one prediction
        assert write([files[0]], files[1], COLUMNS, what="w", sample=None, folder=tmp_path / "out").rows == 5
        return
    with pytest.raises(WorldError, match=message):
        write([files[0]], files[1], COLUMNS, what="the holdout", sample=None, folder=tmp_path / "out")


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(WorldError, match="the holdout cannot be read"):
        write([tmp_path / "rows.parquet"], None, COLUMNS, what="the holdout", sample=None, folder=tmp_path / "out")
