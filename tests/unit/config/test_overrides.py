from __future__ import annotations

import pytest

from mlci.config import load, render


@pytest.fixture
def file(tmp_path, whole):
    path = tmp_path / "mlci.yaml"
    path.write_text(whole)
    return path


def test_values_are_yaml_and_the_last_one_wins(file):
    config = load(file, ["train.timeout=10m", "train.params.max_iter=5", "train.timeout=1h"]).config
    assert config.train.timeout == 3600.0
    assert config.train.params == {"learning_rate": 0.1, "max_iter": 5}


def test_missing_mappings_are_made_and_lists_are_replaced_whole(file):
    project = load(file, ["train.env.A=b", "environments.production.deploy.steps=[50%]", "gate.champion=null"])
    assert project.config.train.env == {"A": "b"}
    assert project.config.environments["production"].deploy.steps == (0.5,)
    assert project.config.gate.champion is None
    assert project.raw["environments"]["production"]["deploy"]["steps"] == ["50%"]


def test_a_name_with_dots_stands_in_quotes(file):
    assert load(file, ["train.run=x", 'train.params."a.b"=1']).config.train.params["a.b"] == 1


def test_the_value_may_hold_equal_signs(file):
    assert load(file, ["tracking.mlflow=http://h/?a=b"]).config.tracking.mlflow.uri == "http://h/?a=b"


def test_an_aliased_section_is_changed_in_one_place_only(tmp_path):
    file = tmp_path / "mlci.yaml"
    file.write_text("version: 1\nproject: x\nenvironments:\n  a: &a {max_age: 1}\n  b: *a\n")
    environments = load(file, ["environments.b.max_age=2"]).config.environments
    assert (environments["a"].max_age, environments["b"].max_age) == (1, 2)


@pytest.mark.parametrize(
    ("override", "column", "message"),
    [
        ("train.timeout=soon", 15, "expected a duration"),
        ("train.tiemout=2h", 7, "unknown key 'tiemout'"),
        ("trian.timeout=2h", 1, "unknown key 'trian'"),
        ("train.data=[nope]", 13, "there is no dataset 'nope'"),
        ("train.timeout", 14, "expected a path"),
        ("=x", 1, "expected a path"),
        ("train..run=x", 7, "expected a path"),
        ("train.run.x=1", 11, "train.run is the text 'python train.py', not a mapping"),
        ("train.inputs=[a", 15, "not YAML"),
        ("train=", 1, "expected a mapping, found nothing"),
        ("train.run=\udcff x", 1, "not UTF-8"),
    ],
)
def test_a_mistake_in_an_override_is_shown_in_the_override(mistakes, whole, override, column, message):
    problems = mistakes("", "store.remote=x", override, head=whole)
    (problem,) = problems
    assert (str(problem.file), problem.line, problem.column) == ("--set", 2, column)
    assert message in problem.message
    assert f"2 | {override}".encode("utf-8", "backslashreplace").decode() in render(problem)


def test_mistakes_in_the_file_come_before_those_in_overrides(mistakes, whole):
    problems = mistakes("", "b=1", "a=1", head=whole.replace("retries: 2", "retries: two"))
    assert [(p.file.name, p.line) for p in problems] == [("mlci.yaml", 21), ("--set", 1), ("--set", 2)]
