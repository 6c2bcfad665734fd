"""A blob as it comes over the wire: hashed on the way, gone on with after a cut, never whole if it is another.

The last block is held back until the end, so that whoever reads has all bytes only if they are the digest's.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlci.errors import WorldError
from mlci.store.errors import CorruptBlob, Cut
from mlci.store.registry.pools import cuts

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3 import BaseHTTPResponse

    from mlci.store.registry.client import Patience

BLOCK = 1 << 18
OpenAt = Callable[[int], "BaseHTTPResponse"]
"""A GET of the blob from this byte on: 206, or 200 from the beginning where the registry does not do ranges."""


class BlobReader(io.RawIOBase):
    """Implements what `Store.open_blob` promises over HTTP, in the memory of two blocks."""

    def __init__(self, open_at: OpenAt, digest: str, name: str, patience: Patience) -> None:
        self._open_at = open_at
        self._digest = digest
        self._name = name
        self._patience = patience
        self._response = open_at(0)
        self._found = hashlib.sha256()
        self._offset = 0
        self._skip = 0
        self._cuts = 0
        self._ready = memoryview(b"")
        self._held: bytes | None = self._block()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._ready and self._held is not None:
            following = self._block()
            if not following:
                self._check()
            self._ready, self._held = memoryview(self._held), following or None
        view = memoryview(buffer)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()

    def _block(self) -> bytes:
        """The next bytes, or none at the end; after a cut the rest is asked for."""
        while True:
            try:
                with cuts(self._name):
                    block = self._response.read(BLOCK)
            except Cut:
                self._cuts += 1
                if self._cuts >= self._patience.tries:
                    raise
                self._response.close()
                time.sleep(self._patience.wait(self._cuts))
                self._reopen()
                continue
            dropped = min(self._skip, len(block))
            self._skip -= dropped
            if dropped and dropped == len(block):
                continue
            block = block[dropped:]
            self._found.update(block)
            self._offset += len(block)
            return block

    def _reopen(self) -> None:
        self._response = self._open_at(self._offset)
        self._skip = 0
        if self._response.status == 200:
            self._skip = self._offset
        elif not self._response.headers.get("Content-Range", "").startswith(f"bytes {self._offset}-"):
            raise WorldError(f"{self._name} was asked for from byte {self._offset:,} on, and another part came")

    def _check(self) -> None:
        self._response.release_conn()
        if "sha256:" + self._found.hexdigest() != self._digest:
            raise CorruptBlob(
                f"the registry gives {self._offset:,} other bytes as {self._name}",
                help="it is damaged there: push again",
            )
