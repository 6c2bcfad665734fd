"""The journal and the lock of an environment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.deploy import state
from mlci.deploy.state import Revision, State
from mlci.errors import WorldError

ONE = Revision(1, "sha256:one", "/images/one", {"Cmd": ["python"]}, "/healthz", addresses=(("::1", 4001),))
TWO = replace(ONE, number=2, digest="sha256:two", addresses=())
NOW = State("production", next=3, revisions={1: ONE, 2: TWO}, stable=1, canary=2, weight=0.05, port=8080)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None
    state.save(tmp_path, NOW)
    assert state.load(tmp_path) == NOW
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_who_has_no_part_is_leaving() -> None:
    assert NOW.leaving == []
    assert NOW.serving == ONE
    assert replace(NOW, canary=None).leaving == [TWO]
    assert replace(NOW, stable=2, canary=None).leaving == [ONE]
    assert replace(NOW, canary=None).without_revision(2).leaving == []


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', '{"format": 1, "revisions": {}, "more": 1}'])
def test_a_journal_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(WorldError, match="cannot read"):
        state.load(tmp_path)


def test_a_second_deployment_is_told_who_runs(tmp_path: Path) -> None:
    with (
        state.locked(tmp_path, "production", wait=1),
        pytest.raises(WorldError, match=rf"another deployment of production is running \(pid {os.getpid()}\)"),
        state.locked(tmp_path, "production", wait=0.1),
    ):
        pass
    with state.locked(tmp_path, "production", wait=0):
        pass
