"""A store that is a repository of a registry (OCI distribution spec 1.1).

Manifests are kept as the bytes that they are, and hashed: what is read is what was asked for, or an error. All that
goes wrong on the wire is in `client`, how blobs are sent in `upload`, how registries differ in `dialects`.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from mlci.errors import UsageError, WorldError
from mlci.store.digest import is_digest, sha256
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.index import MOST_BYTES, as_referrer, check_tag, parse_manifest, subject_of
from mlci.store.protocol import INDEX, MANIFEST, Descriptor, Manifest
from mlci.store.registry.client import Answer, Client, Patience
from mlci.store.registry.dialects import dialect_of
from mlci.store.registry.reference import Reference, parse_reference
from mlci.store.registry.referrers import Referrers, pages
from mlci.store.registry.upload import ReadFrom, Uploads

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from mlci.store.crew import Crew

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
TYPES = (INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
_UNSEEN = re.compile(rb"BLOB_UNKNOWN|DIGEST_INVALID")
_MOST_LOOKS = 4
_ACCEPT = {"Accept": ", ".join(TYPES)}


class RegistryStore:
    """Implements `Store` on one repository; used by many threads."""

    def __init__(self, reference: Reference | str, *, patience: Patience | None = None) -> None:
        self.reference = parse_reference(reference) if isinstance(reference, str) else reference
        self.registry = self.reference.registry
        self.repository = self.reference.repository
        self.name = self.reference.name
        self._client = Client(self.reference, patience or Patience())
        self._path = f"/v2/{self.repository}"
        self._pull = (f"repository:{self.repository}:pull",)
        self._push = (f"repository:{self.repository}:pull,push",)
        self._uploads = Uploads(
            self._client, f"{self._path}/blobs/uploads/", self._push, dialect_of(self.registry.host)
        )
        self._referrers = Referrers(self._client, self._path, self.get_manifest, self._put)

    def has_blob(self, digest: str) -> bool:
        return self._client.ask("HEAD", self._blob(digest), self._pull, ok=(200, 404)).status == 200

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """As the protocol says; after a cut the rest is asked for. Raises NotFound at once."""
        from mlci.store.registry.reading import BLOCK, BlobReader

        path = self._blob(digest)

        def open_at(offset: int) -> BaseHTTPResponse:
            headers = {"Range": f"bytes={offset}-"} if offset else {}
            return self._client.open(path, self._pull, headers, (200, 206) if offset else (200,))

        reader = BlobReader(open_at, digest, f"{self.name}@{digest}", self._client.patience)
        return io.BufferedReader(reader, BLOCK)

    def put_blob(self, chunks: Iterator[bytes], *, expected: str | None = None) -> tuple[str, int]:
        return self._uploads.stream(chunks, expected, self.has_blob)

    def upload(self, digest: str, size: int, read: ReadFrom) -> None:
        """Send a blob whose digest is known and that can be read again: faster, and whole after a cut.

        `read(offset)` gives its bytes from there on. Raises CorruptBlob when they are others, and WorldError.
        """
        self._uploads.known(digest, size, read)

    def mount(self, digest: str, from_repository: str) -> bool:
        """Take a blob from another repository of this registry without moving it; False when it does not do that."""
        if not self._uploads.dialect.mounts or from_repository == self.repository:
            return False
        scopes = (*self._push, f"repository:{from_repository}:pull")
        query = f"?mount={quote(digest, safe='')}&from={quote(from_repository, safe='')}"
        mounting = Uploads(self._client, self._uploads.path, scopes, self._uploads.dialect)
        try:
            url, answer = mounting.begin(query)
        except WorldError:
            return False
        if answer.status == 202:
            mounting.cancel(url)
        return answer.status == 201

    def get_manifest(self, reference: str) -> Manifest:
        path = self._manifest(reference)
        answer = self._client.ask("GET", path, self._pull, headers=_ACCEPT, most=MOST_BYTES)
        digest = sha256(answer.body)
        promised = reference if is_digest(reference) else answer.headers.get("Docker-Content-Digest", digest)
        if digest != promised:
            raise CorruptBlob(
                f"{self.registry.host} gives the manifest {digest} as {self._shown(reference)}, which is {promised}",
                help="ask again; if it stays so, do not trust that registry",
            )
        given = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        try:
            document = parse_manifest(answer.body, given if given in TYPES else None)
        except WorldError as error:
            raise CorruptBlob(f"{self._shown(reference)}: {error.message}", help="push it again") from error
        return Manifest(answer.body, document["mediaType"], digest)

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        """As the protocol says; what it is made of must be there."""
        target, subject, entry = self._written(raw, media_type, tag)
        if subject:
            self._referrers.add(subject, (entry,))
        return target

    def put_manifests(self, manifests: Sequence[Manifest], hands: Crew) -> list[Callable[[], None]]:
        """Write manifests that do not need each other; gives what is left to do: each list of referrers that the
        registry leaves to us is to be written, once for all of them.
        """
        unlisted: dict[str, list[Descriptor]] = {}
        for _, subject, entry in hands.each(lambda one: self._written(one.raw, one.media_type, None), manifests):
            if subject:
                unlisted.setdefault(subject, []).append(entry)
        return [partial(self.list_referrers, subject, entries) for subject, entries in unlisted.items()]

    def list_referrers(self, subject: str, entries: Sequence[Descriptor]) -> None:
        """Write the entries into the list of what refers to a manifest; raises WorldError when they do not stay."""
        self._referrers.add(subject, entries)

    def _written(self, raw: bytes, media_type: str, tag: str | None) -> tuple[Descriptor, str | None, Descriptor]:
        """Write one; gives what it is, and the subject whose list the registry leaves to us, with its entry there."""
        document = parse_manifest(raw, media_type)
        if tag is not None:
            check_tag(tag)
        target = Descriptor(media_type, sha256(raw), len(raw))
        answer = self._put(raw, media_type, tag or target.digest)
        subject = subject_of(document)
        listed = subject is not None and answer.headers.get("OCI-Subject") == subject
        return target, None if listed else subject, as_referrer(document, target)

    def resolve(self, tag: str) -> str | None:
        try:
            answer = self._client.ask("HEAD", self._manifest(tag), self._pull, ok=(200, 404), headers=_ACCEPT)
            said = answer.headers.get("Docker-Content-Digest", "")
            if answer.status == 404 or is_digest(said):
                return said or None
            return self.get_manifest(tag).digest
        except NotFound:
            return None

    def tags(self, prefix: str = "") -> list[str]:
        found: set[str] = set()
        for answer in pages(self._client, f"{self._path}/tags/list?n=1000", self._pull, ok=(200, 404)):
            try:
                named = (json.loads(answer.body)["tags"] or []) if answer.status == 200 else []
                found |= {tag for tag in named if tag.startswith(prefix)}
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise WorldError(f"{self.registry.host} gives a list of tags of {self.name} that is none") from None
        return sorted(found)

    def untag(self, tag: str) -> None:
        """As the protocol says; raises UsageError where the registry cannot remove a tag alone."""
        scopes = (f"repository:{self.repository}:pull,push,delete",)
        answer = self._client.ask("DELETE", self._manifest(tag), scopes, ok=(200, 202, 204, 400, 404, 405, 501))
        if answer.status in (400, 405, 501):
            raise UsageError(
                f"{self.registry.host} cannot remove the tag {tag!r} of {self.name} alone",
                help="remove it in the registry's own interface",
            )

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        listed = self._referrers.listed(digest, self._pull)
        return [found for found in listed if artifact_type in (None, found.artifact_type)]

    def _put(self, raw: bytes, media_type: str, reference: str) -> Answer:
        """Write a manifest; raises NotFound when what it is made of is not there.

        While somebody else writes the same part, a registry on a disk may not see it for a moment, so that is asked for
        a few times.
        """
        patience = self._client.patience
        for attempt in range(patience.tries):
            answer = self._client.ask(
                "PUT",
                self._manifest(reference),
                self._push,
                ok=(200, 201, 400),
                headers={"Content-Type": media_type},
                body=raw,
            )
            if answer.status != 400:
                break
            if not _UNSEEN.search(answer.body) or attempt + 1 == min(patience.tries, _MOST_LOOKS):
                self._client.fail("PUT", answer, absent=_UNSEEN.search(answer.body) is not None)
            time.sleep(patience.wait(attempt))
        digest = sha256(raw)
        said = answer.headers.get("Docker-Content-Digest", digest)
        if said != digest:
            raise CorruptBlob(
                f"{self.registry.host} was given {digest} as {self._shown(reference)} and says that it has {said}",
                help="do not use what is there: that registry changes what it is given",
            )
        return answer

    def _blob(self, digest: str) -> str:
        if not is_digest(digest):
            raise NotFound(f"{digest!r} is not a digest", help="a digest is `sha256:` and 64 of 0-9 and a-f")
        return f"{self._path}/blobs/{digest}"

    def _manifest(self, reference: str) -> str:
        if not is_digest(reference) and not re.fullmatch(r"\w[\w.-]{0,127}", reference, re.ASCII):
            raise NotFound(f"there is no {reference!r} in {self.name}: it is neither a tag nor a digest")
        return f"{self._path}/manifests/{reference}"

    def _shown(self, reference: str) -> str:
        return f"{self.name}{'@' if is_digest(reference) else ':'}{reference}"
