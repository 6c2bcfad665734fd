"""An image's files on disk, for a driver that runs it without a container.

An image may come from anywhere, so nothing in it is trusted: every byte is checked against its digest, every entry is
judged before it is written, all is bounded, and the folder appears only when the last layer is whole (image spec 1.1,
layer.md, "Applying Changesets").
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlci.errors import WorldError
from mlci.image import zstd
from mlci.image.base import config_of, for_platform, layers_of_base
from mlci.image.extract import Tree, UnsafeLayer
from mlci.image.platforms import host_platform
from mlci.store import CorruptBlob, Descriptor, FolderStore, Store, read_layers
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
_Entry = tuple[tarfile.TarInfo, tarfile.TarFile]


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
    config = config_of(store, manifest)
    layers = read_layers(manifest)
    diff_ids = (config["rootfs"] or {}).get("diff_ids") or []
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


def run_config(store: Store, digest: str, platform: str) -> dict[str, Any]:
    """How an image is run (`Cmd`, `Env`, `WorkingDir`, …) on a platform; raises WorldError for what is no image."""
    return config_of(store, for_platform(store, digest, platform)).get("config") or {}


def apply(store: Store, layer: Descriptor, diff_id: str, tree: Tree, most: int) -> int:
    """Unpack one layer of at most `most` bytes over the ones before; returns its uncompressed size in bytes."""
    tree.next_layer()
    with entries(store, layer, most) as (found, meter):
        for member, archive in found:
            tree.apply(member, archive)
    if meter.digest() != diff_id:
        raise CorruptBlob(f"the layer {layer.digest} unpacks to {meter.digest()}, the image says {diff_id}")
    return meter.total


@contextmanager
def entries(store: Store, layer: Descriptor, most: int) -> Iterator[tuple[Iterator[_Entry], Meter]]:
    """What is in a layer of at most `most` bytes, in constant memory, and how much that is at the end.

    At the end of the `with` the rest is read, so that the layer is the one of its digest. Raises UnsafeLayer and
    CorruptBlob.
    """
    broken: tuple[type[Exception], ...] = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
    broken += (RecursionError,)  # tarfile goes one deeper for each header that follows a header
    broken += zstd.errors() if layer.media_type == ZSTD else ()
    with _uncompressed(store, layer) as stream:
        meter = Meter(stream, most)
        meter.allow(_MOST_HEADER)
        try:
            with tarfile.open(fileobj=cast("BinaryIO", meter), mode="r|", bufsize=_BUFFER) as archive:
                yield _members(archive, meter), meter
            meter.allow(most)
            while meter.read(_BUFFER):
                pass  # to the end, where the digest is checked
        except broken as error:
            raise UnsafeLayer(f"the layer {layer.digest} is not a whole tar archive: {error}") from error


def _members(archive: tarfile.TarFile, meter: Meter) -> Iterator[_Entry]:
    while True:
        meter.allow(_MOST_HEADER)
        member = archive.next()
        if member is None:
            return
        archive.members.clear()  # type: ignore[attr-defined]  # a million of them are half a gigabyte
        if member.size < 0:
            raise UnsafeLayer(f"{member.name!r} has a size of {member.size}")
        meter.allow(member.size)
        yield member, archive
        if member.isreg() and archive.fileobj:  # what nobody has read of it is passed here: it is no header
            archive.fileobj.seek(member.offset_data + member.size)


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


class Meter:
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
