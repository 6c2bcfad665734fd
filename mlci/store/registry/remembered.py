"""A repository as one command uses it: what can never change is kept in a folder, the rest is asked once in a moment.

A manifest by digest and the small blobs of what is no image are the same for ever, so they are read once, ever.
Tags and lists of referrers are believed for a few seconds, and not across a write of one's own: a command that finds
nothing to do asks for each of them once.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from mlci.errors import WorldError
from mlci.store.artifact import blob_of
from mlci.store.digest import is_digest, sha256
from mlci.store.errors import CorruptBlob
from mlci.store.index import children, parse_manifest, subject_of
from mlci.store.layout import FolderStore
from mlci.store.protocol import Descriptor, Manifest
from mlci.store.registry.reference import Reference
from mlci.store.registry.store import RegistryStore

if TYPE_CHECKING:
    from mlci.store.crew import Crew

MOMENT_S = 3.0
SMALL_BYTES = 1 << 20
T = TypeVar("T")


class Remembered(RegistryStore):
    """One repository; `home` is the folder in which it is remembered, `near` a store whose blobs need no asking."""

    def __init__(self, reference: Reference | str, home: Path, near: FolderStore) -> None:
        super().__init__(reference)
        self._near = near
        self._kept = FolderStore(home / sha256(self.name.encode()).removeprefix("sha256:")[:16])
        self._small: set[str] = set()
        self._heard: dict[tuple[str, ...], tuple[float, Any]] = {}
        self._writes = 0

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        if self._near.has_blob(digest):
            return self._near.open_blob(digest)
        with suppress(WorldError), self._kept.open_blob(digest) as stream:
            return io.BytesIO(stream.read())
        if digest not in self._small:
            return super().open_blob(digest)
        with super().open_blob(digest) as stream:
            raw = stream.read(SMALL_BYTES + 1)
        if len(raw) > SMALL_BYTES:  # not read to its end, so nobody has looked at its digest
            raise CorruptBlob(f"{self.name} gives more bytes as {digest} than its manifest says", help="push it again")
        self._keep(raw, digest)
        return io.BytesIO(raw)

    def get_manifest(self, reference: str) -> Manifest:
        """As the protocol says; one by digest may have been removed from the registry since, which `resolve` tells."""
        found = self._known_manifest(reference) if is_digest(reference) else super().get_manifest(reference)
        document = parse_manifest(found.raw, found.media_type)
        if "artifactType" in document or subject_of(document):
            self._small |= {blob.digest for blob in children(document)[1] if 0 <= blob.size <= SMALL_BYTES}
        return found

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        self._forget()
        try:
            target = super().put_manifest(raw, media_type, tag=tag)
        finally:
            self._forget()
        self._keep(raw, target.digest)
        return target

    def put_manifests(self, manifests: Sequence[Manifest], hands: Crew) -> list[Callable[[], None]]:
        self._forget()
        try:
            return super().put_manifests(manifests, hands)
        finally:
            self._forget()

    def list_referrers(self, subject: str, entries: Sequence[Descriptor]) -> None:
        self._forget()
        try:
            super().list_referrers(subject, entries)
        finally:
            self._forget()

    def untag(self, tag: str) -> None:
        self._forget()
        try:
            super().untag(tag)
        finally:
            self._forget()

    def resolve(self, tag: str) -> str | None:
        names = self._known(("tags",))
        if names is not None and not is_digest(tag) and tag not in names:
            return None
        return self._asked(("resolve", tag), partial(super().resolve, tag))

    def tags(self, prefix: str = "") -> list[str]:
        return [tag for tag in self._asked(("tags",), super().tags) if tag.startswith(prefix)]

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        listed = self._asked(("referrers", digest), partial(super().referrers, digest))
        self._small |= {blob.digest for one in listed if (blob := blob_of(one)) and blob.size <= SMALL_BYTES}
        return [found for found in listed if artifact_type in (None, found.artifact_type)]

    def _known_manifest(self, digest: str) -> Manifest:
        with suppress(WorldError):
            return self._kept.get_manifest(digest)
        found = super().get_manifest(digest)
        self._keep(found.raw, found.digest)
        return found

    def _asked(self, question: tuple[str, ...], ask: Callable[[], T]) -> T:
        known = self._heard.get(question)
        if known and time.monotonic() - known[0] < MOMENT_S:
            return cast("T", known[1])
        writes, answer = self._writes, ask()
        if writes == self._writes:  # else it may be of before the write
            self._heard[question] = (time.monotonic(), answer)
        return answer

    def _known(self, question: tuple[str, ...]) -> Any:
        at, answer = self._heard.get(question, (0.0, None))
        return answer if time.monotonic() - at < MOMENT_S else None

    def _forget(self) -> None:
        self._writes += 1
        self._heard.clear()

    def _keep(self, raw: bytes, digest: str) -> None:
        """A folder that cannot be written only costs asking again."""
        with suppress(WorldError, OSError):
            self._kept.put_blob(iter([raw]), expected=digest)
