"""Stopping and sharing: Ctrl-C leaves nothing behind, two runs at once train once, a tracker never decides."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import TinyProject

pytestmark = pytest.mark.e2e


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.05)


def slow_training(tiny: TinyProject) -> Path:
    """Make the training say that it began, and take its time."""
    tiny.edit(
        "train.py",
        "seen, positive",
        "Path('began').write_text(str(os.getpid()))\nimport time\ntime.sleep(3)\nseen, positive",
    )
    return tiny.root / "began"


def runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_too_and_the_next_run_goes_on(tiny: TinyProject, number: int) -> None:
    began = slow_training(tiny)
    with tiny.start("run") as process:
        wait_for(began)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert not runs(int(began.read_text()))
    assert tiny.mlci("run").code == 0


def test_two_runs_at_once_train_once(tiny: TinyProject) -> None:
    slow_training(tiny)
    with tiny.start("run", "--json") as first, tiny.start("run", "--json") as second:
        outcomes = [process.communicate(timeout=120) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outcomes
    assert (tiny.root / ".mlci" / "logs" / "train.log").read_text().count("learned 20 bins") == 1


def test_a_training_is_logged_to_mlflow(tiny: TinyProject) -> None:
    done = tiny.mlci("train", "--json", "--set", "tracking.mlflow=sqlite:///mlflow.db")
    assert done.code == 0, done.err
    tracking = done.json["steps"][-1]["receipt"]["predicate"]["facts"]["tracking"]
    with sqlite3.connect(tiny.root / "mlflow.db") as database:
        assert database.execute("SELECT run_uuid, status FROM runs").fetchall() == [(tracking["run_id"], "FINISHED")]
        assert database.execute("SELECT key, value FROM metrics").fetchall() == [("rows", 4000.0)]
        assert database.execute("SELECT key, value FROM params").fetchall() == [("bins", "20")]
    database.close()


def test_a_tracker_that_does_not_work_is_a_warning(tiny: TinyProject) -> None:
    done = tiny.mlci("train", "--json", "--set", "tracking.mlflow=nonsense://nowhere")
    assert done.code == 0, done.err
    predicate = done.json["steps"][-1]["receipt"]["predicate"]
    assert predicate["facts"]["tracking"]["run_id"] is None
    assert predicate["findings"][0]["level"] == "warning"


def test_a_machine_that_was_restarted_gets_its_servers_back(tiny: TinyProject) -> None:
    assert tiny.mlci("run", "--to", "production").code == 0
    for place in tiny.mlci("status", "--json").json["environments"]:
        for pid in place["deployment"]["pids"].values():
            os.kill(pid, signal.SIGKILL)
    again = tiny.mlci("run", "--to", "production", "--json")
    assert again.code == 0, again.err
    statuses = tiny.statuses(again)
    assert statuses.pop("deploy:staging") == statuses.pop("deploy:production") == "pass"
    assert set(statuses.values()) == {"reused"}
    assert all(p["deployment"]["healthy"] for p in tiny.mlci("status", "--json").json["environments"])
