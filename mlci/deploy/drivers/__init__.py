"""Where versions run. A driver is a module with these functions; a new one is a file and a line here.

The controller looks and asks for one thing at a time, and each may be asked again after a kill: `start` of what runs
is refused, `stop` of what is gone does nothing. Nothing here says that versions share a machine with mlci.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from mlci.errors import UsageError

DRIVERS = {"process": "mlci.deploy.drivers.process"}


@dataclass(frozen=True)
class Launch:
    """One version to run: the unpacked image, its OCI config (`Cmd`, `Env`, …), a folder for what belongs to the run.

    `port` is the one it had before, or None.
    """

    folder: Path
    root: Path
    image_config: dict[str, Any]
    port: int | None = None


class Driver(Protocol):
    """What each driver's module has."""

    def start(self, launch: Launch) -> tuple[str, int]:
        """Start the version and return at once where it will listen; raises WorldError when it cannot be started."""
        ...

    def alive(self, folder: Path) -> bool:
        """Does the version of this folder run?"""
        ...

    def pid(self, folder: Path) -> int | None:
        """Its process on this machine, if it has one."""
        ...

    def stop(self, folder: Path, grace: float) -> None:
        """End it: asked first, killed after `grace` seconds."""
        ...

    def tail(self, folder: Path) -> list[str]:
        """The last lines that it wrote."""
        ...


def driver(name: str) -> Driver:
    """The driver of this name."""
    if name not in DRIVERS:
        raise UsageError(f"driver `{name}` is not available yet", help=f"use driver: {', '.join(DRIVERS)}")
    return cast("Driver", importlib.import_module(DRIVERS[name]))
