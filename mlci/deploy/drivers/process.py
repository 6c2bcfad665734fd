"""Versions as processes on this machine: the image unpacked, its command run on loopback, no container.

The command sees the image's environment only, with the image's absolute paths (`/app`, `/deps`) moved under the
unpacked root. `python` is an interpreter of the same version as mlci's with nothing installed: what is imported comes
from the image, or fails here as it would in a container.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.deploy import detached
from mlci.deploy.drivers import Address, Launch, Replica
from mlci.errors import WorldError
from mlci.files import write_atomic

PYTHON = "dev.mlci.python"
"""The image's label with the Python that its packages were installed for."""
KEEP = "keep"
"""The file in a version's folder that says: what ends is started again."""
_PYTHON = ("python", "python3")
_NEEDED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
"""Variables of mlci's own that an interpreter may need to start."""


@dataclass(frozen=True)
class Prepared:
    """An image's command as it is run here."""

    argv: list[str]
    cwd: Path
    env: dict[str, str]
    port: int


def observe(folder: Path) -> tuple[Replica, ...]:
    """Each replica has a folder with its lease, its port and its log."""
    found = []
    for lease in folder.glob("*/lease"):
        pid = detached.pid(lease)
        address = ("127.0.0.1", int((lease.parent / "port").read_text()))
        found.append(Replica(int(lease.parent.name), pid is not None, address, pid))
    return tuple(sorted(found, key=lambda replica: replica.number))


def start(launch: Launch) -> tuple[Address, ...]:
    """Start the image's command with PORT set to a free port of loopback."""
    assert launch.root is not None
    running = {replica.number: replica.address for replica in observe(launch.folder) if replica.running}
    out = []
    for number in range(1, launch.replicas + 1):
        address = running.get(number)
        if address is None:
            stop(launch.folder, 0, [number])  # one that waits to be started again
            place = launch.folder / str(number)
            made = prepare(place, launch.root, launch.image_config, port=launch.port(number))
            write_atomic(place / "port", str(made.port))
            detached.start(
                made.argv,
                cwd=made.cwd,
                env=made.env,
                log=place / "log",
                lease=place / "lease",
                keep=launch.folder.resolve() / KEEP,
            )
            address = ("127.0.0.1", made.port)
        out.append(address)
    return tuple(out)


def prepare(
    folder: Path, root: Path, image_config: dict[str, Any], *, port: int | None = None, command: Sequence[str] = ()
) -> Prepared:
    """What runs the command of an image unpacked at `root`, or another one in it; PORT is a free one of loopback.

    `folder` is the command's home.
    """
    if not root.is_dir():
        raise WorldError(f"the unpacked image {root} is not there", help="run `mlci deploy` again to unpack it")
    moved = _mover(root)
    whole = command or (*(image_config.get("Entrypoint") or ()), *(image_config.get("Cmd") or ()))
    argv = [moved(part) for part in whole]
    if not argv:
        raise WorldError("the image has no command to serve with", help="add image.serve.command to mlci.yaml")
    folder.mkdir(parents=True, exist_ok=True)
    python = interpreter(folder, image_config)
    if argv[0] in _PYTHON:
        argv[0] = str(python)
    port = port or free_port()
    env = {**environment(root, image_config, folder), "PORT": str(port)}
    cwd = root / (image_config.get("WorkingDir") or "/").lstrip("/")
    if not cwd.is_dir():
        raise WorldError(f"the image's working directory {cwd} is not there", help="unpack the image again")
    return Prepared(argv, cwd, env, port)


def keep(folder: Path) -> None:
    """The shell that waits for each command looks for this file when it has ended."""
    (folder / KEEP).touch()


def stop(folder: Path, grace: float, only: Collection[int] | None = None) -> None:
    """End it and whatever it started."""
    if only is None:
        (folder / KEEP).unlink(missing_ok=True)
    for lease in folder.glob("*/lease"):
        if only is None or int(lease.parent.name) in only:
            detached.stop(lease, grace=grace)


def logs(folder: Path, number: int, *, tail: int, follow: bool = False) -> Iterator[str]:
    """The lines of its log."""
    place = folder / str(number)
    return detached.lines(place / "log", place / "lease", tail=tail, follow=follow)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(root: Path, image_config: dict[str, Any], folder: Path) -> dict[str, str]:
    """The image's environment on this machine; `folder` is the command's home and has its interpreter."""
    moved = _mover(root)
    image = dict(entry.partition("=")[::2] for entry in image_config.get("Env") or ())
    return {
        **{key: os.environ[key] for key in _NEEDED if key in os.environ},
        "HOME": str(folder.resolve()),
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        **{key: moved(value) for key, value in image.items()},
        "PATH": os.pathsep.join([str(folder.resolve() / "venv" / "bin"), moved(image.get("PATH", "")) or os.defpath]),
    }


def _mover(root: Path) -> Callable[[str], str]:
    """Puts the unpacked root before each absolute path that starts with one of the image's own top folders."""
    names = sorted((re.escape(entry.name) for entry in root.iterdir()), key=len, reverse=True)
    if not names:
        return lambda text: text
    pattern = re.compile(rf"(^|[=:,;\s\"'])/(?=(?:{'|'.join(names)})(?:[/:,;\s\"']|$))")
    prefix = f"{root.resolve()}/"
    return lambda text: pattern.sub(lambda match: match[1] + prefix, text)


def interpreter(folder: Path, image_config: dict[str, Any]) -> Path:
    """A virtual environment without packages, which takes no more than a link and a file (PEP 405).

    Raises WorldError when the image was built for another Python: its compiled packages would not load.
    """
    wanted, here = (image_config.get("Labels") or {}).get(PYTHON), ".".join(map(str, sys.version_info[:2]))
    if wanted not in (None, here):
        raise WorldError(
            f"the image was built for Python {wanted}, and mlci runs on {here}",
            help=f"run mlci on Python {wanted}, or build the image again",
        )
    base = Path(getattr(sys, "_base_executable", None) or sys.executable)
    home = folder.resolve() / "venv"
    (home / "bin").mkdir(parents=True, exist_ok=True)
    (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    for name in _PYTHON:
        link = home / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(base)
    return home / "bin" / "python"
