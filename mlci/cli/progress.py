"""Progress of running steps: live lines with elapsed time on a terminal, plain lines in a pipe or in CI."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import click

from mlci.cli.output import finished_line, printable
from mlci.engine import Observer
from mlci.evidence.record import StepRecord

_KEPT = 60
"""Lines of a step's output that are shown when it did not pass."""


@contextmanager
def watcher(steps: Sequence[str], *, quiet: bool) -> Iterator[Observer]:
    """The observer that fits standard error: a terminal, something else, or nothing (`quiet`)."""
    width = max((len(name) for name in steps), default=0)
    if quiet:
        yield _Silent()
    elif sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        live = _Live(width)
        try:
            yield live
        finally:
            live.close()
    else:
        yield _Plain(width)


def _echo(text: str) -> None:
    """To standard error; that nobody listens any more is no reason to stop a training."""
    with suppress(OSError):
        click.echo(text, err=True)


def _told(line: str) -> None:
    _echo(f"{click.style('note:', fg='yellow')} {printable(line)}")


class _Silent:
    """Says nothing of steps."""

    def started(self, step: str) -> None:
        return

    def said(self, step: str, line: str) -> None:
        return

    def finished(self, record: StepRecord) -> None:
        return

    def told(self, line: str) -> None:
        _told(line)


class _Plain:
    """A line for each thing that happens, as it happens."""

    def __init__(self, width: int) -> None:
        self._width = width

    def started(self, step: str) -> None:
        return

    def said(self, step: str, line: str) -> None:
        _echo(f"  {step} | {printable(line)}")

    def finished(self, record: StepRecord) -> None:
        _echo(finished_line(record, self._width))

    def told(self, line: str) -> None:
        _told(line)


class _Live:
    """One line a running step at the bottom of the terminal, drawn five times a second."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._running: dict[str, tuple[float, deque[str]]] = {}
        self._drawn = 0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, daemon=True)
        self._thread.start()

    def started(self, step: str) -> None:
        with self._lock:
            self._running[step] = (time.monotonic(), deque(maxlen=_KEPT))

    def said(self, step: str, line: str) -> None:
        with self._lock:
            if step in self._running:
                self._running[step][1].append(printable(line))

    def finished(self, record: StepRecord) -> None:
        with self._lock:
            _, lines = self._running.pop(record.name, (0.0, deque[str]()))
            self._clear()
            if record.status in ("fail", "error", "rolled-back"):
                for line in lines:
                    _echo(f"  {record.name} | {line}")
            _echo(finished_line(record, self._width))
            self._draw()

    def told(self, line: str) -> None:
        with self._lock:
            self._clear()
            _told(line)
            self._draw()

    def close(self) -> None:
        """Stop drawing and leave a clean terminal."""
        self._end.set()
        self._thread.join()
        with self._lock:
            self._clear()
            sys.stderr.flush()

    def _draw_on(self) -> None:
        while not self._end.wait(0.2):
            with self._lock:
                self._clear()
                self._draw()

    def _clear(self) -> None:
        sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J" if self._drawn else "")
        self._drawn = 0

    def _draw(self) -> None:
        columns = shutil.get_terminal_size().columns
        for step, (since, lines) in self._running.items():
            text = f"… {step:<{self._width}}  {time.monotonic() - since:6.1f} s  {lines[-1] if lines else ''}"
            sys.stderr.write((text if len(text) < columns else text[: columns - 2] + "…") + "\n")
            self._drawn += 1
        sys.stderr.flush()
