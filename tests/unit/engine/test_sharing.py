"""What a run shares and what it does not, and how a receipt can contradict the step that it is said to be of."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mlci import config
from mlci.engine.shareable import unlike
from mlci.engine.sharing import Sharing
from mlci.evidence.receipt import Material, Receipt
from mlci.evidence.shared import Found
from mlci.steps import Build, Deploy, Gate, Inputs, Promote, Step, Train, Validate
from mlci.steps.files import combined
from mlci.store import FolderStore
from tests.conftest import TINY

MODEL, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
READ = (Material("data/train.parquet", OTHER, "data train"), Material("model", MODEL, "train"))
INPUTS = Inputs({"params": {"bins": 20, "rate": 20.0}}, READ)


def load(tmp_path: Path, old: str = "", new: str = "") -> config.Project:
    text = (TINY / "mlci.yaml").read_text().replace(old, new)
    (tmp_path / "contract.yaml").write_bytes((TINY / "contract.yaml").read_bytes())
    (tmp_path / "mlci.yaml").write_text(f"{text}\nstore: {{remote: localhost:1/x}}\n")
    return config.load(tmp_path / "mlci.yaml")


def is_shared(project: config.Project, step: Step) -> bool:
    store = FolderStore(project.root / "store")
    return Sharing(project, project.root, store, lambda _: None, threading.Event())._is_shared(step)


def test_what_is_shared(tmp_path: Path) -> None:
    project = load(tmp_path)
    for step in (Validate("train"), Train(), Gate(), Build()):
        assert is_shared(project, step)
    for step in (Gate(champion="production"), Promote("staging"), Deploy("staging")):
        assert not is_shared(project, step)
    ours = load(tmp_path, "image:\n", "image:\n  repository: localhost:1/image\n")
    assert not is_shared(ours, Build())


def test_whether_data_is_fresh_is_asked_on_each_machine(tmp_path: Path) -> None:
    project = load(tmp_path)
    contract = (
        "type: object\nproperties: {at: {type: string, format: date}}\nx-table: {freshness: {at: {maxAge: 2d}}}\n"
    )
    (tmp_path / "contract.yaml").write_text(contract)
    assert not is_shared(project, Validate("train"))


def found(step: Step, subjects: dict[str, str], *, outputs: tuple[str, ...] = (MODEL,), **more) -> Found:
    receipt = Receipt(
        step.name, INPUTS.key(step.name), "pass", "fine", subjects, READ, INPUTS.config, facts={"challenger": "x"}
    )
    return Found(replace(receipt, **more), b"", (), outputs, "there", None)


RIGHT = [
    (Train(), {"model": MODEL}),
    (Build(), {"image": MODEL}),
    (Gate(), {"model": MODEL}),
    (Validate("train"), {"data:train": combined(READ[:1])}),
]


@pytest.mark.parametrize(("step", "subjects"), RIGHT)
def test_what_fits_is_used(tmp_path: Path, step: Step, subjects: dict[str, str]) -> None:
    assert unlike(found(step, subjects), step, INPUTS, load(tmp_path)) == ""


@pytest.mark.parametrize(("step", "subjects"), RIGHT)
def test_what_does_not_fit_is_not_used(tmp_path: Path, step: Step, subjects: dict[str, str]) -> None:
    project = load(tmp_path)
    (name,) = subjects
    wrong = [
        found(step, {name: OTHER}),
        found(step, {}),
        found(step, {**subjects, "more": MODEL}),
        found(step, {"other": subjects[name]}),
        found(step, subjects, materials=READ[:1]),
        found(step, subjects, config={"params": {"bins": 20, "rate": 20}}),
    ]
    if isinstance(step, (Train, Build)):
        wrong += [found(step, subjects, outputs=(OTHER,)), found(step, subjects, outputs=())]
        wrong += [found(step, subjects, outputs=(MODEL, OTHER)), found(step, subjects, verdict="fail")]
    if isinstance(step, Gate):
        wrong += [found(step, subjects, facts={}), found(step, subjects, facts={"challenger": 1})]
    assert all(unlike(one, step, INPUTS, project) for one in wrong)
