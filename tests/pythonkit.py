"""An image with the Python that runs the tests, made without a registry: what a container of it needs and no more."""

from __future__ import annotations

import io
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlci.image import host_platform
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, FolderStore, canonical

_NOT = {"__pycache__", "site-packages", "test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo"}
_NOT |= {"pydoc_data", "distutils", "unittest", "multiprocessing", "sqlite3", "dbm", "curses", "xml", "wsgiref"}


def python_layer(store: FolderStore) -> Descriptor:
    """The interpreter, its libraries and its modules at the places that they have here; `python` is on PATH."""
    program = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    modules = Path(sysconfig.get_path("stdlib"))
    native = [str(program), *map(str, modules.glob("lib-dynload/*.so"))]
    said = subprocess.run(["ldd", *native], capture_output=True, text=True, check=True).stdout
    libraries = {Path(found) for found in re.findall(r"(/\S+) \(0x", said)}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for path in [program, *sorted(libraries)]:
            _add(archive, path.resolve(), str(path))
        for path in sorted(modules.rglob("*")):
            name = path.relative_to(modules)
            if path.is_file() and not _NOT & set(name.parts) and not name.parts[0].startswith("config-"):
                _add(archive, path.resolve(), str(modules / name))
        link = tarfile.TarInfo("usr/bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, str(program)
        archive.addfile(link)
    return Descriptor(LAYER_TAR, *store.put_blob(iter([raw.getvalue()])))


def files_layer(store: FolderStore, files: Mapping[str, bytes]) -> Descriptor:
    """A layer of these files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return Descriptor(LAYER_TAR, *store.put_blob(iter([raw.getvalue()])))


def image_of(store: FolderStore, layers: Sequence[Descriptor], config: dict[str, Any], tag: str | None = None) -> str:
    """The digest of an image of these layers."""
    system, architecture = host_platform().split("/")
    whole = {
        "os": system,
        "architecture": architecture,
        "config": {**config, "Env": ["PATH=/usr/bin", *_version(), *config.get("Env", [])]},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    pointer = Descriptor(CONFIG, *store.put_blob(iter([canonical(whole)])))
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": pointer.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return store.put_manifest(canonical(document), MANIFEST, tag=tag).digest


def _version() -> list[str]:
    return [f"PYTHON_VERSION={platform.python_version()}"]


def _add(archive: tarfile.TarFile, source: Path, name: str) -> None:
    info = tarfile.TarInfo(name.lstrip("/"))
    info.size, info.mode = source.stat().st_size, 0o755 if os.access(source, os.X_OK) else 0o644
    with source.open("rb") as content:
        archive.addfile(info, content)
