"""Blobs that a folder names and does not have yet: where each of them is, until somebody reads it.

A note is a file named like the blob, with the registry's repository and the size in bytes in it. The blob is fetched
when it is first read, checked like any other, and stays. So a result can be known here, and built upon, without a byte
of a model that nobody opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.errors import WorldError
from mlci.store import atomic
from mlci.store.digest import chunks_of
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.protocol import Descriptor

if TYPE_CHECKING:
    from mlci.store.registry import RegistryStore

FOLDER = ".elsewhere"


class Elsewhere:
    """The notes of one store, which lies in `root`."""

    def __init__(self, root: Path) -> None:
        self._notes = root / FOLDER

    def has(self, digest: str) -> bool:
        """Whether there is a note of this blob."""
        return self._note(digest).is_file()

    def of(self, digest: str) -> str | None:
        """The repository that has this blob, by its note."""
        try:
            return str(json.loads(self._note(digest).read_bytes())[0])
        except (OSError, ValueError, LookupError):
            return None

    def note(self, blobs: Iterable[Descriptor], repository: str) -> None:
        """These blobs are in `repository` (`HOST/NAME`)."""
        self._notes.mkdir(parents=True, exist_ok=True)
        for blob in blobs:
            with atomic.temporary(self._notes) as out:
                out.write(json.dumps([repository, blob.size]).encode())
                atomic.keep(out, self._note(blob.digest), 0o644)
        atomic.sync_folder(self._notes)

    def fetch(self, digest: str, put: Callable[[Iterator[bytes]], object]) -> bool:
        """Give a noted blob's bytes to `put`, which checks them; False without a note of it. Raises WorldError."""
        try:
            repository, size = json.loads(self._note(digest).read_bytes())
        except FileNotFoundError:
            return False
        except ValueError:
            raise CorruptBlob(f"{self._note(digest)} cannot be read", help="delete it, and run with --force") from None
        try:
            with _store(repository).open_blob(digest) as stream:
                put(_bounded(chunks_of(stream), size, digest))
        except NotFound as error:  # not NotFound for the reader: what is named here and gone there is no empty answer
            message = f"{digest} was made elsewhere, and {repository} does not have it any more"
            raise WorldError(message, help="run the step that makes it with --force") from error
        except WorldError as error:
            message = f"{digest} is in {repository}, and cannot be fetched: {error.message}"
            raise WorldError(message, help=error.help or "try again, or make it here with --force") from error
        self._note(digest).unlink(missing_ok=True)
        return True

    def _note(self, digest: str) -> Path:
        return self._notes / digest.removeprefix("sha256:")


@lru_cache(maxsize=8)
def _store(repository: str) -> RegistryStore:
    """One for all blobs: it keeps its connections and its token."""
    from mlci.store.registry import RegistryStore

    return RegistryStore(repository)


def _bounded(chunks: Iterator[bytes], size: int, digest: str) -> Iterator[bytes]:
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise CorruptBlob(f"{digest} has more than the {size:,} bytes of its descriptor")
        yield chunk
