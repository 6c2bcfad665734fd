"""Which steps a config asks for, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci import config
from mlci.engine import graph, select
from mlci.errors import ConfigError, UsageError
from tests.conftest import TINY


def project(tmp_path: Path, *changes: tuple[str, str]) -> config.Project:
    text = (TINY / "mlci.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mlci.yaml").write_text(text)
    return config.load(tmp_path / "mlci.yaml")


def test_by_default_everything_up_to_the_image(tmp_path: Path) -> None:
    names = [step.name for step in graph(project(tmp_path))]
    assert names == ["validate:train", "validate:holdout", "train", "gate", "build"]


def test_on_to_an_environment_the_ones_before_it_come_first(tmp_path: Path) -> None:
    steps = graph(project(tmp_path), to="production")
    assert [s.name for s in steps[5:]] == [
        "promote:staging",
        "deploy:staging",
        "promote:production",
        "deploy:production",
    ]
    assert all(name in [s.name for s in steps[:i]] for i, step in enumerate(steps) for name in step.after)


def test_validations_are_independent_and_training_waits_for_all(tmp_path: Path) -> None:
    after = {step.name: step.after for step in graph(project(tmp_path))}
    assert after["validate:train"] == after["validate:holdout"] == ()
    assert set(after["train"]) == {"validate:train", "validate:holdout"}


def test_a_selection_brings_what_it_needs(tmp_path: Path) -> None:
    steps = graph(project(tmp_path))
    assert [s.name for s in select(steps, ["gate"])] == ["validate:train", "validate:holdout", "train", "gate"]
    assert [s.name for s in select(steps, ["validate"])] == ["validate:train", "validate:holdout"]
    with pytest.raises(UsageError, match="no step 'gates'"):
        select(steps, ["gates"])


def test_an_environment_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no environment 'prod'") as error:
        graph(project(tmp_path), to="prod")
    assert "staging, production" in error.value.help


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    roc_auc: {min", "    roc_acu: {min", 20),
        ("  champion: production", "  champion: production\n  suites: [deepchecks:ful]", 19),
        ("  requirements:", "  repository: ghcr.io/acme/x:v1\n  requirements:", 23),
        ("      strategy: canary", "      driver: kubernetes", 33),
    ],
)
def test_what_cannot_be_done_yet_is_refused_at_its_place_never_passed_over(
    tmp_path: Path, old: str, new: str, line: int
) -> None:
    with pytest.raises(ConfigError) as error:
        graph(project(tmp_path, (old, new)), to="production")
    assert [problem.line for problem in error.value.problems] == [line]


def test_a_gate_without_a_model_is_a_mistake_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        graph(project(tmp_path, ("outputs: {model: build/model}", "outputs: {other: build/model}")))


@pytest.mark.parametrize(
    "remote",
    ["flights", "acme/flights", "ghcr.io/Acme/x", "ghcr.io/acme/x:v1", "ghcr.io/x@sha256:0", "oci:folder", "./x"],
)
def test_results_are_shared_in_a_repository_of_a_registry(tmp_path: Path, remote: str) -> None:
    head = ("project: tiny\n", f"project: tiny\nstore: {{remote: '{remote}'}}\n")
    with pytest.raises(ConfigError) as error:
        graph(project(tmp_path, head))
    (problem,) = error.value.problems
    assert (problem.line, "ghcr.io/owner/name" in problem.help) == (3, True)
    assert graph(project(tmp_path, ("project: tiny\n", "project: tiny\nstore: {remote: localhost:5000/x}\n")))
