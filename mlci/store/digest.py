"""Digests: what they look like, and how bytes, files and streams get theirs, in constant memory.

Only SHA-256 is spoken, the one algorithm that every OCI implementation must have (image spec 1.1, descriptor.md).
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlci.errors import WorldError
from mlci.store.errors import CorruptBlob

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
"""Bytes that are in memory at a time."""
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")


def is_digest(reference: str) -> bool:
    """Whether this is a digest, letter for letter; only then may it become part of a path."""
    return _DIGEST.fullmatch(reference) is not None


def sha256(content: bytes) -> str:
    """`sha256:…` of bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_of(source: Path | Iterable[bytes]) -> tuple[str, int]:
    """`sha256:…` and the size in bytes of a file or of a stream of chunks."""
    found, size = hashlib.sha256(), 0
    for chunk in chunks_of(source) if isinstance(source, Path) else source:
        found.update(chunk)
        size += len(chunk)
    return "sha256:" + found.hexdigest(), size


def chunks_of(source: Path | BinaryIO) -> Iterator[bytes]:
    """The bytes of a file or an open stream, a MiB at a time; raises WorldError when a file cannot be read."""
    if not isinstance(source, Path):
        while chunk := source.read(CHUNK):
            yield chunk
        return
    try:
        with source.open("rb", buffering=0) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise WorldError(f"cannot read {source}: {error.strerror}") from error


class Hashing:
    """SHA-256 of chunks in a thread of its own, so that they can be written at the same time; few are in memory.

    Small content is hashed on the spot: a thread is started for what is larger than a chunk.
    """

    def __init__(self) -> None:
        self._found = hashlib.sha256()
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=4)
        self._thread: threading.Thread | None = None
        self._size = 0

    def __enter__(self) -> Hashing:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def update(self, chunk: bytes) -> None:
        """Hash the next bytes."""
        self._size += len(chunk)
        if self._thread is None and self._size > CHUNK:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        if self._thread is None:
            self._found.update(chunk)
        else:
            self._queue.put(chunk)

    def digest(self) -> str:
        """`sha256:…` of all of it."""
        self._end()
        return "sha256:" + self._found.hexdigest()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._found.update(chunk)

    def _end(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None


class CheckedReader(io.RawIOBase):
    """A file that is hashed as it is read: its last bytes are given out only if all of them are the digest's."""

    def __init__(self, path: Path, digest: str) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = os.fstat(self._file.fileno()).st_size
        self._digest = digest
        self._found = hashlib.sha256()
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = self._file.readinto(buffer) or 0
        self._found.update(memoryview(buffer)[:count])
        self._left -= count
        if self._left <= 0 or not count:
            self._check()
        return count

    def close(self) -> None:
        with suppress(AttributeError):  # it could not be opened, and is closed for all that
            self._file.close()
        super().close()

    def _check(self) -> None:
        if "sha256:" + self._found.hexdigest() != self._digest:
            raise CorruptBlob(
                f"the content of {self._path} is not that of {self._digest}",
                help="delete that file and run again: what is missing is made, or copied, anew",
            )
