"""Suites in a project: deepchecks in its own environment, made here for real, beside whatever this one has."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pytest
from uv import find_uv_bin

from mlci.errors import WorldError
from mlci.gate.suites import deepchecks, environment
from tests.conftest import TinyProject

pytestmark = pytest.mark.timeout(1200)  # the first time, packages of 700 MB are downloaded

CHECKS = """
import json, os
assert all(os.path.isfile(os.environ[n]) for n in ("MLCI_TRAIN", "MLCI_TRAIN_PREDICTIONS", "MLCI_PREDICTIONS"))
findings = [{"title": "profit", "severity": "error", "detail": "-3"}] if os.path.exists("bad") else []
json.dump({"checks": 4, "findings": findings}, open(os.environ["MLCI_FINDINGS"], "w"))
open(os.environ["MLCI_HTML"], "w").write("<p>the page of checks</p>")
"""


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty cache for environments; uv's own stays, so that packages are downloaded once a machine."""
    kept = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    return {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "UV_CACHE_DIR": kept}


@pytest.fixture(scope="module")
def python(caches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of deepchecks, made by mlci; the first time on a machine its packages are downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in caches.items():
            patch.setenv(name, value)
        return make(deepchecks.LOCK, tmp_path_factory.mktemp("log") / "log", deepchecks.PYTHON, name="deepchecks")


def make(lock: Path, log: Path, python: str = ">=3.9", name: str = "x") -> Path:
    return environment.ready(name, lock, python=python, log=log, say=lambda _: None, stop=threading.Event())


def gate_of(run) -> dict:
    return next(step for step in run.json["steps"] if step["name"] == "gate")


def test_a_command_decides_with_the_gate_and_its_page_is_beside_the_report(tiny) -> None:
    (tiny.root / "checks.py").write_text(CHECKS)
    tiny.edit("mlci.yaml", "  champion: production\n", "  suites: [{command: python checks.py, train: train}]\n")
    done = tiny.mlci("run", "gate", "--json")
    assert done.code == 0, done.err
    (suite,) = gate_of(done)["receipt"]["predicate"]["facts"]["suites"]
    assert (suite["name"], suite["verdict"], suite["checks"]) == ("command: python checks.py", "pass", 4)
    page = f"suites/{suite['html'].removeprefix('sha256:')}.html"
    assert (tiny.root / ".mlci/reports" / page).read_text() == "<p>the page of checks</p>"
    (report,) = (tiny.root / ".mlci/reports").glob("run-*.html")
    assert f'href="{page}"' in report.read_text()

    assert tiny.statuses(tiny.mlci("run", "gate", "--json"))["gate"] == "reused"
    (tiny.root / "checks.py").write_text(CHECKS.replace("4", "5").replace('os.path.exists("bad")', "True"))
    done = tiny.mlci("run", "gate", "--json")
    assert done.code == 1
    assert gate_of(done)["summary"] == "command: python checks.py: profit"
    assert tiny.statuses(done)["train"] == "reused"


def rows(path: Path, count: int, seed: int, start: int) -> None:
    """Rows with numbers, words, times and lists, a class `label` and a number `y`."""
    draw = np.random.default_rng(seed)
    x, z, noise = draw.normal(size=(3, count))
    table = {
        "id": np.arange(start, start + count),
        "x": x,
        "z": z,
        "city": draw.choice(["Oslo", "Lima", "Pune"], count),
        "label": (x + 0.5 * z + noise > 0).astype(np.int64),
        "y": x + 0.5 * z + noise,
        "class": np.select([x + noise / 4 < -0.4, x + noise / 4 < 0.4], ["low", "middle"], "high"),
    }
    with duckdb.connect() as connection:
        connection.register("given", {name: np.asarray(values) for name, values in table.items()})
        shown = "*, TIMESTAMP '2026-01-01' + to_hours(id) AS at, [x, z] AS both_of, x > 0 AS up"
        connection.execute(f"COPY (SELECT {shown} FROM given) TO '{path}'")


PREDICT = """
import os
import duckdb
source, target = os.environ["MLCI_DATA"], os.environ["MLCI_PREDICTIONS"]
shown = "1 / (1 + exp(-2 * (x + 0.5 * z))) AS score, x + 0.5 * z AS number"
thirds = "CASE WHEN x < -0.4 THEN 'low' WHEN x < 0.4 THEN 'middle' ELSE 'high' END AS third"
query = f"SELECT id, {shown}, {thirds} FROM '{source}'"
duckdb.sql(f"COPY ({query}) TO '{target}'")
"""
CONFIG = """
version: 1
project: suites
data:
  train: {path: train.parquet}
  holdout: {path: holdout.parquet}
train:
  run: [python, -c, "open('model.txt', 'w').write('x + z / 2')"]
  data: [train]
  outputs: {model: model.txt}
gate:
  predict: python predict.py
  data: holdout
  task: TASK
  columns: COLUMNS
  metrics: METRICS
  suites: [SUITES]
"""


@pytest.fixture
def project(tmp_path: Path):
    """A project with the full suite on a table, ready for `mlci run`."""

    def make(task: str, columns: str, metrics: str, suites: str) -> TinyProject:
        rows(tmp_path / "train.parquet", 200, 1, 0)
        rows(tmp_path / "holdout.parquet", 200, 2, 10_000)
        (tmp_path / "predict.py").write_text(PREDICT)
        written = CONFIG.replace("TASK", task).replace("COLUMNS", columns).replace("METRICS", metrics)
        (tmp_path / "mlci.yaml").write_text(written.replace("SUITES", suites))
        return TinyProject(tmp_path)

    return make


@pytest.mark.parametrize(
    ("task", "columns", "metrics", "skip", "judged", "not_for"),
    [
        (
            "classification",
            "{id: id, label: label, score: score}",
            "{roc_auc: {min: 0.6}}",
            "[Identifier Label Correlation]",
            "RocReport",
            "RegressionErrorDistribution",
        ),
        (
            "regression",
            "{id: id, label: y, prediction: number}",
            "{rmse: {max: 2}}",
            "[MultivariateDrift, WeakSegmentsPerformance]",
            "TrainTestPerformance",
            "RocReport",
        ),
    ],
)
def test_the_full_suite_of_deepchecks_runs_beside_new_versions_and_no_check_crashes(
    project, caches, python, task, columns, metrics, skip, judged, not_for
) -> None:
    given = project(task, columns, metrics, f"{{suite: deepchecks:full, skip: {skip}}}")
    done = given.mlci("run", "gate", "--json", **caches)
    assert done.code in (0, 1), done.err
    (suite,) = gate_of(done)["receipt"]["predicate"]["facts"]["suites"]
    assert suite["checks"] > 20
    assert suite["rows"] == 200
    assert not [one for one in suite["findings"] if "crashed" in one["title"]]
    notes = "\n".join(f"{one['title']}: {one['detail']}" for one in suite["findings"] if one["severity"] == "note")
    assert not_for in notes and f"not for {task}" in notes
    assert judged not in notes
    assert "columns not looked at" in notes and "both_of" in notes and "by `skip`" in notes
    page = given.root / ".mlci/reports/suites" / f"{suite['html'].removeprefix('sha256:')}.html"
    assert "Full Suite" in page.read_text()


def test_deepchecks_judges_a_model_of_three_classes(project, caches, python) -> None:
    columns = "{id: id, label: class, prediction: third}"
    given = project("multiclass", columns, "{accuracy: {min: 0.5}}", "deepchecks:model_evaluation")
    done = given.mlci("run", "gate", "--json", **caches)
    assert done.code in (0, 1), done.err
    (suite,) = gate_of(done)["receipt"]["predicate"]["facts"]["suites"]
    assert suite["checks"] >= 3, suite
    assert not [one for one in suite["findings"] if "crashed" in one["title"]]


def test_evidently_runs_beside_new_versions_and_sees_what_has_moved(project, caches) -> None:
    suites = "evidently:data_drift, {suite: evidently:classification, skip: [Recall metric], severity: warn}"
    given = project("classification", "{id: id, label: label, score: score}", "{roc_auc: {min: 0.6}}", suites)
    moved = given.root / "moved.parquet"
    with duckdb.connect() as connection:
        query = f"SELECT * REPLACE (x + 3 AS x) FROM '{given.root}/holdout.parquet'"
        connection.execute(f"COPY ({query}) TO '{moved}'")
    moved.replace(given.root / "holdout.parquet")
    done = given.mlci("run", "gate", "--json", **caches)
    assert done.code == 1, done.err
    drift, model = gate_of(done)["receipt"]["predicate"]["facts"]["suites"]
    assert ("Value Drift for column x", "error") in {(one["title"], one["severity"]) for one in drift["findings"]}
    notes = {one["title"] for one in drift["findings"] if one["severity"] == "note"}
    assert {title.partition(":")[0] for title in notes} == {"columns not looked at"}
    assert "both_of" in next(iter(notes))
    assert model["checks"] > 5 and model["verdict"] == "pass"
    assert "not minded: Recall metric" in {one["title"] for one in model["findings"]}
    for suite in (drift, model):
        page = given.root / ".mlci/reports/suites" / f"{suite['html'].removeprefix('sha256:')}.html"
        assert "root_metric" in page.read_text()


NAMES = """
import json
from deepchecks.tabular import suites
of = {n: getattr(suites, "full_suite" if n == "full" else n)() for n in %s}
print(json.dumps({n: sorted(type(check).__name__ for check in suite.checks.values()) for n, suite in of.items()}))
"""


def test_the_checks_that_can_be_skipped_are_those_of_the_locked_version(python: Path) -> None:
    quiet = {"DISABLE_LATEST_VERSION_CHECK": "1", "DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY": "1"}
    program = [str(python), "-I", "-W", "ignore", "-c", NAMES % list(deepchecks.CHECKS)]
    done = subprocess.run(program, env=quiet, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == {name: sorted(checks) for name, checks in deepchecks.CHECKS.items()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch, caches) -> Path:
    monkeypatch.setenv("UV_CACHE_DIR", caches["UV_CACHE_DIR"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty.lock").write_text("\n")
    return tmp_path


def test_an_environment_is_made_once_and_by_one_of_many(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = {
            future.result() for future in [pool.submit(make, cache / "empty.lock", cache / "log") for _ in range(4)]
        }
    (python,) = made
    assert subprocess.run([python, "-I", "-c", "print(6 * 7)"], check=True, capture_output=True).stdout == b"42\n"
    left = {path.name for path in environment.cache().iterdir()}
    assert left == {python.parents[1].name, python.parents[1].with_suffix(".lock").name}
    before = python.parents[1].stat().st_ino
    assert make(cache / "empty.lock", cache / "log") == python
    assert python.parents[1].stat().st_ino == before


def test_what_a_kill_left_half_is_cleared_and_what_lost_its_python_is_made_anew(cache: Path) -> None:
    python = make(cache / "empty.lock", cache / "log")
    python.unlink()
    half = environment.cache() / f"{python.parents[1].name}.new-killed"
    half.mkdir()
    assert make(cache / "empty.lock", cache / "log") == python
    assert python.exists() and not half.exists()


KILLED = """
import sys, threading
from pathlib import Path
from mlci.gate.suites import deepchecks, environment
environment.ready(
    "x", deepchecks.LOCK, python=deepchecks.PYTHON, log=Path(sys.argv[1]), say=print, stop=threading.Event()
)
"""


def test_a_kill_leaves_nothing_that_is_taken_for_whole(cache: Path, python: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(cache / "log")], stdout=subprocess.DEVNULL)
    while not list(environment.cache().glob("x-*.new-*/env/bin/python")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not list(environment.cache().glob("x-*/bin/python"))
    made = make(deepchecks.LOCK, cache / "log", deepchecks.PYTHON)
    assert len(list((made.parents[1]).glob("lib/*/site-packages/*.dist-info"))) == len(
        list(python.parents[1].glob("lib/*/site-packages/*.dist-info"))
    )
    assert not list(environment.cache().glob("*.new-*"))


def test_a_machine_without_a_python_that_fits_is_told_the_way_out(cache: Path) -> None:
    with pytest.raises(WorldError, match="it needs a Python >=9") as error:
        make(cache / "empty.lock", cache / "log", python=">=9")
    assert "uv python install" in error.value.help
    assert not [path for path in environment.cache().iterdir() if path.is_dir()]


def test_packages_that_cannot_be_had_leave_nothing_half(cache: Path) -> None:
    (cache / "bad.lock").write_text("mlci==0.0.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(WorldError, match="its packages cannot be installed") as error:
        make(cache / "bad.lock", cache / "log")
    assert "UV_DEFAULT_INDEX" in error.value.help
    assert not [path for path in environment.cache().iterdir() if path.is_dir()]
