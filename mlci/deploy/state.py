"""The journal of one environment: what should be running here. `settle` makes it so, also after a kill.

It is written before the world is changed. A revision that is neither stable nor the canary is on its way out, so
promoting, taking back and cleaning up after a kill are each one change of the journal, and then the same `settle`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlci.config.model import Sticky
from mlci.deploy.drivers import Address
from mlci.deploy.envoy_config import PLAIN, Endpoint, Front
from mlci.errors import WorldError
from mlci.files import try_lock, write_atomic

FORMAT = 1


@dataclass(frozen=True)
class Revision:
    """One started version, with all that it takes to start it again.

    `root` and `source` say where the image is (see `Launch`), `addresses` where its servers listen, one each, and
    nothing until it was started. `slowest` is its slowest warm-up answer in seconds.
    """

    number: int
    digest: str
    root: str | None
    image_config: dict[str, Any]
    ready: str
    source: str = ""
    driver: str = "process"
    replicas: int = 1
    restart: bool = True
    container: dict[str, Any] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    slowest: float = 0.0

    @property
    def endpoint(self) -> Endpoint:
        assert self.addresses
        return Endpoint(self.number, self.addresses)


@dataclass(frozen=True)
class State:
    """What should be: who is stable, who is the canary and with which share, the proxy's port and face.

    `kept` is the version before, which runs without traffic for a while.
    `repeatable` says that a request may be sent to a second version, `mirror` that the canary gets a copy of each,
    `sticky` that the share is one of users, and what they are known by.
    """

    environment: str
    next: int = 1
    revisions: dict[int, Revision] = field(default_factory=dict)
    stable: int | None = None
    canary: int | None = None
    kept: int | None = None
    weight: float = 0.0
    port: int | None = None
    front: Front = PLAIN
    repeatable: bool = False
    mirror: bool = False
    sticky: Sticky | None = None
    format: int = FORMAT

    @property
    def serving(self) -> Revision | None:
        return None if self.stable is None else self.revisions[self.stable]

    @property
    def endpoint(self) -> str | None:
        """Where callers find the serving version."""
        return f"{self.front.scheme}://127.0.0.1:{self.port}" if self.port and self.serving else None

    @property
    def leaving(self) -> list[Revision]:
        """Revisions that have no part any more."""
        return [r for n, r in sorted(self.revisions.items()) if n not in (self.stable, self.canary, self.kept)]

    def with_revision(self, revision: Revision) -> State:
        """The state with this revision added or changed."""
        return replace(self, revisions={**self.revisions, revision.number: revision})

    def without_revision(self, number: int) -> State:
        """The state with this revision gone."""
        return replace(self, revisions={n: r for n, r in self.revisions.items() if n != number})


def load(folder: Path) -> State | None:
    """The journal, or None where nothing was ever deployed."""
    path = folder / "state.json"
    try:
        raw = json.loads(path.read_text())
        if raw["format"] != FORMAT:
            raise ValueError(f"format {raw['format']}")
        raw["revisions"] = {int(n): _revision(revision) for n, revision in raw["revisions"].items()}
        sticky = Sticky(**raw["sticky"]) if raw["sticky"] else None
        return State(**{**raw, "front": Front(**raw["front"]), "sticky": sticky})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise WorldError(
            f"cannot read {path}: {error}", help="another version of mlci wrote it: stop the environment with that one"
        ) from error


def _revision(raw: dict[str, Any]) -> Revision:
    return Revision(**{**raw, "addresses": tuple((str(host), int(port)) for host, port in raw["addresses"])})


def save(folder: Path, state: State) -> None:
    """Write the journal."""
    write_atomic(folder / "state.json", json.dumps(asdict(state), indent=1))


@contextmanager
def locked(folder: Path, environment: str, *, wait: float) -> Iterator[int]:
    """One deployment to an environment at a time; raises WorldError when another one runs for longer than `wait`.

    Gives the lock's file descriptor: a process that inherits it holds the lock for as long as it lives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + wait
        while not try_lock(handle):
            if time.monotonic() > deadline:
                pid = os.pread(handle, 32, 0).decode().strip()
                raise WorldError(
                    f"another deployment of {environment} is running (pid {pid or 'unknown'})",
                    help="wait for it to end, or end it",
                )
            time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)
