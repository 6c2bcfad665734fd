"""How much memory processes took: the peak of each one's resident set, summed over a process and all its descendants.

Pages that processes share, as the workers of one server do, count in each. Linux keeps the peak (`VmHWM`, proc(5));
elsewhere `ps` tells what is resident now.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EVERY = 0.05
"""Seconds between two looks at a program that runs to its end."""


def peaks(root: int) -> dict[int, int]:
    """Bytes of each descendant of `root`, which itself is only the one that watches them."""
    table = _proc() if sys.platform == "linux" else _ps()
    found: dict[int, int] = {}
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        children = [pid for pid, above in table.items() if above == parent and pid not in found]
        found.update(dict.fromkeys(children, 0))
        waiting += children
    sizes = {pid: _peak(pid) for pid in found} if sys.platform == "linux" else _resident(found)
    return {pid: size for pid, size in sizes.items() if size}


@contextmanager
def watched(roots: list[int]) -> Iterator[dict[int, int]]:
    """Look again and again while the body runs; what is yielded holds the highest peak of each process seen."""
    seen: dict[int, int] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY):
            for root in roots:
                for pid, size in peaks(root).items():
                    seen[pid] = max(size, seen.get(pid, 0))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _proc() -> dict[int, int]:
    """Of each process its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                found[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    return found


def _peak(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        # The kernel counts in batches: what is resident may be a little above the peak that it knows of.
        return max(int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmHWM:", "VmRSS:")))
    return 0


def _ps() -> dict[int, int]:
    return {pid: parent for pid, parent, _ in _table()}


def _resident(pids: dict[int, int]) -> dict[int, int]:
    return {pid: size * 1024 for pid, _, size in _table() if pid in pids}


def _table() -> list[tuple[int, int, int]]:
    said = subprocess.run(["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in said.splitlines())]
