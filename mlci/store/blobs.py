"""Content-addressed files: written beside, synced and moved into place; checked against their digest when read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mlci.store.digests import digest_of, hex_of
from mlci.store.errors import CorruptBlob, NotFound

_STALE = 3600.0
"""Seconds after which a temporary file belongs to a writer that was killed."""


class Blobs:
    """The folder `blobs/sha256` of an image layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self.folder / hex_of(digest)

    def put(self, chunks: Iterator[bytes], expected: str | None = None) -> tuple[str, int]:
        """Write a blob in constant memory; a blob that is there already is not written again."""
        found, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".tmp-")
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                for chunk in chunks:
                    found.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
                digest = f"sha256:{found.hexdigest()}"
                if expected not in (None, digest):
                    raise CorruptBlob(f"writing a blob: expected {expected}, the bytes are {digest}")
                if not self.path(digest).is_file():
                    out.flush()
                    os.fsync(out.fileno())
                    beside.chmod(0o444)
                    beside.replace(self.path(digest))
                    sync_folder(self.folder)
        finally:
            beside.unlink(missing_ok=True)
        return digest, size

    def read(self, digest: str) -> bytes:
        """A small blob, checked."""
        try:
            raw = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no {digest} in the store {self.folder.parents[1]}") from error
        if digest_of(raw) != digest:
            raise _corrupt(digest, self.path(digest))
        return raw

    @contextlib.contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """A stream that is checked when its end is read."""
        try:
            stream = self.path(digest).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"there is no {digest} in the store {self.folder.parents[1]}") from error
        with stream:
            yield cast("BinaryIO", io.BufferedReader(_Checked(stream, digest, self.path(digest)), 1 << 16))

    def sweep(self) -> None:
        """Remove what killed writers left."""
        for path in self.folder.glob(".tmp-*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()


class _Checked(io.RawIOBase):
    """Hashes what passes through; the end of the stream raises CorruptBlob when the digest is another."""

    def __init__(self, stream: BinaryIO, digest: str, path: Path) -> None:
        self._stream, self._digest, self._path = stream, digest, path
        self._found = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._found.update(chunk)
        if not chunk and f"sha256:{self._found.hexdigest()}" != self._digest:
            raise _corrupt(self._digest, self._path)
        return len(chunk)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _corrupt(digest: str, path: Path) -> CorruptBlob:
    return CorruptBlob(f"{path} does not have the bytes of {digest}", help="delete that file and run again")
