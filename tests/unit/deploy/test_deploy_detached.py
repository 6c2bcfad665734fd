"""Processes that outlive their parent, found by their lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlci
from mlci.deploy import detached
from mlci.errors import WorldError

ENV = {"PATH": os.defpath}


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lease"
    detached.stop(tmp_path / "lease", grace=0)


def start(lease: Path, *argv: str) -> None:
    detached.start(argv, cwd=lease.parent, env=ENV, log=lease.parent / "log", lease=lease)


def test_it_is_alive_until_it_is_stopped(lease: Path) -> None:
    start(lease, "sleep", "60")
    assert detached.alive(lease)
    pid = detached.pid(lease)
    assert pid is not None
    os.kill(pid, 0)
    detached.stop(lease, grace=5)
    assert not detached.alive(lease)
    assert detached.pid(lease) is None
    detached.stop(lease, grace=5)


def test_it_outlives_a_parent_that_is_killed_and_is_found_again(lease: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from mlci.deploy import detached
lease = Path({str(lease)!r})
detached.start(["sleep", "60"], cwd=lease.parent, env={ENV!r}, log=lease.parent / "log", lease=lease)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(mlci.__path__[0]).parent
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert detached.alive(lease)


def test_what_ignores_a_polite_request_is_killed_with_its_children(lease: Path) -> None:
    start(lease, "sh", "-c", "trap '' TERM; sleep 61 & echo $! > child; while :; do sleep 0.05; done")
    child = lease.parent / "child"
    eventually(lambda: child.exists() and child.read_text().strip())
    detached.stop(lease, grace=0.2)
    assert not detached.alive(lease)
    stat = Path(f"/proc/{child.read_text().strip()}/stat")
    eventually(lambda: not stat.exists() or stat.read_text().split()[2] == "Z")


def test_a_stopped_process_is_alive_and_can_be_ended(lease: Path) -> None:
    start(lease, "sleep", "60")
    os.kill(detached.pid(lease) or 0, signal.SIGSTOP)
    assert detached.alive(lease)
    detached.stop(lease, grace=0.1)
    assert not detached.alive(lease)


def test_a_lease_that_is_held_is_not_given_twice(lease: Path) -> None:
    start(lease, "sleep", "60")
    with pytest.raises(WorldError, match="still holds"):
        start(lease, "sleep", "60")


def test_a_program_that_is_not_there_is_not_alive_and_its_log_says_so(lease: Path) -> None:
    start(lease, "no-such-program-here")
    eventually(lambda: not detached.alive(lease))
    eventually(lambda: any("no-such-program-here" in line for line in detached.tail(lease.parent / "log")))


def test_a_number_in_an_old_lease_is_not_a_process(lease: Path) -> None:
    lease.write_text(f"{os.getpid()} {os.getpgid(0)}\n")
    assert detached.pid(lease) is None
    detached.stop(lease, grace=0)
