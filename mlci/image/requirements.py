"""The layer of installed requirements: the same bytes for the same lock, Python version and platform.

uv installs the wheels of the lock into an empty folder. What differs between two installations of the same wheels is
left out: bytecode, scripts (their first line names an interpreter), and the installer's own notes.

A lock has to be complete: each line names one version, and nothing is installed that it does not name. uv resolves
the dependencies as usual, so a lock that contradicts itself fails there, and hashes are checked where it has them.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from mlci import process
from mlci.errors import ConfigError, Problem, WorldError
from mlci.image.layers import Entry, tar_chunks
from mlci.image.platforms import wheels_for
from mlci.image.tree import files_of
from mlci.store import LAYER_TAR, Descriptor, NotFound, Store, canonical, put_artifact, read_layers, sha256

FOLDER = "deps"
REQUIREMENTS = "application/vnd.mlci.requirements.v1"
_TIMEOUT = 3600.0
"""Seconds for uv to download and install."""
_NOTES = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PINNED = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\[[^\]]*\])?\s*(?:===?\s*[^\s*,;]+|@\s*https?://\S+#sha256=\S+)(?:\s*;.*)?"
)
_HELP = "make a complete lock of it: uv pip compile requirements.in -o requirements.lock"


def requirements_layer(
    store: Store,
    lock: Path,
    *,
    python: str,
    platform: str,
    log: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Descriptor:
    """The layer for a lock file. It is a plain tar, so its digest is its diff id.

    `python` is `3.11`, `platform` `linux/amd64`. Raises ConfigError for a line that pins nothing, WorldError with
    uv's last lines when uv fails or when a dependency is missing from the lock, Interrupted when `stop` is set.
    """
    names = _names(lock)
    wheels = wheels_for(platform)
    key = canonical({"lock": sha256(lock.read_bytes()), "python": python, "wheels": wheels})
    tag = "requirements-" + sha256(key).removeprefix("sha256:")
    try:
        layer = read_layers(store.get_manifest(tag))[0]
        if store.has_blob(layer.digest):
            return layer
    except NotFound:
        pass  # the first time
    with tempfile.TemporaryDirectory(prefix="mlci-requirements-", ignore_cleanup_errors=True) as work:
        folder = Path(work) / FOLDER
        folder.mkdir()
        _install(lock, folder, python, wheels, log, stop or threading.Event())
        _require_complete(lock, names, folder)
        digest, size = store.put_blob(tar_chunks(list(_entries(folder))))
    layer = Descriptor(LAYER_TAR, digest, size)
    put_artifact(store, REQUIREMENTS, [layer], tag=tag)
    return layer


def _names(lock: Path) -> set[str]:
    """The packages that a lock names."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WorldError(f"cannot read the requirements {lock}: {error}") from error
    names, problems, number = set(), [], 0
    while number < len(lines):
        first, text = number + 1, ""
        while number < len(lines):
            text += re.sub(r"(^|\s)#.*$", "", lines[number]).strip()
            number += 1
            if not text.endswith("\\"):
                break
            text = text[:-1]
        text = re.sub(r"\s*--hash[=\s]\S+", "", text).strip()
        if match := _PINNED.fullmatch(text):
            names.add(_normal(match["name"]))
        elif text and (not text.startswith("-") or re.match(r"-[rce]|--(requirement|constraint|editable)", text)):
            problems.append(Problem(lock, first, 1, f"{text!r} does not name one version", _HELP, width=len(text)))
    if problems:
        raise ConfigError(problems)
    return names


def _install(
    lock: Path, folder: Path, python: str, wheels: str, log: Callable[[str], None], stop: threading.Event
) -> None:
    from uv import find_uv_bin

    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        log(line)

    argv = [
        *(find_uv_bin(), "pip", "install", "--target", str(folder), "--requirement", str(lock.resolve())),
        *("--python", sys.executable, "--python-version", python, "--python-platform", wheels),
        *("--only-binary", ":all:", "--link-mode", "hardlink", "--no-progress", "--color", "never"),
    ]
    env = {**os.environ, "UV_COMPILE_BYTECODE": "0"}
    command = process.Command(argv, lock.resolve().parent, env, _TIMEOUT)
    try:
        process.run(command, log=folder.parent / "log", say=say, stop=stop)
    except WorldError as error:
        last = "\n".join(said[-12:]) or error.message
        raise WorldError(
            f"cannot install {lock}:\n{last}",
            help=f"each line needs a wheel for Python {python} on {wheels}; {_HELP}",
        ) from error


def _require_complete(lock: Path, names: set[str], folder: Path) -> None:
    installed = {_normal(path.stem.rpartition("-")[0]) for path in folder.glob("*.dist-info")}
    if missing := sorted(installed - names):
        raise WorldError(f"{lock} is not complete: what it names needs {', '.join(missing)}", help=_HELP)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _entries(folder: Path) -> Iterator[Entry]:
    """The files of the layer; each RECORD lists the ones that are there, sorted."""
    files = {file.path: file for file in (files_of(folder) if any(folder.iterdir()) else ()) if _kept(file.path)}
    for path, file in files.items():
        source: Path | bytes = file.source
        if path.endswith(".dist-info/RECORD"):
            source = _record(file.source, set(files))
        yield Entry(f"{FOLDER}/{path}", source, file.executable)


def _kept(path: str) -> bool:
    pure = PurePosixPath(path)
    return not (
        pure.parts[0] in ("bin", ".lock")
        or "__pycache__" in pure.parts
        or (pure.parent.suffix == ".dist-info" and pure.name in _NOTES)
    )


def _record(file: Path, kept: set[str]) -> bytes:
    """The list of installed files (PEP 376) without those that were left out, sorted."""
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = zip(lines, csv.reader(lines), strict=True)
    return "".join(sorted(f"{line}\n" for line, row in rows if row and row[0] in kept)).encode()
