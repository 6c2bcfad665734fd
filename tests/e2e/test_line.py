"""The whole line on a small project: real data, a real store, real Envoy, real servers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import TinyProject

pytestmark = pytest.mark.e2e

ALL = [
    "validate:train",
    "validate:holdout",
    "train",
    "gate",
    "build",
    "promote:staging",
    "deploy:staging",
    "promote:production",
    "deploy:production",
]


def to_production(tiny: TinyProject, *arguments: str) -> dict[str, str]:
    done = tiny.mlci("run", "--to", "production", "--json", *arguments)
    assert done.code == 0, done.err
    return tiny.statuses(done)


def serving(tiny: TinyProject, environment: str) -> dict:
    places = tiny.mlci("status", "--json").json["environments"]
    return next(p for p in places if p["environment"] == environment)


def predict(endpoint: str, x: float) -> float:
    body = json.dumps({"instances": [{"id": 1, "x": x}]}).encode()
    with urllib.request.urlopen(f"{endpoint}/predict", data=body, timeout=10) as answer:
        return json.load(answer)["predictions"][0]


def test_from_data_to_production_and_nothing_twice(tiny: TinyProject) -> None:
    assert to_production(tiny) == dict.fromkeys(ALL, "pass")
    production = serving(tiny, "production")
    assert production["deployment"]["digest"] == production["promoted"] == serving(tiny, "staging")["promoted"]
    endpoint = production["deployment"]["endpoint"]
    assert predict(endpoint, 0.95) > 0.6 > 0.4 > predict(endpoint, 0.05)

    assert to_production(tiny) == dict.fromkeys(ALL, "reused")
    (tiny.root / "README.md").write_text("a change that nothing reads\n")
    assert to_production(tiny) == dict.fromkeys(ALL, "reused")

    tiny.edit("bins.py", "min(int(x * count), count - 1)", "min(int(x * count + 0), count - 1)")
    why = tiny.mlci("why", "train").out
    assert "train would run" in why
    assert "bins.py changed (imported by train.py)" in why
    after = to_production(tiny)
    assert after["train"] == "pass"
    assert after["validate:train"] == "reused"


def test_a_good_change_goes_through_the_canary_and_back_by_hand(tiny: TinyProject) -> None:
    to_production(tiny)
    first = serving(tiny, "production")["promoted"]
    assert to_production(tiny, "--set", "train.params.bins=30")["deploy:production"] == "pass"
    second = serving(tiny, "production")["promoted"]
    assert second != first
    facts = _deployment(tiny)
    assert facts["outcome"] == "deployed"
    assert facts["traffic"]["lost"] == 0
    assert facts["previous"] == first

    assert tiny.mlci("rollback", "production").code == 0
    assert serving(tiny, "production")["deployment"]["digest"] == first
    history = tiny.mlci("history", "production", "--json").json
    assert [entry["digest"] for entry in history] == [first, second, first]
    assert tiny.mlci("rollback", "production").code == 2  # nothing was there before the first


@pytest.mark.parametrize("fault", ["errors", "slow"])
def test_a_bad_server_is_taken_back(tiny: TinyProject, fault: str) -> None:
    to_production(tiny)
    first = serving(tiny, "production")["promoted"]
    done = tiny.mlci("run", "--to", "production", "--json", "--set", f"image.serve.env.TINY_FAULT={fault}")
    assert done.code == 4, done.err
    assert tiny.statuses(done)["deploy:production"] == "rolled-back"
    production = serving(tiny, "production")
    assert production["promoted"] == production["deployment"]["digest"] == first
    facts = done.json["steps"][-1]["receipt"]["predicate"]["facts"]
    assert facts["reason"]
    assert facts["traffic"]["lost"] == 0
    assert tiny.mlci("rollback", "production").code == 2  # what was taken back is no place to go back to


def test_a_worse_model_is_stopped_by_the_gate(tiny: TinyProject) -> None:
    to_production(tiny)
    first = serving(tiny, "production")["promoted"]
    done = tiny.mlci("run", "--to", "production", "--json", "--set", "train.params.bins=1")
    assert done.code == 1
    statuses = tiny.statuses(done)
    assert statuses["gate"] == "fail"
    assert {statuses[name] for name in ALL[4:]} == {"skipped"}
    assert serving(tiny, "production")["promoted"] == first


def test_bad_data_is_stopped_before_training(tiny: TinyProject) -> None:
    import duckdb

    data = tiny.root / "data" / "train.parquet"
    bad = data.with_name("bad.parquet")
    query = f"SELECT id, CASE WHEN id < 3 THEN -x ELSE x END AS x, label FROM '{data}'"
    duckdb.sql(f"COPY ({query}) TO '{bad}' (FORMAT parquet)")
    done = tiny.mlci("run", "--json", "--set", "data.train.path=data/bad.parquet")
    assert done.code == 1
    assert tiny.statuses(done)["train"] == "skipped"
    facts = done.json["steps"][0]["receipt"]["predicate"]["facts"]
    (violation,) = facts["violations"]
    assert (violation["column"], violation["rule"], violation["count"]) == ("x", "minimum", 3)
    assert len(violation["samples"]) == 3


def test_two_builds_in_two_places_have_one_digest_that_skopeo_reads(tiny: TinyProject, tmp_path: Path) -> None:
    other = TinyProject(tmp_path / "elsewhere" / "copy")
    shutil.copytree(tiny.root, other.root)
    digests = []
    for project, umask in ((tiny, "022"), (other, "077")):
        command = f"umask {umask}; exec {sys.executable} -m mlci run --json"
        done = subprocess.run(["sh", "-c", command], cwd=project.root, capture_output=True, text=True, check=True)
        digests.append(json.loads(done.stdout)["steps"][-1]["receipt"]["subject"][0]["digest"]["sha256"])
    assert digests[0] == digests[1]
    seen = subprocess.run(
        ["skopeo", "inspect", f"oci:{tiny.root}/.mlci/store:latest"], capture_output=True, text=True, check=True
    )
    assert json.loads(seen.stdout)["Digest"] == f"sha256:{digests[0]}"


def test_five_mistakes_are_reported_at_once_at_their_places(tiny: TinyProject) -> None:
    (tiny.root / "mlci.yaml").write_text(
        "version: 1\n"
        "project: tiny\n"
        "data:\n"
        "  train: {pth: data/train.parquet}\n"
        "train:\n"
        "  run: python train.py\n"
        "  data: [trian]\n"
        "  retries: many\n"
        "gate:\n"
        "  predict: python predict.py\n"
        "  data: train\n"
        "  columns: {id: id, label: label, score: score}\n"
        "  confidence: 2\n"
        "envronments: {}\n"
    )
    done = tiny.mlci("run")
    assert done.code == 2
    assert "Traceback" not in done.err
    for place in ("mlci.yaml:4:11", "mlci.yaml:7:10", "mlci.yaml:8:12", "mlci.yaml:13:15", "mlci.yaml:14:1"):
        assert place in done.err, done.err
    assert "did you mean 'path'?" in done.err
    assert "did you mean 'environments'?" in done.err


def test_the_report_and_the_other_readers_of_the_record(tiny: TinyProject) -> None:
    assert tiny.mlci("run").code == 0
    page = tiny.mlci("report").out
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "roc_auc" in page
    assert "roc_auc" in tiny.mlci("report", "--format", "md").out
    assert "train" in tiny.mlci("plan", "--to", "production").out
    assert tiny.mlci("history", "latest").code == 0
    assert tiny.mlci("promote", "production").code == 2  # staging has nothing yet
    assert tiny.mlci("history", "nothing").code == 2


def _deployment(tiny: TinyProject) -> dict:
    steps = tiny.mlci("status", "--json").json["run"]["steps"]
    return next(s for s in steps if s["name"] == "deploy:production")["receipt"]["predicate"]["facts"]


def test_a_function_of_the_project_is_a_metric_and_the_gate_runs_again_when_it_changes(tiny: TinyProject) -> None:
    (tiny.root / "prices.py").write_text("GAIN = 3\n")
    (tiny.root / "evaluation.py").write_text(
        "import prices\n\n\ndef profit(rows):\n    return (rows['score'] > 0.5) * (rows['label'] * prices.GAIN - 1)\n"
    )
    tiny.edit("mlci.yaml", "  metrics:\n", "  metrics:\n    profit: {function: evaluation:profit, min: 0}\n")
    first = tiny.mlci("gate", "--json").json["steps"][-1]
    facts = first["receipt"]["predicate"]["facts"]
    assert [one["name"] for one in facts["metrics"]] == ["profit", "roc_auc"]
    assert facts["self_test"]["passed"] is True
    again = tiny.mlci("gate", "--json").json["steps"][-1]
    assert (again["name"], again["status"]) == ("gate", first["status"])
    (tiny.root / "prices.py").write_text("GAIN = 4\n")
    other = tiny.mlci("gate", "--json").json["steps"][-1]["receipt"]["predicate"]["facts"]
    assert other["metrics"][0]["challenger"]["value"] > facts["metrics"][0]["challenger"]["value"]
