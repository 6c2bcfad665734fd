"""Runs one command and ends it, with everything it started, when mlci is gone.

mlci holds the write end of this program's standard input. End of file means that mlci closed it to stop the
command, or was killed: either way the command's process group is terminated, then killed. So a `kill -9` of mlci
leaves no training behind that still writes, and a lock inherited by this process is held until the command is dead.

Run as a file with `python -I -S`, so that it starts in milliseconds and imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_PR_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> int:
    """Run `argv` in a session of its own; the exit code is the command's, or 128 + signal."""
    _adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)  # only the end of input ends the command; SIG_IGN would be inherited by it
    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True, restore_signals=True)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_end_with_parent, args=(child,), daemon=True).start()
    code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what the command left in the background
    _end_orphans()
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    """Become the parent of what the command's children leave behind, also in sessions of their own (Linux only)."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_orphans() -> None:
    deadline = time.monotonic() + GRACE
    while (orphans := _children()) and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """The processes whose parent this one is; none where there is no /proc."""
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():  # noqa: PTH112, PTH208 - no pathlib: 10 ms
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{int(entry)}/stat", "rb") as stat:  # noqa: PTH123
            if int(stat.read().rpartition(b")")[2].split()[1]) == os.getpid():
                found.append(int(entry))
    return found


def _ignore(_number: int, _frame: object) -> None:
    return


def _end_with_parent(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the watching thread may still be reading
