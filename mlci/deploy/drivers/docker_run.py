"""One command in a container of an image, run to its end: for what only the image's own base can run.

It has no network, no rights and the caller's user; it reads the folders that it is given, at the paths that they have
here, and writes into one. The container of a mlci that was killed is ended by the next one with such a folder beside.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlci.deploy.drivers.docker_engine import Engine, engine
from mlci.deploy.drivers.docker_image import bring
from mlci.errors import Interrupted, WorldError

LABEL = "dev.mlci.run"
"""The label with the folder in which a command has its own to write to."""


@dataclass(frozen=True)
class Once:
    """A command of an image (`source`, see `Launch`): what it may read, where it writes, its variables, its limit."""

    source: str
    argv: Sequence[str]
    writes: Path
    reads: Sequence[Path] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


def run(once: Once, *, log: Path, say: Callable[[str], None], stop: threading.Event) -> None:
    """Run it; its output goes to `log` and `say`.

    Raises WorldError when it cannot start, fails or runs out of time, Interrupted when `stop` is set; no container is
    left in either case.
    """
    name = " ".join(once.argv)
    with engine() as api:
        for left in api.containers(all=True, filters={"label": f"{LABEL}={once.writes.resolve().parent}"}):
            _remove(api, left["Id"])
        made = _make(api, once)
        try:
            try:
                api.start(made)
            except api.Refused as refused:
                raise WorldError(f"`{name}` cannot be started in a container of the image: {refused}") from refused
            _wait(api, made, name, once.timeout, stop)
            code = int(api.inspect_container(made)["State"]["ExitCode"])
            lines = api.logs(made, tail=1000).decode("utf-8", "replace").splitlines()
        finally:
            _remove(api, made)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        for line in lines:
            print(line, file=out)
            say(line)
    if code:
        last = "\n".join([f"`{name}` failed in its container with exit code {code}", *lines[-20:]])
        raise WorldError(last, help=f"its whole output: {log}")


def _make(api: Engine, once: Once) -> str:
    binds = {str(path.resolve()): {"bind": str(path.resolve()), "mode": "ro"} for path in once.reads}
    binds[str(once.writes.resolve())] = {"bind": str(once.writes.resolve()), "mode": "rw"}
    host = api.create_host_config(
        binds=binds,
        network_mode="none",
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - the container's own
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    made = api.create_container(
        image=bring(api, once.source),
        command=list(once.argv),
        entrypoint=[],
        environment={"HOME": "/tmp", **once.env},  # noqa: S108
        user=f"{os.getuid()}:{os.getgid()}",
        labels={LABEL: str(once.writes.resolve().parent)},
        host_config=host,
    )
    return str(made["Id"])


def _wait(api: Engine, made: str, name: str, timeout: float | None, stop: threading.Event) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    while api.inspect_container(made)["State"]["Running"]:
        if stop.wait(0.1):
            raise Interrupted(f"`{name}` was stopped")
        if deadline is not None and time.monotonic() > deadline:
            raise WorldError(f"`{name}` did not end within {timeout:g} s", help="a longer `timeout` gives it more time")


def _remove(api: Engine, container: str) -> None:
    with suppress(api.Gone):
        api.remove_container(container, force=True, v=True)
