"""How a blob gets into a repository: in one piece, or in parts that are gone on with after a cut (distribution spec,
"Pushing a blob").

Where the digest is known the bytes can be read again, from any place. Where it is not they come once, so a window of
them is kept in memory until the registry has it; what goes through is hashed on the way, and closed with that digest.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from mlci.errors import WorldError
from mlci.store.digest import chunks_of, sha256
from mlci.store.errors import CorruptBlob, Cut
from mlci.store.registry.client import Answer, Client, Scopes
from mlci.store.registry.dialects import Dialect
from mlci.store.registry.guard import follow

ReadFrom = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""The bytes of a blob from this one on; called again after a cut."""
_MOST_WINDOW = 64 << 20
_PIECE = 1 << 18


@dataclass(frozen=True)
class Uploads:
    """Uploads into one repository. `path` is `/v2/REPOSITORY/blobs/uploads/`."""

    client: Client
    path: str
    scopes: Scopes
    dialect: Dialect

    def known(self, digest: str, size: int, read: ReadFrom) -> None:
        """Send a blob whose digest and size are known, with as many tries as the client's patience has.

        Raises CorruptBlob when `read` gives something else, WorldError when the registry does not take it.
        """
        for attempt in itertools.count():
            url = self.begin()[0]
            try:
                if self.dialect.part and size > self.dialect.part:
                    self._finish(self._parts(url, size, read, self.dialect.part), digest)
                else:
                    with read(0) as chunks:
                        self._whole(url, digest, size, chunks)
                return
            except Cut as error:
                self.cancel(url)
                if not self.client.pause(attempt, error.wait):
                    raise
            except BaseException:
                self.cancel(url)
                raise

    def stream(self, chunks: Iterator[bytes], expected: str | None, has: Callable[[str], bool]) -> tuple[str, int]:
        """Send a blob that can be read once; returns (digest, size). A small one is sent only if it is not there."""
        window = self.dialect.window
        pieces = _Pieces(chunks)
        if window is None:
            with tempfile.TemporaryFile() as spool:
                return self._spooled(spool, pieces, expected, has)
        first = b"".join(pieces.take(window))
        if pieces.ended:
            digest = _matching(sha256(first), len(first), expected)
            if not has(digest):
                self.known(digest, len(first), lambda offset: nullcontext(iter([first[offset:]])))
            return digest, len(first)
        return self._windows(first, pieces, window, expected)

    def begin(self, query: str = "") -> tuple[str, Answer]:
        """Open a session; returns where to send to, and the answer."""
        answer = self.client.ask("POST", self.path + query, self.scopes, ok=(201, 202), headers={"Content-Length": "0"})
        return ("" if answer.status == 201 else self._location(answer)), answer

    def cancel(self, url: str) -> None:
        """Close a session that is of no use any more, as far as that is possible."""
        with suppress(WorldError):
            if url:
                self.client.ask("DELETE", url, self.scopes, ok=(200, 202, 204, 404), again=False)

    def _whole(self, url: str, digest: str, size: int, chunks: Iterator[bytes]) -> None:
        pieces = _Pieces(chunks)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        answer = self.client.send("PUT", _with(url, digest), self.scopes, pieces.exactly(size), headers, (201,))
        _agree(answer, digest)

    def _parts(self, url: str, size: int, read: ReadFrom, part: int) -> str:
        """Send all parts, from where the registry says it is after a cut; raises Cut when the session is gone."""
        offset, attempt = 0, 0
        while offset < size:
            with read(offset) as chunks:
                pieces = _Pieces(chunks)
                try:
                    while offset < size:
                        count = min(part, size - offset)
                        url, offset = self._patch(
                            url, offset, count, pieces.exactly(count, last=offset + count == size)
                        )
                except Cut as error:
                    if not self.client.pause(attempt, error.wait):
                        raise
                    attempt += 1
                    url, offset = self._where(url)
        return url

    def _windows(self, block: bytes, pieces: _Pieces, window: int, expected: str | None) -> tuple[str, int]:
        """Parts of a blob that comes once: each is kept until the registry has it."""
        found, size = hashlib.sha256(), 0
        url, answer = self.begin()
        with suppress(ValueError):
            window = max(window, int(answer.headers.get("OCI-Chunk-Min-Length", "0")))
        if window > _MOST_WINDOW:
            self.cancel(url)
            raise WorldError(f"{self.client.registry.host} takes only parts of {window:,} bytes or more")
        try:
            block += b"".join(pieces.take(window - len(block)))
            while block:
                found.update(block)
                url = self._window(url, size, block)
                size += len(block)
                block = b"".join(pieces.take(window))
            digest = _matching("sha256:" + found.hexdigest(), size, expected)
            self._finish(url, digest)
        except BaseException:
            self.cancel(url)
            raise
        return digest, size

    def _window(self, url: str, start: int, block: bytes) -> str:
        offset, attempt = start, 0
        while offset < start + len(block):
            rest = memoryview(block)[offset - start :]
            try:
                url, offset = self._patch(url, offset, len(rest), _cut(rest))
            except Cut as error:
                if not self.client.pause(attempt, error.wait):
                    raise
                attempt += 1
                url, offset = self._where(url)
                if not start <= offset <= start + len(block):
                    raise Cut("the registry has lost a part of an upload", help="run it once more") from error
        return url

    def _patch(self, url: str, offset: int, count: int, chunks: Iterator[bytes]) -> tuple[str, int]:
        """Send bytes `offset` to `offset + count`; returns where to send the next ones, and from which on."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(count),
            "Content-Range": f"{offset}-{offset + count - 1}",
        }
        answer = self.client.send("PATCH", url, self.scopes, chunks, headers, (202, 204, 416))
        if answer.status == 416:  # it is somewhere else than we are
            raise Cut(f"{self.client.registry.host} expects another part of an upload")
        received = _received(answer)
        return self._location(answer, url), offset + count if received is None else received

    def _where(self, url: str) -> tuple[str, int]:
        """Ask how far a session is; raises Cut when it is gone."""
        answer = self.client.ask("GET", url, self.scopes, ok=(202, 204, 400, 404, 416))
        received = _received(answer)
        if answer.status not in (202, 204) or received is None:
            raise Cut(f"{self.client.registry.host} has given up an upload", help="run it once more")
        return self._location(answer, url), received

    def _finish(self, url: str, digest: str) -> None:
        headers = {"Content-Length": "0", "Content-Type": "application/octet-stream"}
        answer = self.client.ask("PUT", _with(url, digest), self.scopes, ok=(201,), headers=headers)
        _agree(answer, digest)

    def _spooled(
        self, spool: BinaryIO, pieces: _Pieces, expected: str | None, has: Callable[[str], bool]
    ) -> tuple[str, int]:
        found, size = hashlib.sha256(), 0
        for piece in pieces.take(None):
            found.update(piece)
            size += spool.write(piece)
        digest = _matching("sha256:" + found.hexdigest(), size, expected)

        def read(offset: int) -> AbstractContextManager[Iterator[bytes]]:
            spool.seek(offset)
            return nullcontext(chunks_of(spool))

        if not has(digest):
            self.known(digest, size, read)
        return digest, size

    def _location(self, answer: Answer, before: str = "") -> str:
        target = answer.headers.get("Location") or before
        if not target:
            raise WorldError(f"{self.client.registry.host} opens an upload and does not say where")
        return follow(self.client.registry, answer.url, target, "the place for an upload")


class _Pieces:
    """A stream of chunks, taken in amounts of one's own."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.ended = False

    def take(self, count: int | None) -> Iterator[bytes | memoryview]:
        """The next `count` bytes, or all; fewer at the end."""
        while count is None or count > 0:
            if not self._rest and not self._more():
                return
            piece = self._rest[: min(_PIECE, count if count is not None else _PIECE)]
            self._rest = self._rest[len(piece) :]
            count = None if count is None else count - len(piece)
            yield piece
        self.ended = not self._rest and not self._more()

    def exactly(self, count: int, *, last: bool = True) -> Iterator[bytes]:
        """The next `count` bytes; raises CorruptBlob when there are fewer or, at the `last`, more."""
        left = count
        for piece in self.take(count):
            left -= len(piece)
            yield piece  # type: ignore[misc]  # urllib3 sends any buffer
        if left or (last and not self.ended):
            raise CorruptBlob(f"a blob does not have the {'bytes' if left else 'size'} that its descriptor says")

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._rest = memoryview(chunk)
                return True
        self.ended = True
        return False


def _cut(block: memoryview) -> Iterator[bytes]:
    for start in range(0, len(block), _PIECE):
        yield block[start : start + _PIECE]  # type: ignore[misc]


def _with(url: str, digest: str) -> str:
    """The session's URL with the digest; what it has in its query stays as it is."""
    return f"{url}{'&' if '?' in url else '?'}digest={quote(digest, safe='')}"


def _received(answer: Answer) -> int | None:
    """How many bytes a session has: `Range: 0-99` is 100. (distribution 2 says `0-0` for none and for one.)"""
    found = re.fullmatch(r"(?:bytes=)?0-(-?\d{1,18})", answer.headers.get("Range", ""))
    return None if not found else int(found[1]) + 1 if int(found[1]) > 0 else 0


def _matching(digest: str, size: int, expected: str | None) -> str:
    if expected not in (None, digest):
        raise CorruptBlob(f"expected {expected}, got {size:,} bytes of {digest}", help="try again")
    return digest


def _agree(answer: Answer, digest: str) -> None:
    """Raise CorruptBlob when the registry names what it took otherwise."""
    said = answer.headers.get("Docker-Content-Digest", digest)
    if said != digest:
        raise CorruptBlob(f"the registry was given {digest} and says that it has {said}", help="try again")
