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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.deploy import detached
from mlci.deploy.drivers import Launch
from mlci.errors import WorldError

PYTHON = "dev.mlci.python"
"""The image's label with the Python that its packages were installed for."""
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


def start(launch: Launch) -> tuple[str, int]:
    """Start the image's command with PORT set to a free port of loopback."""
    made = prepare(launch)
    detached.start(made.argv, cwd=made.cwd, env=made.env, log=launch.folder / "log", lease=launch.folder / "lease")
    return "127.0.0.1", made.port


def prepare(launch: Launch, command: Sequence[str] | None = None) -> Prepared:
    """What runs the image's command, or another one in it; PORT is a free port of loopback."""
    config = launch.image_config
    if not launch.root.is_dir():
        raise WorldError(f"the unpacked image {launch.root} is not there", help="run `mlci deploy` again to unpack it")
    moved = _mover(launch.root)
    whole = command or (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ()))
    argv = [moved(part) for part in whole]
    if not argv:
        raise WorldError("the image has no command to serve with", help="add image.serve.command to mlci.yaml")
    launch.folder.mkdir(parents=True, exist_ok=True)
    python = interpreter(launch.folder, config)
    if argv[0] in _PYTHON:
        argv[0] = str(python)
    port = launch.port or free_port()
    env = {**environment(launch.root, config, launch.folder), "PORT": str(port)}
    cwd = launch.root / (config.get("WorkingDir") or "/").lstrip("/")
    if not cwd.is_dir():
        raise WorldError(f"the image's working directory {cwd} is not there", help="unpack the image again")
    return Prepared(argv, cwd, env, port)


def alive(folder: Path) -> bool:
    """Does the command run?"""
    return detached.alive(folder / "lease")


def pid(folder: Path) -> int | None:
    """Its process."""
    return detached.pid(folder / "lease")


def stop(folder: Path, grace: float) -> None:
    """End it and whatever it started."""
    detached.stop(folder / "lease", grace=grace)


def tail(folder: Path) -> list[str]:
    """The last lines of its log."""
    return detached.tail(folder / "log")


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
