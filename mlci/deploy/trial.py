"""A server on trial: an image's command, started as a deployment would, asked by one caller, and ended for certain.

It runs under the guard (`mlci/process.py`), not detached as a deployed version: whatever becomes of mlci, nothing of
it is left. Only loopback is used, and a free port.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci import memory, process
from mlci.deploy import health
from mlci.deploy.drivers.process import prepare
from mlci.errors import Interrupted, WorldError

READY = "dev.mlci.ready"
"""The image's label with its ready path."""
_LOOK = 0.005
"""Seconds between two looks whether a server is ready: what its load time is told to."""


@dataclass(frozen=True)
class Served:
    """What is tried: its name for errors, the unpacked image and its config, a folder of its own.

    `timeout` is for getting ready, `patience` for one answer, both in seconds.
    """

    name: str
    root: Path
    config: dict[str, Any]
    folder: Path
    log: Path
    timeout: float = 60.0
    patience: float = 30.0
    help: str | None = None
    lock: int | None = None


@dataclass(frozen=True)
class Trial:
    """A server that is ready: its port, the seconds that this took, and the process that all of it descends from."""

    served: Served
    port: int
    seconds: float
    guard: int
    stop: threading.Event

    def memory(self) -> int:
        """Bytes that its processes had at their peaks, together."""
        return sum(memory.peaks(self.guard).values())

    def ask(self, path: str, bodies: Sequence[bytes]) -> list[float]:
        """The seconds of each request, one after another on one connection; the first body is asked twice, told once.

        Raises WorldError for an answer that is none or not of 2xx, Interrupted when stopped.
        """
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.served.patience)
        out = []
        try:
            for body in (*bodies[:1], *bodies):
                if self.stop.is_set():
                    raise Interrupted("the measurement was stopped")
                begun = time.perf_counter()
                connection.request("POST", path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                said = answer.read()
                out.append(time.perf_counter() - begun)
                if not 200 <= answer.status < 300:
                    raise self._broken(f"answered {answer.status} to {_shown(body)}: {_shown(said)}")
        except (OSError, HTTPException) as error:
            if self.stop.is_set():
                raise Interrupted("the measurement was stopped") from None
            why = f"within {self.served.patience:g} s" if isinstance(error, TimeoutError) else f"({error!r})"
            raise self._broken(f"did not answer {path} {why}") from error
        finally:
            connection.close()
        return out[1:]

    def _broken(self, what: str) -> WorldError:
        return WorldError(f"{self.served.name} {what}", help=self.served.help or f"its output: {self.served.log}")


class _Either(threading.Event):
    """Set by itself or with another."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


@contextmanager
def serving(served: Served, stop: threading.Event) -> Iterator[Trial]:
    """A server that is ready, for as long as the body runs.

    Raises WorldError when it ends by itself or does not get ready in time, Interrupted when `stop` is set.
    """
    made = prepare(served.folder, served.root, served.config)
    ended, pids, failed = _Either(stop), list[int](), list[str]()

    def run() -> None:
        command = process.Command(made.argv, made.cwd, made.env, lock=served.lock)
        try:
            process.run(command, log=served.log, say=lambda _: None, stop=ended, started=pids.append)
            failed.append("it ended with exit code 0")
        except Interrupted:
            pass
        except WorldError as error:
            failed.append(error.message)

    thread = threading.Thread(target=run, name="server on trial", daemon=True)
    begun = time.perf_counter()
    thread.start()
    try:
        _wait(served, made.port, failed, stop)
        yield Trial(served, made.port, time.perf_counter() - begun, pids[0], stop)
    finally:
        ended.set()
        thread.join()


def _wait(served: Served, port: int, failed: list[str], stop: threading.Event) -> None:
    path = (served.config.get("Labels") or {}).get(READY, "/")
    deadline = time.monotonic() + served.timeout
    help = served.help or f"its output: {served.log}"
    while health.ask("127.0.0.1", port, path, timeout=2.0) != 200:
        if stop.is_set():
            raise Interrupted("the measurement was stopped")
        if failed:
            raise WorldError(f"{served.name} ended before it was ready: {failed[0]}", help=help)
        if time.monotonic() > deadline:
            raise WorldError(f"{served.name} was not ready within {served.timeout:g} s ({path})", help=help)
        time.sleep(_LOOK)


def _shown(raw: bytes) -> str:
    text = raw[:200].decode("utf-8", "replace")
    return text + "…" * (len(raw) > 200)
