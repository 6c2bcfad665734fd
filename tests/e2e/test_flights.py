"""The example's gate: equal, better, worse and broken models of real flights get the verdict that they should."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TinyProject

pytestmark = pytest.mark.e2e
FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
FEW = ("--set", "data.train.path=data/2013-0[56].parquet")  # two months and few trees: a model in a second or two


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The example with a model in staging, which is the champion; nothing is deployed."""
    project = TinyProject(tmp_path_factory.mktemp("flights") / "flights")
    shutil.copytree(FLIGHTS, project.root, ignore=shutil.ignore_patterns(".mlci", "mlflow.db", "build", "bad-data"))
    subprocess.run([sys.executable, "prepare.py"], cwd=project.root, check=True, stdout=subprocess.DEVNULL)
    project.edit("mlci.yaml", "champion: production", "champion: staging")
    project.edit("mlci.yaml", "    deploy: {driver: process, strategy: blue-green}\n", "")
    project.edit("mlci.yaml", 'tracking: {mlflow: "sqlite:///mlflow.db"}\n', "")
    project.edit("mlci.yaml", "max_iter: 100", "max_iter: 20")
    done = project.mlci("run", "--to", "staging", *FEW)
    assert done.code == 0, done.err
    return project


def judged(flights: TinyProject, *values: str) -> tuple[int, str, dict]:
    """What the gate says of a challenger: exit code, summary, facts."""
    done = flights.mlci("gate", "--json", *FEW, *(part for value in values for part in ("--set", value)))
    step = done.json["steps"][-1]
    assert step["name"] == "gate", done.err
    facts = step["receipt"]["predicate"]["facts"]
    assert facts["champion"]
    assert facts["self_test"]["passed"]
    return done.code, step["summary"], facts


def rules(facts: dict) -> dict[tuple[str, str], str]:
    return {(metric["name"], rule["rule"]): rule["verdict"] for metric in facts["metrics"] for rule in metric["rules"]}


BETTER = "gate.metrics.roc_auc.improve=0"


def test_an_equal_model_passes_and_is_not_called_better(flights: TinyProject) -> None:
    code, summary, facts = judged(flights, "train.params.min_samples_leaf=210")
    assert code == 0, summary
    assert set(rules(facts).values()) == {"pass"}
    code, summary, facts = judged(flights, "train.params.min_samples_leaf=210", BETTER)
    assert code == 1
    assert rules(facts)["roc_auc", "improve"] != "pass"
    assert {verdict for (_, rule), verdict in rules(facts).items() if rule != "improve"} == {"pass"}


def test_a_better_model_is_called_better(flights: TinyProject) -> None:
    code, summary, facts = judged(flights, "train.params.max_iter=60", BETTER)
    assert code == 0, summary
    assert rules(facts)["roc_auc", "improve"] == "pass"


def test_a_model_about_as_much_worse_as_the_margin_is_left_open(flights: TinyProject) -> None:
    code, summary, facts = judged(
        flights, "train.params.max_iter=13", "gate.metrics.log_loss={}", "gate.metrics.roc_auc.margin=0.003"
    )
    assert code == 1
    assert summary.startswith("inconclusive: ")
    assert "more rows would decide" in summary
    assert rules(facts)["roc_auc", "min"] == "pass"


def test_a_slightly_worse_model_fails_by_the_margin_alone(flights: TinyProject) -> None:
    code, summary, facts = judged(flights, "train.params.max_iter=9", "gate.metrics.log_loss={}")
    assert code == 1
    assert rules(facts) == {("roc_auc", "min"): "pass", ("roc_auc", "margin"): "fail"}
    assert "worse than the champion by more than 0.005" in summary


def test_a_model_that_is_broken_for_one_airline_is_stopped_by_that_slice_alone(flights: TinyProject) -> None:
    code, summary, facts = judged(flights, "gate.predict=python scenarios/broken_model.py one-carrier")
    assert code == 1
    assert set(rules(facts).values()) == {"pass"}
    (bad,) = [one for one in facts["slices"] if one["verdict"] == "fail"]
    assert (bad["by"], bad["value"], bad["rows"]) == ("carrier", "VX", 483)
    assert "over 0.15" in bad["reason"]
    assert "worse than the champion" in bad["reason"]
    assert summary.startswith("roc_auc in carrier = VX: ")


def test_an_over_confident_model_of_the_same_order_is_stopped_by_its_log_loss_alone(flights: TinyProject) -> None:
    code, summary, facts = judged(flights, "gate.predict=python scenarios/broken_model.py overconfident")
    assert code == 1
    assert {name for (name, _), verdict in rules(facts).items() if verdict != "pass"} == {"log_loss"}
    assert {one["name"]: one["difference"]["value"] for one in facts["metrics"]}["roc_auc"] == 0
    assert "log_loss" in summary
