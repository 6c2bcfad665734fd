"""Environments that mlci makes for a suite: from a lock with hashes, once for every project of a user.

An environment is a folder named by the digest of its lock, in the user's cache. It is made beside its place and moved
there when it is whole, under a lock of the file system: a kill leaves nothing half, and of two processes one makes it
and the other waits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlci import process
from mlci.errors import Interrupted, WorldError
from mlci.files import try_lock
from mlci.gate.suites.protocol import Job

_TIMEOUT = 3600.0
"""Seconds for uv to download and install."""
_OUT_OF_MEMORY = "exit code 137"
_BENT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER", "UV_PYTHON")
"""Variables of the project's environment that must not bend this one."""


def cache() -> Path:
    """The folder for environments of suites: in `$XDG_CACHE_HOME`, or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path("~/.cache").expanduser()
    return base / "mlci" / "suites"


def ready(name: str, lock: Path, *, python: str, log: Path, say: Callable[[str], None], stop: threading.Event) -> Path:
    """The Python of the environment of a lock; made by uv if it is not there.

    `python` says which versions will do, as in `>=3.11,<3.13`. Raises WorldError when there is none of them, when a
    package cannot be had, or the cache cannot be written; Interrupted when `stop` is set.
    """
    key = hashlib.sha256(python.encode() + lock.read_bytes()).hexdigest()[:16]
    place = cache() / f"{name}-{key}"
    found = place / "bin" / "python"
    if found.exists():
        return found
    try:
        with _held(place.with_suffix(".lock"), say, stop) as held:
            if not found.exists():  # else another process has made it meanwhile
                say(f"making the environment of {name} (once, about 700 MB)")
                _make(place, lock, python, process_lock=held, log=log, stop=stop)
    except OSError as error:
        raise WorldError(
            f"cannot make the environment of {name} in {place.parent}: {error.strerror or error}",
            help="make room there, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    return found


def request(job: Job, page: Path, *, predictions: bool, skip: list[str]) -> dict[str, Any]:
    """What a suite's program is asked for: the tables as files, which columns mean what, and where its page goes."""
    columns = {name: getattr(job.columns, name) for name in ("id", "label", "score", "prediction")}
    return {
        "suite": job.argument,
        "task": "regression" if job.task == "forecasting" else job.task,
        "holdout": str(job.holdout.table),
        "predictions": str(job.holdout.predictions) if predictions else None,
        "train": str(job.train.table) if job.train else None,
        "train_predictions": str(job.train.predictions) if job.train and predictions else None,
        **columns,
        "skip": skip,
        "html": str(page),
    }


def run(job: Job, name: str, lock: Path, python: str, program: Path, request: dict[str, Any]) -> Any:
    """Run a suite's program in the environment of its lock; gives the JSON that it wrote to `results` of the request.

    Raises WorldError when the environment cannot be made, and when the program fails, hangs or is killed.
    """
    found = ready(name, lock, python=python, log=job.log, say=job.say, stop=job.stop)
    asked, results = job.folder / "request.json", job.folder / "results.json"
    asked.write_text(json.dumps({**request, "results": str(results)}), encoding="utf-8")
    env = {name: value for name, value in job.env.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env |= {"MPLCONFIGDIR": str(job.folder), "TQDM_DISABLE": "1"}
    command = process.Command(
        [str(found), "-I", str(program), str(asked)], job.folder, env, job.options.timeout, job.lock
    )
    try:
        process.run(command, log=job.log, say=job.say, stop=job.stop)
    except WorldError as error:
        less = "it was killed, most often for want of memory: set a smaller `sample`"
        raise WorldError(error.message, help=less if _OUT_OF_MEMORY in error.message else error.help) from error
    return json.loads(results.read_bytes())


def _make(place: Path, lock: Path, python: str, *, process_lock: int, log: Path, stop: threading.Event) -> None:
    for left in place.parent.glob(f"{place.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)  # of one that was killed: its lock is ours now
    new = Path(tempfile.mkdtemp(prefix=f"{place.name}.new-", dir=place.parent))
    try:
        _uv(
            ["venv", "--python", python, "--no-project", str(new / "env")],
            new,
            process_lock,
            log,
            stop,
            _no_python(python),
        )
        install = ["pip", "install", "--python", str(new / "env" / "bin" / "python"), "--requirement", str(lock)]
        install += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-progress"]
        _uv(install, new, process_lock, log, stop, _NOT_HAD)
        if place.exists():  # its Python is gone from the machine
            place.replace(new / "old")
        (new / "env").replace(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


_NOT_HAD = (
    "its packages cannot be installed",
    "uv takes them from the index that it is set to (UV_DEFAULT_INDEX, UV_INDEX, or its config file)",
)


def _no_python(python: str) -> tuple[str, str]:
    what = f"it needs a Python {python}, and there is none here that works"
    return what, "install one (`uv python install 3.11`), or take the suite out of `gate.suites`"


def _uv(arguments: list[str], cwd: Path, lock: int, log: Path, stop: threading.Event, wrong: tuple[str, str]) -> None:
    """Run uv, away from the project: its settings are for its own packages."""
    from uv import find_uv_bin

    said: list[str] = []
    env = {name: value for name, value in os.environ.items() if name not in _BENT}
    command = process.Command([find_uv_bin(), *arguments, "--color", "never"], cwd, env, _TIMEOUT, lock)
    try:
        process.run(command, log=log, say=said.append, stop=stop)
    except WorldError as error:
        last = "\n".join(line for line in said if not line.startswith("warning"))[-2000:] or error.message
        raise WorldError(f"{wrong[0]}:\n{last}", help=wrong[1]) from error


@contextmanager
def _held(file: Path, say: Callable[[str], None], stop: threading.Event) -> Iterator[int]:
    """Hold a lock for which other processes may wait; gives its file descriptor."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        said = False
        while not try_lock(handle):
            if not said:
                say("waiting for another process that makes the environment")
                said = True
            if stop.wait(0.1):
                raise Interrupted("stopped while waiting for an environment")
        yield handle
    finally:
        os.close(handle)
