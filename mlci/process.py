"""The one door to other programs: argument lists, output streamed and masked, ended as a group."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlci.errors import Interrupted, WorldError

_SECRET_NAME = re.compile(
    r"TOKEN(?!IZ)|SECRET|PASSWORD|PASSWD|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY", re.IGNORECASE
)
_LONGEST = 1 << 16
_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True)
class Command:
    """A program to run: where, with what, and for how long (seconds)."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    timeout: float | None = None
    lock: int | None = None
    """A file descriptor that stays open, and so its lock held, until the program is dead."""


def run(
    command: Command,
    *,
    log: Path,
    say: Callable[[str], None],
    stop: threading.Event,
    started: Callable[[int], None] = lambda _: None,
) -> None:
    """Run a command to its end, each line of its output to `log` and `say`.

    `started` is told the process that all of the command's descend from.
    Raises WorldError when it cannot start, fails or runs out of time (the message carries its last lines), and
    Interrupted when `stop` is set; in each case nothing that it started is left running.
    """
    name = " ".join(command.argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_GUARD), *_python_of_here(command.argv)],
        cwd=command.cwd,
        env={**command.env, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=() if command.lock is None else (command.lock,),
    )
    started(process.pid)
    tail: list[str] = []
    reader = threading.Thread(target=_read, args=(process, log, tail, say, masker(command.env)), daemon=True)
    reader.start()
    ended_by = _wait(process, stop, command.timeout)
    reader.join(2)
    last = "\n".join(tail)
    if ended_by == "stop":
        raise Interrupted(f"`{name}` was stopped")
    if ended_by == "timeout":
        help = f"its whole output: {log}; a longer `timeout` gives it more time"
        raise WorldError(f"`{name}` did not end within {command.timeout:g} s\n{last}", help=help)
    if process.returncode:
        found = f"`{name}` failed with exit code {process.returncode}"
        raise WorldError(f"{found}\n{last}" if last else found, help=f"its whole output: {log}")


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds what nobody should read."""
    return _SECRET_NAME.search(name) is not None


def masker(env: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces the values of secret-looking variables (8 characters or more) by `***`."""
    secrets = (value for name, value in env.items() if is_secret(name))
    lines = {line for value in secrets for line in (value, *value.splitlines()) if len(line) >= 8}
    values = sorted(lines, key=len, reverse=True)
    if not values:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, values)))
    return lambda text: pattern.sub("***", text)


def _python_of_here(argv: Sequence[str]) -> list[str]:
    """`python` is the interpreter that runs mlci, also where the venv is not active."""
    return [sys.executable, *argv[1:]] if argv[0] in ("python", "python3") else list(argv)


def _read(
    process: subprocess.Popen[bytes], log: Path, tail: list[str], say: Callable[[str], None], mask: Callable[[str], str]
) -> None:
    """Take the command's output until its end, whatever becomes of the log or of who listens."""
    assert process.stdout is not None
    with process.stdout as stream, ExitStack() as stack:
        try:
            out = stack.enter_context(log.open("a", encoding="utf-8"))
        except OSError:
            out = stack.enter_context(Path(os.devnull).open("w"))
        for raw in _lines(stream):
            line = mask(raw.decode("utf-8", "replace").rstrip())
            tail.append(line)
            del tail[:-20]
            with suppress(OSError):
                print(line, file=out, flush=True)
            with suppress(OSError):
                say(line)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines, ended by a line feed or, as progress bars do, by a carriage return; none longer than 64 KiB."""
    rest = b""
    while chunk := stream.read1(_LONGEST):  # type: ignore[attr-defined]
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from lines
        if len(rest) >= _LONGEST:
            yield rest
            rest = b""
    if rest:
        yield rest


def _wait(process: subprocess.Popen[bytes], stop: threading.Event, timeout: float | None) -> str:
    """Wait for the end; returns what brought it about: `exit`, `stop` or `timeout`."""
    assert process.stdin is not None
    deadline = None if timeout is None else time.monotonic() + timeout
    ended_by = "exit"
    while process.poll() is None:
        if ended_by == "exit":
            if stop.is_set():
                ended_by = "stop"
            elif deadline is not None and time.monotonic() > deadline:
                ended_by = "timeout"
            if ended_by != "exit":
                process.stdin.close()  # the guard ends the command's group, within its grace
        time.sleep(0.02)
    process.stdin.close()
    return ended_by


def base_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with `extra` on top and the interpreter of mlci first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, **extra}
