"""The example of a language model: scores of answers, several to a prompt, decide."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TinyProject

pytestmark = pytest.mark.e2e
ANSWERS = Path(__file__).parents[2] / "examples" / "answers"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The example with its model in production."""
    project = TinyProject(tmp_path_factory.mktemp("answers") / "answers")
    shutil.copytree(ANSWERS, project.root, ignore=shutil.ignore_patterns(".mlci", "build", "__pycache__"))
    done = project.mlci("run", "--to", "production")
    assert done.code == 0, done.err
    return project


def verdicts(answers: TinyProject, value: str) -> tuple[int, dict[str, set[str]]]:
    done = answers.mlci("gate", "--json", "--set", value)
    facts = done.json["steps"][-1]["receipt"]["predicate"]["facts"]
    assert facts["champion"]
    assert facts["self_test"]["passed"]
    return done.code, {one["name"]: {rule["verdict"] for rule in one["rules"]} for one in facts["metrics"]}


def test_the_committed_data_are_what_the_script_makes(answers: TinyProject) -> None:
    before = {path.name: path.read_bytes() for path in (answers.root / "data").iterdir()}
    assert sum(map(len, before.values())) < 200_000
    subprocess.run([sys.executable, "make_data.py"], cwd=answers.root, check=True)
    assert {path.name: path.read_bytes() for path in (answers.root / "data").iterdir()} == before


def test_a_model_as_good_passes_every_margin(answers: TinyProject) -> None:
    code, found = verdicts(answers, "train.params.temperature=0.6")
    assert (code, set().union(*found.values())) == (0, {"pass"})


def test_bolder_answers_fail_though_the_likelihood_is_the_same(answers: TinyProject) -> None:
    code, found = verdicts(answers, "train.params.temperature=1.0")
    assert code == 1
    assert "fail" in found["similarity"]
    assert found["log_likelihood"] == {"pass"}


def test_less_training_fails_by_the_likelihood_alone(answers: TinyProject) -> None:
    code, found = verdicts(answers, "train.params.pairs=1000")
    assert code == 1
    assert found == {"exact": {"pass"}, "similarity": {"pass"}, "log_likelihood": {"fail"}}
