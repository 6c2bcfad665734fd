"""What a real MLflow with a database knows after a gate, a promotion, a deployment and a rollback."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.conftest import Done, TinyProject

pytestmark = pytest.mark.e2e

CUT = "  staging:\n"
PLACES = "  staging:\n    requires: [validate, gate]\n  production:\n    requires: [validate, gate, staging]\n"
TRACKED = "tracking: {mlflow: {uri: sqlite:///mlflow.db, model: flights delay}}\n"


@pytest.fixture
def logged(tiny: TinyProject) -> TinyProject:
    """The small project, logged to MLflow with a registered model; its environments are tags only."""
    text = (tiny.root / "mlci.yaml").read_text()
    (tiny.root / "mlci.yaml").write_text(text.partition(CUT)[0] + PLACES + TRACKED)
    return tiny


@contextmanager
def database(tiny: TinyProject) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tiny.root / "mlflow.db")) as connection:
        yield connection


def run(tiny: TinyProject, *arguments: str) -> dict:
    """Run mlci and return each step's facts."""
    done = tiny.mlci(*arguments, "--json")
    assert done.code in (0, 1), done.err
    return {step["name"]: step["receipt"]["predicate"] for step in done.json["steps"] if step["receipt"]}


def aliases(tiny: TinyProject) -> dict[str, str]:
    """Each alias of the registered model and the run of its version."""
    query = (
        "SELECT alias, run_id FROM registered_model_aliases a JOIN model_versions v"
        " ON a.name = v.name AND a.version = v.version WHERE a.name = 'flights delay'"
    )
    with database(tiny) as connection:
        return dict(connection.execute(query).fetchall())


def run_of(steps: dict) -> str:
    return steps["train"]["facts"]["tracking"]["run_id"]


def test_the_gate_is_on_the_run_of_the_training_and_the_aliases_follow(logged: TinyProject) -> None:
    first = run(logged, "run")
    assert first["gate"]["facts"]["tracking"]["version"] == "1"
    assert aliases(logged) == {"challenger": run_of(first)}
    assert run_of(run(logged, "run", "--to", "production")) == run_of(first)
    everywhere = dict.fromkeys(("challenger", "champion", "staging", "production"), run_of(first))
    assert aliases(logged) == everywhere
    with database(logged) as connection:
        tags = dict(connection.execute("SELECT key, value FROM model_version_tags").fetchall())
    digest = logged.mlci("history", "production", "--json").json[-1]["digest"]
    assert (tags["mlci.digest"], tags["mlci.receipt"][:7]) == (digest, "sha256:")

    worse = run(logged, "gate", "--set", "train.params.bins=2")
    assert worse["gate"]["verdict"] == "fail"
    assert aliases(logged) == {**everywhere, "challenger": run_of(worse)}
    (metric,) = worse["gate"]["facts"]["metrics"]
    with database(logged) as connection:
        asked = "SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND key LIKE 'gate.roc%'"
        assert dict(connection.execute(asked, [run_of(worse)]).fetchall()) == {
            f"gate.roc_auc{name}{'' if end == 'value' else '.' + end}": value
            for name, of in (("", "challenger"), (".champion", "champion"), (".difference", "difference"))
            for end, value in metric[of].items()
        }
        tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run_of(worse)]).fetchall())
        assert tags["mlci.gate"] == "fail"
        assert tags["mlci.gate.summary"] == worse["gate"]["summary"]
        assert tags["mlci.gate.champion"] == worse["gate"]["facts"]["champion"]

    second = run(logged, "run", "--to", "production", "--set", "train.params.bins=30")
    assert aliases(logged) == dict.fromkeys(everywhere, run_of(second))
    assert logged.mlci("rollback", "production").code == 0
    back = dict.fromkeys(("champion", "production"), run_of(first))
    assert aliases(logged) == {"challenger": run_of(second), "staging": run_of(second), **back}
    with database(logged) as connection:
        assert connection.execute("SELECT count(*) FROM model_versions").fetchone() == (3,)


