"""The layer of installed requirements: the same bytes for the same lock, Python version and platform.

uv installs the wheels of the lock into an empty folder. What differs between two installations of the same wheels is
left out: bytecode, scripts (their first line names an interpreter), and the installer's own notes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mlci.errors import WorldError
from mlci.image.layers import Entry, folder_entries, tar_chunks
from mlci.store import LAYER_TAR, Descriptor, NotFound, Store, put_artifact, read_layers

FOLDER = "deps"
_NOTES = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def requirements_layer(store: Store, lock: Path, *, log: Callable[[str], None]) -> tuple[Descriptor, bool]:
    """The layer for a lock file, and whether it was there already. Raises WorldError when uv cannot install it.

    The lock has to be complete: dependencies that it does not name are not installed (`uv pip compile` makes one).
    """
    tag = _tag(lock)
    try:
        layer = read_layers(store.get_manifest(tag))[0]
        if store.has_blob(layer.digest):
            return layer, True
    except NotFound:
        log(f"installing {lock.name}")
    with tempfile.TemporaryDirectory(prefix="mlci-requirements-") as folder:
        _install(lock, Path(folder))
        digest, size = store.put_blob(tar_chunks(_entries(Path(folder))))
    layer = Descriptor(LAYER_TAR, digest, size)
    put_artifact(store, "application/vnd.mlci.requirements.v1", [layer], tag=tag)
    return layer, False


def _tag(lock: Path) -> str:
    what = [lock.read_text(), platform.system(), platform.machine(), sys.implementation.name, *sys.version_info[:2]]
    return "requirements-" + hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _install(lock: Path, folder: Path) -> None:
    from uv import find_uv_bin

    command = [
        *(find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable),
        *("--target", str(folder), "--no-deps", "--only-binary", ":all:", "--requirement", str(lock)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-12:])
        raise WorldError(
            f"cannot install {lock}:\n{last}",
            help="each line names one version that has a wheel for this Python; `uv pip compile` writes such a file",
        )


def _entries(folder: Path) -> Iterator[Entry]:
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for entry in folder_entries(folder, FOLDER):
        path = Path(entry.path)
        if path.suffix == ".pyc" or path.name == ".lock":
            continue
        if path.parent.name.endswith(".dist-info"):
            if path.name in _NOTES:
                continue
            if path.name == "RECORD" and isinstance(entry.source, Path):
                yield Entry(entry.path, _record(entry.source))
                continue
        yield entry


def _record(file: Path) -> bytes:
    """The list of installed files (PEP 376) without what was left out, sorted."""
    kept = (
        line
        for line in file.read_text().splitlines()
        if not line.startswith(("bin/", "../")) and not line.partition(",")[0].endswith((".pyc", *_NOTES))
    )
    return ("\n".join(sorted(kept)) + "\n").encode()
