"""Where versions run. A driver is a module with these functions; a new one is a file and a line here.

They are a reconciliation: `observe` says what there is of a version, `start` brings what is missing and leaves what
is right, `stop` of what is gone does nothing, so each may be asked again after a kill. A version is known by the folder
that the controller has for it, which a driver writes where it will be found again (a file, a label); nothing here says
that versions share a machine with mlci. Who gets the traffic is no matter of theirs: that is the proxy's.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from mlci.config.model import Container
from mlci.errors import UsageError

DRIVERS = {"process": "mlci.deploy.drivers.process", "docker": "mlci.deploy.drivers.docker"}
Address = tuple[str, int]
"""Host and port of one server, for the proxy."""


@dataclass(frozen=True)
class Launch:
    """One version to run, as so many servers.

    `folder` is the version's identity and holds its logs; `name` is for people; `image_config` is the image's OCI
    config (`Cmd`, `Env`, …). The image is unpacked at `root`, or is in the store that `source` names (`mlci.store`,
    `locate`), whichever the driver runs. `addresses` are those that the servers had before.
    """

    folder: Path
    name: str
    image_config: dict[str, Any]
    root: Path | None = None
    source: str = ""
    replicas: int = 1
    addresses: tuple[Address, ...] = ()
    container: Container = field(default_factory=Container)

    def port(self, number: int) -> int | None:
        """The port that this replica had."""
        return self.addresses[number - 1][1] if number <= len(self.addresses) else None


@dataclass(frozen=True)
class Replica:
    """One server of a version as it was found; its process on this machine if it has one, how often it came again."""

    number: int
    running: bool
    address: Address | None = None
    pid: int | None = None
    restarts: int = 0


class Driver(Protocol):
    """What each driver's module has."""

    def observe(self, folder: Path) -> tuple[Replica, ...]:
        """What there is of the version, by number (from 1), running or not."""
        ...

    def start(self, launch: Launch) -> tuple[Address, ...]:
        """Start what does not run of it and return at once where each replica listens.

        A version that ends at once shows in `observe`; raises WorldError where nothing can be started.
        """
        ...

    def keep(self, folder: Path) -> None:
        """From now on, what ends by itself is started again without mlci, after longer and longer times."""
        ...

    def stop(self, folder: Path, grace: float, only: Collection[int] | None = None) -> None:
        """End it, or `only` these replicas: asked first, killed after `grace` seconds."""
        ...

    def logs(self, folder: Path, number: int, *, tail: int, follow: bool = False) -> Iterator[str]:
        """The last lines that a replica wrote, also when it is gone; with `follow`, each new one until it ends."""
        ...


def driver(name: str) -> Driver:
    """The driver of this name."""
    if name not in DRIVERS:
        raise UsageError(f"driver `{name}` is not available yet", help=f"use driver: {', '.join(DRIVERS)}")
    return cast("Driver", importlib.import_module(DRIVERS[name]))


def alive(driver: Driver, folder: Path) -> bool:
    """Does every server of the version run?"""
    found = driver.observe(folder)
    return bool(found) and all(one.running for one in found)


def last_words(driver: Driver, folder: Path, lines: int = 15) -> list[str]:
    """The last lines of the first server that does not run, or of the first one."""
    found = driver.observe(folder)
    number = next((one.number for one in found if not one.running), 1)
    return list(driver.logs(folder, number, tail=lines))