def test_where_it_deploys_the_alias_waits_for_the_deployment(tiny: TinyProject) -> None:
    with (tiny.root / "mlci.yaml").open("a") as file:
        file.write(TRACKED)
    first = run(tiny, "run", "--to", "production")
    assert aliases(tiny)["champion"] == run_of(first)
    broken = ("--set", "image.serve.env.TINY_FAULT=errors", "--set", "train.params.bins=30")
    assert tiny.mlci("run", "--to", "production", *broken).code == 4
    assert aliases(tiny)["champion"] == run_of(first) != aliases(tiny)["challenger"]


def test_nothing_is_registered_unless_a_model_is_named_and_names_are_made_fit(tiny: TinyProject) -> None:
    tiny.edit("mlci.yaml", "  metrics:\n", '  metrics:\n    "profit @ 10%": {expression: "label * score", min: 0}\n')
    steps = run(tiny, "gate", "--set", "tracking.mlflow=sqlite:///mlflow.db")
    assert steps["gate"]["facts"]["tracking"]["version"] is None
    assert steps["gate"]["findings"] == [
        {"level": "note", "title": "only min and max decide: nothing serves in production yet", "detail": ""}
    ]
    with database(tiny) as connection:
        assert connection.execute("SELECT count(*) FROM registered_models").fetchone() == (0,)
        names = {row[0] for row in connection.execute("SELECT key FROM latest_metrics")}
        assert {"gate.profit _ 10_", "gate.profit _ 10_.low", "gate.roc_auc.high", "gate.rows"} < names


def warning(done: Done) -> dict:
    (found,) = [f for f in done.json["steps"][-1]["receipt"]["predicate"]["findings"] if f["level"] == "warning"]
    return found


def test_a_tracker_that_does_not_work_is_a_warning_of_the_gate(tiny: TinyProject) -> None:
    assert tiny.mlci("train", "--set", "tracking.mlflow=sqlite:///mlflow.db").code == 0
    (tiny.root / "mlflow.db").unlink()  # the server that lost its runs
    done = tiny.mlci("gate", "--json", "--set", "tracking.mlflow=sqlite:///mlflow.db")
    assert done.code == 0, done.err
    assert "not found" in warning(done)["detail"]
    assert done.json["steps"][-1]["receipt"]["predicate"]["facts"]["tracking"] is None


def test_a_training_that_was_logged_nowhere_or_elsewhere_is_said(tiny: TinyProject) -> None:
    assert tiny.mlci("train").code == 0
    done = tiny.mlci("gate", "--json", "--set", "tracking.mlflow=sqlite:///mlflow.db")
    assert (done.code, warning(done)["title"]) == (0, "the gate was not logged to MLflow")
    assert "mlci train --force" in warning(done)["detail"]
    assert tiny.mlci("train", "--force", "--set", "tracking.mlflow=sqlite:///other.db").code == 0
    done = tiny.mlci("gate", "--json", "--set", "tracking.mlflow=sqlite:///mlflow.db", "--set", "gate.confidence=0.9")
    assert "was logged to sqlite:///other.db" in warning(done)["detail"]


def test_a_promotion_goes_through_where_mlflow_does_not_work_and_the_next_run_tells_it(logged: TinyProject) -> None:
    first = run(logged, "run", "--to", "staging")
    away = (logged.root / "mlflow.db").rename(logged.root / "away.db")
    done = logged.mlci("promote", "production")
    assert done.code == 0, done.err
    assert "MLflow do not follow production yet" in done.err
    for _ in range(2):
        assert "MLflow does not know yet" in logged.mlci("history", "production").out
    away.rename(logged.root / "mlflow.db")
    assert "production" not in aliases(logged)
    again = logged.mlci("promote", "production", "--json")
    assert logged.statuses(again) == {"promote:production": "reused"}
    assert aliases(logged)["production"] == aliases(logged)["champion"] == run_of(first)
    assert "MLflow" not in logged.mlci("history", "production").out
