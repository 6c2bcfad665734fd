"""A process that outlives mlci, and can be found, watched and ended by a later mlci.

Its *lease* is a file that it keeps locked for as long as it lives: the lock is taken before it starts and inherited,
so it cannot be missed when mlci is killed in between, and a process that got the same number later does not hold it.
The file's content is the process and its group, written by the shell that starts it. That shell waits for the process,
and starts it again when it ends while a file says so: nothing else is there to do it when mlci has gone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlci.errors import WorldError

_START = """
keep=$1; shift
[ -n "$keep" ] || { "$@" & echo "$! $$" >"$0"; exit; }
( delay=0
  while :; do
    begun=$(/bin/date +%s)
    "$@" & echo "$! $$" >"$0"
    wait $!
    code=$?
    [ -e "$keep" ] || exit
    [ $(($(/bin/date +%s) - begun)) -lt 60 ] || delay=0
    echo "0 $$" >"$0"
    echo "mlci: it ended with exit code $code, and is started again in $delay s"
    /bin/sleep $delay
    [ -e "$keep" ] || exit
    delay=$((delay < 15 ? 2 * delay + 1 : 30))
  done ) &
"""
"""The outer shell ends at once, so what it started belongs to init and mlci has no zombie to bury."""


def start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, lease: Path, keep: Path | None = None
) -> None:
    """Start a program in a session and group of its own, its output appended to `log`.

    It is started again when it ends while the file `keep` is there: at once, then after 1, 3, 7, 15, 30 s, and at once
    again after a minute's life. A program that cannot be found shows as one that is not alive. Raises WorldError when
    the lease is held.
    """
    lease.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lease, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle, lease)
        os.ftruncate(handle, 0)
        with log.open("ab") as out:
            subprocess.run(
                ["/bin/sh", "-c", _START, str(lease.resolve()), str(keep or ""), *argv],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=(handle,),
                check=True,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise WorldError(f"cannot start `{' '.join(argv)}`: {error}") from error
    finally:
        os.close(handle)


def alive(lease: Path) -> bool:
    """Is the process that took the lease still there?"""
    try:
        handle = os.open(lease, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who look do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def pid(lease: Path) -> int | None:
    """The process that holds the lease, or None: there is none, or it ended and is about to be started again."""
    return (_holder(lease)[0] or None) if alive(lease) else None


def stop(lease: Path, *, grace: float) -> None:
    """End the process and its group: asked first, killed after `grace` seconds. Nothing happens when it is gone."""
    if alive(lease):
        group = _holder(lease)[1]
        _signal(group, signal.SIGTERM)
        if not _gone(lease, grace):
            _signal(group, signal.SIGKILL)
            if not _gone(lease, 10):
                raise WorldError(f"process group {group} does not end, although it was killed")
        _signal(group, signal.SIGKILL)  # what it left behind
    lease.unlink(missing_ok=True)


def tail(log: Path, lines: int = 15) -> list[str]:
    """The last lines of a log."""
    try:
        with log.open(encoding="utf-8", errors="replace") as text:
            return [line.rstrip() for line in deque(text, lines)]
    except FileNotFoundError:
        return []


def lines(log: Path, lease: Path, *, tail: int, follow: bool) -> Iterator[str]:
    """The last lines of a log, then, with `follow`, each that is added until nobody holds the lease."""
    try:
        text = log.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    with text:
        yield from (line.rstrip("\n") for line in deque(text, tail))
        rest = ""
        while follow:
            last = not alive(lease)
            for line in text:
                rest += line
                if rest.endswith("\n"):
                    yield rest.rstrip("\n")
                    rest = ""
            if last:
                break
            time.sleep(0.2)


def _take(handle: int, lease: Path) -> None:
    deadline = time.monotonic() + 1
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody looks, or it runs
            if time.monotonic() > deadline:
                raise WorldError(f"a process still holds {lease}") from None
        time.sleep(0.01)


def _holder(lease: Path) -> tuple[int, int]:
    """Process and group; waits for the shell that is about to write them."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        numbers = lease.read_text().split()
        if len(numbers) == 2:
            return int(numbers[0]), int(numbers[1])
        time.sleep(0.005)
    raise WorldError(f"a process holds {lease}, but the file does not say which", help="end it by hand, then try again")


def _gone(lease: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(lease):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
