"""The memory of processes: peaks, of all that descends from one, also when it is freed again."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from mlci import memory, process
from mlci.errors import Interrupted

PEAK = """
import subprocess, sys
block = bytearray({size} << 20)
del block
{child}
print("done", flush=True)
{after}
"""


def peak(tmp_path: Path, size: int, child: str = "") -> int:
    """The bytes that a program had at its peak, seen when it has freed them."""
    said, ended, guards, seen = threading.Event(), threading.Event(), [], []
    code = PEAK.format(size=size, child=child, after="import time; time.sleep(60)")
    command = process.Command([sys.executable, "-c", code], tmp_path, dict(os.environ))

    def run() -> None:
        with suppress(Interrupted):
            process.run(command, log=tmp_path / "log", say=lambda _: said.set(), stop=ended, started=guards.append)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert said.wait(20)
        seen.append(sum(memory.peaks(guards[0]).values()))
    finally:
        ended.set()
        thread.join()
    return seen[0]


def test_what_was_freed_counts_where_the_system_keeps_the_peak(tmp_path: Path) -> None:
    small, large = peak(tmp_path, 1), peak(tmp_path, 200)
    assert small > 4 << 20
    if sys.platform == "linux":
        assert 180 << 20 < large - small < 220 << 20


def test_children_count_too(tmp_path: Path) -> None:
    code = "block = bytearray(100 << 20); print(1, flush=True); import time; time.sleep(60)"
    child = f"c = subprocess.Popen([sys.executable, '-c', {code!r}], stdout=subprocess.PIPE); c.stdout.readline()"
    assert peak(tmp_path, 1, child) > 100 << 20


def test_a_program_that_ends_is_watched_until_then(tmp_path: Path) -> None:
    code = PEAK.format(size=100, child="import time; time.sleep(0.5)", after="")
    guards: list[int] = []
    with memory.watched(guards) as seen:
        command = process.Command([sys.executable, "-c", code], tmp_path, dict(os.environ))
        process.run(command, log=tmp_path / "log", say=print, stop=threading.Event(), started=guards.append)
    assert sum(seen.values()) > 100 << 20


def test_without_proc_ps_tells_the_same_processes() -> None:
    table = memory._ps()
    assert table[os.getpid()] == os.getppid()
    assert memory._resident({os.getpid(): 0})[os.getpid()] > 4 << 20
