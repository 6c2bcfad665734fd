"""What the servers of an environment write, all of them in one stream; followed across restarts and deployments."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlci.deploy import state
from mlci.deploy.drivers import driver
from mlci.deploy.state import Revision
from mlci.errors import WorldError

LOOK = 1.0
"""Seconds between two looks for servers that were not there before."""


@dataclass(frozen=True)
class Line:
    """One line: of which revision, which of its servers, and what it says."""

    revision: int
    server: int
    text: str


def logs(folder: Path, *, tail: int, follow: bool) -> Iterator[Line]:
    """The last `tail` lines of each server of the environment, stable before canary; with `follow`, also what comes.

    Raises WorldError where nothing is deployed or the driver cannot say. `follow` ends when the reader stops reading.
    """
    folder = folder.resolve()
    roles = _roles(folder)
    if not roles:
        raise WorldError(f"nothing is deployed to {folder.name}", help=f"`mlci deploy {folder.name}` does")
    if follow:
        yield from _followed(folder, tail)
        return
    for revision in roles:
        for number in range(1, revision.replicas + 1):
            where = folder / "revisions" / str(revision.number)
            for text in driver(revision.driver).logs(where, number, tail=tail):
                yield Line(revision.number, number, text)


def _roles(folder: Path) -> list[Revision]:
    now = state.load(folder)
    return [now.revisions[n] for n in (now.stable, now.canary) if n is not None] if now else []


def _followed(folder: Path, tail: int) -> Iterator[Line]:
    """A thread for each server that is there, and for each that comes; they end with the program."""
    lines: queue.SimpleQueue[Line | WorldError] = queue.SimpleQueue()
    threads: dict[tuple[int, int], threading.Thread] = {}

    def read(revision: Revision, number: int, last: int) -> None:
        where = folder / "revisions" / str(revision.number)
        try:
            for text in driver(revision.driver).logs(where, number, tail=last, follow=True):
                lines.put(Line(revision.number, number, text))
        except WorldError as error:
            lines.put(error)

    looked = 0.0
    while True:
        if time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            for revision, number in _there(folder):
                key = revision.number, number
                if key not in threads or not threads[key].is_alive():
                    last = 0 if key in threads else tail
                    threads[key] = threading.Thread(target=read, args=(revision, number, last), daemon=True)
                    threads[key].start()
        try:
            found = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if isinstance(found, WorldError):
            raise found
        yield found


def _there(folder: Path) -> list[tuple[Revision, int]]:
    """The servers that there are now."""
    found = []
    for revision in _roles(folder):
        seen = driver(revision.driver).observe(folder / "revisions" / str(revision.number))
        found += [(revision, replica.number) for replica in seen]
    return found
