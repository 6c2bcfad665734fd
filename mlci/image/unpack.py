"""An image's files on disk, for a driver that runs it without a container.

An image may come from anywhere, so nothing in it is trusted: every byte is checked against its digest, every entry is
judged before it is written, all is bounded, and the folder appears only when the last layer is whole (image spec 1.1,
layer.md, "Applying Changesets").
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlci.errors import WorldError
from mlci.image import zstd
from mlci.image.base import for_platform, layers_of_base
from mlci.image.extract import Tree, UnsafeLayer
from mlci.image.platforms import host_platform
from mlci.store import CorruptBlob, Descriptor, FolderStore, Manifest, Store, read_layers
from mlci.store.atomic import fresh_folder, writing

MOST_ENTRIES = 1_000_000
MOST_BYTES = 256 << 30
_BUFFER = 1 << 18
_MOST_HEADER = 1 << 20
"""Bytes that one entry's headers may have: a pax header is read into memory whole."""
_GZIP = {
    "application/vnd.oci.image.layer.v1.tar": False,
    "application/vnd.oci.image.layer.v1.tar+gzip": True,
    "application/vnd.docker.image.rootfs.diff.tar": False,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": True,
}
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


@dataclass(frozen=True)
class Unpacked:
    """Where the files are, and the image's config (`Cmd`, `Env`, `WorkingDir`, …)."""

    root: Path
    config: dict[str, Any]


def unpack(
    store: Store,
    digest: str,
    dest: Path,
    *,
    base: bool = True,
    most_entries: int = MOST_ENTRIES,
    most_bytes: int = MOST_BYTES,
) -> Unpacked:
    """Unpack an image, for this machine's platform, to `dest`, which must be named by the digest: there, it is whole.

    Without `base`, the layers of the image that it was built on are left out, as far as mlci built it.
    Raises UnsafeLayer for entries that would write or point outside of `dest`, are devices or pipes, or are more than
    the bounds allow; CorruptBlob and NotFound. In each case there is no `dest` afterwards.
    """
    manifest = for_platform(store, digest, host_platform())
    config = _config(store, manifest)
    layers = read_layers(manifest)
    diff_ids = config.get("rootfs", {}).get("diff_ids", [])
    if len(layers) != len(diff_ids):
        raise WorldError(f"the image {manifest.digest} has {len(layers)} layers but {len(diff_ids)} diff ids")
    first = 0 if base else layers_of_base(manifest)
    if not dest.is_dir():
        if isinstance(store, FolderStore):
            store.bring(layers[first:])
        with fresh_folder(dest) as work, writing(work):
            tree = Tree(work.resolve(), most_entries)
            for layer, diff_id in list(zip(layers, diff_ids, strict=True))[first:]:
                most_bytes -= apply(store, layer, diff_id, tree, most_bytes)
    return Unpacked(dest, config.get("config") or {})


def _config(store: Store, manifest: Manifest) -> dict[str, Any]:
    pointer = json.loads(manifest.raw)["config"]
    try:
        with store.open_blob(pointer["digest"]) as stream:
            found = json.loads(stream.read(_MOST_HEADER * 4))
    except ValueError as error:
        raise WorldError(f"the config of the image {manifest.digest} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise WorldError(f"{manifest.digest} is not an image")
    return found


def apply(store: Store, layer: Descriptor, diff_id: str, tree: Tree, most: int) -> int:
    """Unpack one layer of at most `most` bytes over the ones before; returns its uncompressed size in bytes."""
    tree.next_layer()
    broken: tuple[type[Exception], ...] = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
    broken += zstd.errors() if layer.media_type == ZSTD else ()
    with _uncompressed(store, layer) as stream:
        meter = _Meter(stream, most)
        meter.allow(_MOST_HEADER)
        try:
            with tarfile.open(fileobj=cast("BinaryIO", meter), mode="r|", bufsize=_BUFFER) as archive:
                while True:
                    meter.allow(_MOST_HEADER)
                    member = archive.next()
                    if member is None:
                        break
                    archive.members.clear()  # type: ignore[attr-defined]  # a million of them are half a gigabyte
                    if member.size < 0:
                        raise UnsafeLayer(f"{member.name!r} has a size of {member.size}")
                    meter.allow(member.size)
                    tree.apply(member, archive)
            meter.allow(most)
            while meter.read(_BUFFER):
                pass  # to the end, where the digest is checked
        except broken as error:
            raise UnsafeLayer(f"the layer {layer.digest} is not a whole tar archive: {error}") from error
    if meter.digest() != diff_id:
        raise CorruptBlob(f"the layer {layer.digest} unpacks to {meter.digest()}, the image says {diff_id}")
    return meter.total


@contextmanager
def _uncompressed(store: Store, layer: Descriptor) -> Iterator[BinaryIO]:
    if layer.media_type not in (*_GZIP, ZSTD):
        raise UnsafeLayer(
            f"the layer {layer.digest} is of type {layer.media_type}, which cannot be unpacked",
            help="plain tar, gzip and zstd can",
        )
    with ExitStack() as stack:
        stream = stack.enter_context(store.open_blob(layer.digest))
        if layer.media_type == ZSTD:
            yield stack.enter_context(zstd.reader(stream))
        elif _GZIP[layer.media_type]:
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=stream)))
        else:
            yield stream


class _Meter:
    """A stream that is hashed and bounded as it is read."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._most = most
        self._limit = most
        self._found = hashlib.sha256()
        self.total = 0

    def allow(self, more: int) -> None:
        """Let `more` bytes pass from here on, within what is allowed in all."""
        self._limit = min(self._most, self.total + more + 2 * _BUFFER)

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._found.update(chunk)
        self.total += len(chunk)
        if self.total > self._limit:
            bound = "is larger than it may be" if self.total > self._most else "has an entry with an endless header"
            raise UnsafeLayer(f"a layer {bound} ({self.total:,} bytes read)")
        return chunk

    def digest(self) -> str:
        return "sha256:" + self._found.hexdigest()
