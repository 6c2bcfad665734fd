"""Commands: their output is streamed and masked, and nothing that they start outlives them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlci import process
from mlci.errors import Interrupted, WorldError


def run(
    tmp_path: Path, code: str, *, stop: threading.Event | None = None, timeout: float | None = None, **env: str
) -> list[str]:
    said: list[str] = []
    command = process.Command(["python", "-c", code], tmp_path, {**os.environ, **env}, timeout)
    process.run(command, log=tmp_path / "log", say=said.append, stop=stop or threading.Event())
    return said


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def wait_until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_output_is_streamed_to_the_caller_and_the_log(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; print('one'); print('two', file=sys.stderr)") == ["one", "two"]
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_secrets_of_the_environment_are_masked(tmp_path: Path) -> None:
    said = run(tmp_path, "import os; print('token', os.environ['MY_API_TOKEN'])", MY_API_TOKEN="correct-horse-battery")
    assert said == ["token ***"]
    assert "correct-horse" not in (tmp_path / "log").read_text()


def test_a_failure_says_the_command_its_code_and_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"(?s)failed with exit code 3.*it broke"):
        run(tmp_path, "import sys; print('it broke'); sys.exit(3)")


def test_a_program_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    command = process.Command(["no-such-program"], tmp_path, os.environ)
    with pytest.raises(WorldError, match="cannot start no-such-program"):
        process.run(command, log=tmp_path / "log", say=lambda line: None, stop=threading.Event())


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    with pytest.raises(WorldError, match="did not end within"):
        run(tmp_path, code, timeout=1.5)
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(child))


def test_stop_ends_the_command_gracefully(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.7, stop.set).start()
    code = (
        "import signal, sys, time, pathlib\n"
        f"saved = pathlib.Path({str(tmp_path / 'saved')!r})\n"
        "signal.signal(signal.SIGTERM, lambda *_: (saved.write_text('yes'), sys.exit()))\n"
        "time.sleep(60)"
    )
    with pytest.raises(Interrupted):
        run(tmp_path, code, stop=stop)
    assert (tmp_path / "saved").read_text() == "yes"


def test_a_killed_mlci_leaves_no_command_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = f"import os, time, pathlib; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    parent = (
        "import os, threading, pathlib; from mlci import process\n"
        f"c = process.Command(['python', '-c', {command!r}], pathlib.Path('.'), os.environ)\n"
        f"process.run(c, log=pathlib.Path({str(tmp_path / 'log')!r}), say=print, stop=threading.Event())"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as running:
        wait_until(lambda: pid.is_file() and pid.read_text() != "")
        running.kill()
    wait_until(lambda: not alive(int(pid.read_text())))


def test_what_a_command_leaves_in_a_session_of_its_own_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "sleeping = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "print(subprocess.Popen(sleeping, start_new_session=True).pid)"
    )
    (pid,) = run(tmp_path, code)
    assert not alive(int(pid))


def test_progress_bars_come_line_by_line_and_endless_lines_in_pieces(tmp_path: Path) -> None:
    said = run(tmp_path, "print('10 %', end='\\r'); print('20 %', end='\\r'); print('x' * 200_000)")
    assert said[:2] == ["10 %", "20 %"]
    assert "".join(said[2:]) == "x" * 200_000
    assert max(map(len, said)) <= 1 << 17


def test_each_line_of_a_secret_is_masked(tmp_path: Path) -> None:
    key = "-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----"
    assert run(tmp_path, "import os; print(os.environ['DEPLOY_PRIVATE_KEY'])", DEPLOY_PRIVATE_KEY=key) == ["***"] * 3


def test_a_log_that_cannot_be_written_does_not_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    assert run(tmp_path, "print('still here')") == ["still here"]
