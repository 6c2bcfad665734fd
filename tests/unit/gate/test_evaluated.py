"""Tables as MLflow 3 logs them from an evaluation, judged as scores of examples."""

from __future__ import annotations

import json
import random
from pathlib import Path

import duckdb
import pytest

from mlci.cli import run
from mlci.errors import UsageError, WorldError
from mlci.gate.reading.evaluated import as_parquet

RULES = 'task: scores\ncolumns: {id: id}\nmetrics: {"same/score": {min: 0.4, margin: 0.1}}\n'
COLUMNS = ["id", "inputs", "truth", "answer", "same/score", "same/justification"]


def logged(file: Path, right: float, rows: int = 400) -> Path:
    """What `mlflow.models.evaluate` of MLflow 3.17 writes for a metric of one's own, `same`."""
    chance = random.Random(str(file.name))
    data = [[i, f"q {i}", f"a {i}", "a", float(chance.random() < right), "x"] for i in range(rows)]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"columns": COLUMNS, "data": data}).replace("/", "\\/"))
    return file


def test_two_evaluations_are_compared_example_by_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("gate.yaml").write_text(RULES)
    logged(Path("new/eval_results_table.json"), 0.8)
    logged(Path("old/eval_results_table.json"), 0.8)
    logged(Path("bad.json"), 0.5)
    files = ["--champion", "old/eval_results_table.json", "--config", "gate.yaml", "--json"]
    assert run(["gate", "--challenger", "new/eval_results_table.json", *files]) == 0
    (metric,) = json.loads(capsys.readouterr().out)["metrics"]
    assert metric["difference"]["value"] == 0
    assert metric["method"].startswith("Student")
    assert run(["gate", "--challenger", "bad.json", *files]) == 1


def test_values_keep_their_type(tmp_path):
    table = {"columns": ["a", "b", 'c"', "d", "e"], "data": [
        [1, 0.5, "2020-01-01", True, {"x": 1}], [2, float("nan"), "007", None, "text"], [None, 3, None, False, None],
    ]}  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps(table))
    made = duckdb.sql(f"FROM '{as_parquet(tmp_path / 't.json', tmp_path)}'")
    assert [str(kind) for kind in made.types] == ["BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN", "VARCHAR"]
    assert made.columns == table["columns"]
    rows = made.fetchall()
    assert rows[0] == (1, 0.5, "2020-01-01", True, '{"x": 1}')
    assert str(rows[1]) == "(2, nan, '007', None, 'text')"
    assert rows[2] == (None, 3.0, None, False, None)


def test_a_number_without_rows_decides_nothing(tmp_path):
    (tmp_path / "metrics.json").write_text('{"mean_absolute_error": 0.78, "example_count": 80}')
    with pytest.raises(UsageError, match="has no interval"):
        as_parquet(tmp_path / "metrics.json", tmp_path)


@pytest.mark.parametrize(
    "text",
    ['{"columns": ["a"]', "{}", '{"columns": ["a"], "data": [[1, 2]]}', '{"columns": ["a", "a"], "data": [[1, 2]]}',
     '{"columns": [1], "data": []}', '{"columns": ["a"], "data": {"a": 1}}'],
)  # fmt: skip
def test_what_is_no_table_is_said(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(WorldError, match=r"t\.json"):
        as_parquet(tmp_path / "t.json", tmp_path)


def test_what_is_not_json_is_left_as_it_is(tmp_path):
    duckdb.sql(f"COPY (SELECT 1 AS a) TO '{tmp_path / 'p.parquet'}' (FORMAT parquet)")
    assert as_parquet(tmp_path / "p.parquet", tmp_path) == tmp_path / "p.parquet"
    assert as_parquet(tmp_path / "none", tmp_path) == tmp_path / "none"
