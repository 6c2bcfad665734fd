"""An image's files on disk, for a driver that runs it without a container.

Every entry of every layer is judged before anything is written: paths that leave the folder, links out of it, devices
and archives without a bound are refused. Bytes are checked against their digests while they are read.
"""

from __future__ import annotations

import json
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.errors import WorldError
from mlci.store import Descriptor, Store, read_layers

MAX_ENTRIES = 500_000
MAX_BYTES = 64 << 30
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MODES = {"application/vnd.oci.image.layer.v1.tar": "r|", "application/vnd.oci.image.layer.v1.tar+gzip": "r|gz"}


@dataclass(frozen=True)
class Unpacked:
    """Where the files are, and the image's config (`Cmd`, `Env`, `WorkingDir`, …)."""

    root: Path
    config: dict[str, Any]


class UnsafeLayer(WorldError):
    """A layer that would write where it must not."""


def unpack(store: Store, digest: str, dest: Path) -> Unpacked:
    """Unpack under `dest`, which must be named by the digest: when it is there, it is whole."""
    manifest = store.get_manifest(digest)
    config = _config(store, json.loads(manifest.raw)["config"]["digest"])
    if not dest.is_dir():
        layers = read_layers(manifest)
        for layer in layers:
            _judge(store, layer)
        dest.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=dest.parent, prefix=".tmp-"))
        try:
            for layer in layers:
                _apply(store, layer, beside)
            beside.chmod(0o755)
            if not dest.is_dir():
                beside.rename(dest)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return Unpacked(dest, config)


def _config(store: Store, digest: str) -> dict[str, Any]:
    with store.open_blob(digest) as stream:
        found: dict[str, Any] = json.loads(stream.read())["config"]
    return found


@contextmanager
def _archive(store: Store, layer: Descriptor) -> Iterator[tarfile.TarFile]:
    mode = _MODES.get(layer.media_type)
    if mode is None:
        raise UnsafeLayer(f"a layer of type {layer.media_type} cannot be unpacked")
    with store.open_blob(layer.digest) as stream:
        try:
            with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
                yield archive
            while stream.read(1 << 20):  # to the end, where the digest is checked
                pass
        except tarfile.TarError as error:
            raise UnsafeLayer(f"the layer {layer.digest} is no tar archive: {error}") from error


def _judge(store: Store, layer: Descriptor) -> None:
    """Refuse a layer that has anything unsafe in it."""
    entries = size = 0
    with _archive(store, layer) as archive:
        for member in archive:
            entries += 1
            size += member.size
            if entries > MAX_ENTRIES or size > MAX_BYTES:
                raise UnsafeLayer(
                    f"the layer {layer.digest} unpacks to more than {MAX_ENTRIES} files or {MAX_BYTES} bytes"
                )
            problem = _problem(member)
            if problem:
                raise UnsafeLayer(f"the layer {layer.digest} has an unsafe entry {member.name!r}: {problem}")


def _problem(member: tarfile.TarInfo) -> str | None:
    if _leaves(member.name):
        return "it leads out of the image"
    if member.issym() and _leaves(posixpath.join(posixpath.dirname(member.name), member.linkname)):
        return f"it links to {member.linkname!r}, out of the image"
    if member.islnk() and _leaves(member.linkname):
        return f"it links to {member.linkname!r}, out of the image"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return "it is a device or a pipe"
    return None


def _leaves(name: str) -> bool:
    return name.startswith("/") or posixpath.normpath(name).split("/")[0] == ".."


def _apply(store: Store, layer: Descriptor, root: Path) -> None:
    with _archive(store, layer) as archive:
        for member in archive:
            target = root / member.name
            if target.name == _OPAQUE:
                _remove(target.parent)
                target.parent.mkdir(parents=True)
            elif target.name.startswith(_WHITEOUT):
                _remove(target.with_name(target.name.removeprefix(_WHITEOUT)))
            else:
                _write(archive, member, target, root)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> None:
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise UnsafeLayer(f"{member.name!r} would be written through a link, out of the image")
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
        return
    _remove(target)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.hardlink_to(root / member.linkname)
    else:
        source = archive.extractfile(member)
        assert source is not None
        with source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
