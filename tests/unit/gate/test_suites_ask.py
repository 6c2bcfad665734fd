from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.config import load
from mlci.errors import WorldError
from mlci.gate import suites

CONFIG = """
version: 1
project: tiny
data:
  train: {path: train.parquet}
  more: {path: more.parquet}
  holdout: {path: holdout.parquet}
train:
  run: python train.py
  data: [train]
  outputs: {model: model}
gate:
  predict: python predict.py
  data: holdout
  columns: {id: id, label: y, score: score}
  suites:
"""


def config(tmp_path: Path, *written: str, data: str = "[train]"):
    file = tmp_path / "mlci.yaml"
    file.write_text(CONFIG.replace("[train]", data) + "".join(f"    - {one}\n" for one in written))
    return load(file).config


def test_a_line_and_a_mapping_ask_for_the_same(tmp_path: Path) -> None:
    found = config(tmp_path, "deepchecks:full", "{suite: deepchecks:data_integrity, skip: [Mixed Nulls], sample: 500}")
    assert suites.mistakes(found) == ()
    assert [suites.name_of(one) for one in found.gate.suites] == ["deepchecks:full", "deepchecks:data_integrity"]
    assert found.gate.suites[1].skip == ("Mixed Nulls",)
    assert found.gate.suites[0].timeout == 1800


@pytest.mark.parametrize("written", ['"command: python checks.py -v"', "command: python checks.py -v"])
def test_a_command_may_be_written_with_and_without_quotes(tmp_path: Path, written: str) -> None:
    found = config(tmp_path, written)
    assert suites.mistakes(found) == ()
    asked = suites.asked(found.gate.suites[0])
    assert (asked.kind, asked.argument) == ("command", "python checks.py -v")


@pytest.mark.parametrize(
    ("written", "message", "help"),
    [
        ("deepchecks:ful", "deepchecks has no suite 'ful'", "`deepchecks:full`"),
        ("deepcheck:full", "there is no suite 'deepcheck:full'", "`deepchecks:full`"),
        ("{suite: deepchecks:full, skip: [Feature Drit]}", "no check 'Feature Drit'", "`FeatureDrift`"),
        ("{suite: deepchecks:model_evaluation, skip: [FeatureDrift]}", "no check 'FeatureDrift'", "RocReport"),
        ("deepchecks", "there is no suite 'deepchecks'", "command, deepchecks, evidently"),
        ("evidently:data_drif", "evidently has no suite 'data_drif'", "`evidently:data_drift`"),
        ("evidently:regression", "not for the gate's task, classification", "gate.suites"),
        ("'command:'", "no program", "PROGRAM"),
        ("'command: \"open'", "No closing quotation", "PROGRAM"),
        ("{severity: warn}", "either `suite` or `command`", "one of the two"),
        ("{suite: deepchecks:full, command: ls}", "either `suite` or `command`", "one of the two"),
        ("{command: ls, skip: [a]}", "checks have names", "argument"),
    ],
)
def test_a_suite_that_cannot_be_is_a_mistake(tmp_path: Path, written: str, message: str, help: str) -> None:
    (wrong,) = suites.mistakes(config(tmp_path, "deepchecks:data_integrity", written))
    assert wrong.at == 1
    assert message in wrong.message
    assert help in wrong.help


@pytest.mark.parametrize("task", ["multilabel", "scores"])
def test_deepchecks_is_not_asked_about_rows_without_one_label(tmp_path: Path, task: str) -> None:
    found = config(tmp_path, "deepchecks:data_integrity", "command: ls")
    (wrong,) = suites.mistakes(replace(found, gate=replace(found.gate, task=task)))
    assert (wrong.at, task in wrong.message) == (0, True)


def test_the_same_suite_twice_is_a_mistake(tmp_path: Path) -> None:
    (wrong,) = suites.mistakes(config(tmp_path, "command: ls", '"command: ls"'))
    assert (wrong.at, "twice" in wrong.message) == (1, True)


def test_a_suite_that_compares_needs_to_know_the_training_data(tmp_path: Path) -> None:
    written = "deepchecks:train_test_validation"
    assert suites.mistakes(config(tmp_path, written)) == ()
    (wrong,) = suites.mistakes(config(tmp_path, written, data="[train, more]"))
    assert "needs the training data" in wrong.message
    assert suites.mistakes(config(tmp_path, f"{{suite: {written}, train: more}}", data="[train, more]")) == ()


def test_deepchecks_takes_what_the_training_reads_and_a_command_only_what_is_named(tmp_path: Path) -> None:
    found = config(tmp_path, "deepchecks:full", "command: ls", "{command: ls -l, train: more}")
    assert [suites.training_data(found, one) for one in found.gate.suites] == ["train", None, "more"]


PLUGIN = """
from mlci.gate.suites import Found, Outcome, Wants
def mistake(argument, options, task): return None if argument == "good" else ("only good ones", "")
def identity(argument): return "house 1.0"
def wants(argument): return Wants()
def run(job): return Outcome((Found("far too red", "error"),), 1)
"""


def plug_in(tmp_path: Path, monkeypatch, module: str, code: str) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    info = tmp_path / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mlci.suites]\nhouse = {module}\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_package_brings_suites_of_its_own(tmp_path: Path, monkeypatch) -> None:
    plug_in(tmp_path, monkeypatch, "house_suites", PLUGIN)
    found = config(tmp_path, "house:good", "house:bad")
    (wrong,) = suites.mistakes(found)
    assert (wrong.at, wrong.message) == (1, "only good ones")
    assert suites.asked(found.gate.suites[0]).runs.identity("good") == "house 1.0"


def test_a_package_whose_suites_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch) -> None:
    plug_in(tmp_path, monkeypatch, "burnt_suites", "raise RuntimeError('burnt')")
    with pytest.raises(WorldError, match="burnt_suites cannot be loaded: RuntimeError: burnt"):
        suites.mistakes(config(tmp_path, "house:good"))
