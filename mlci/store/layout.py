"""A store that is a folder: an OCI image layout (image spec 1.1, image-layout.md), which skopeo and others read.

Blobs and manifests are files named by their digest and never change. All that changes is `index.json`, which holds
the tags: it is replaced under one lock, so many processes may write at once, and a reader needs no lock. A process
may be killed anywhere: what it had not finished is a file in `.tmp`, which a later one removes. A blob may be in a
registry still, from where it comes when it is read: see `elsewhere`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from mlci.errors import WorldError
from mlci.store import atomic
from mlci.store.crew import crew
from mlci.store.digest import CheckedReader, Hashing, is_digest
from mlci.store.elsewhere import Elsewhere
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.index import (
    MOST_BYTES,
    Tags,
    as_referrer,
    check_tag,
    children,
    parse_manifest,
    referrers_index,
    referrers_tag,
    subject_of,
)
from mlci.store.protocol import Descriptor, Manifest
from mlci.store.verify import problems

_WORKERS = 8
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class FolderStore:
    """Implements `Store` on a folder, which is made when something is first written to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index_file = root / "index.json"
        self._blobs = root / "blobs" / "sha256"
        self._temporary = root / ".tmp"
        self._elsewhere = Elsewhere(root)
        self._ready = False
        self._seen = (b"", Tags())

    def has_blob(self, digest: str) -> bool:
        """As the protocol says; what is elsewhere can be had, so it is there."""
        return self._path(digest).is_file() or self._elsewhere.has(digest)

    def is_elsewhere(self, blobs: Iterable[Descriptor], repository: str) -> None:
        """Note where blobs are that are not here (`HOST/NAME` of a registry): each is fetched when it is read."""
        self._prepare()
        with atomic.writing(self.root):
            self._elsewhere.note([blob for blob in blobs if not self._path(blob.digest).is_file()], repository)

    def elsewhere(self, digest: str) -> str | None:
        """The repository (`HOST/NAME`) that has a blob which is not here."""
        return None if self._path(digest).is_file() else self._elsewhere.of(digest)

    def bring(self, blobs: Sequence[Descriptor]) -> None:
        """Fetch what is elsewhere of these, several at a time; raises as `open_blob`."""

        def fetch(blob: Descriptor) -> None:
            with self.open_blob(blob.digest):
                pass

        missing = [blob for blob in blobs if not self._path(blob.digest).is_file()]
        if missing:
            with crew(_WORKERS) as hands:
                hands.each(fetch, missing)

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """As the protocol says; raises NotFound at once, and WorldError when it is elsewhere and cannot be had."""
        path = self._path(digest)
        try:
            if not path.is_file():
                self._elsewhere.fetch(digest, lambda chunks: self.put_blob(chunks, expected=digest))
            return io.BufferedReader(CheckedReader(path, digest), 1 << 16)
        except FileNotFoundError:
            raise NotFound(f"{digest} is not in the store at {self.root}") from None
        except OSError as error:
            raise WorldError(f"cannot read {path}: {error.strerror}") from error

    def put_blob(self, chunks: Iterator[bytes], *, expected: str | None = None) -> tuple[str, int]:
        self._prepare()
        size = 0
        with atomic.writing(self.root), atomic.temporary(self._temporary) as out, Hashing() as found:
            for chunk in chunks:
                found.update(chunk)
                size += out.write(chunk)
            digest = found.digest()
            if expected not in (None, digest):
                raise CorruptBlob(f"expected {expected}, got {size:,} bytes of {digest}", help="try again")
            path = self._path(digest)
            if not (path.is_file() and path.stat().st_size == size):
                atomic.keep(out, path, 0o444)
        return digest, size

    def get_manifest(self, reference: str) -> Manifest:
        if is_digest(reference):
            digest, media_type = reference, None
        else:
            entry = self._tags().named.get(reference)
            if entry is None:
                raise NotFound(f"there is no {reference!r} in the store at {self.root}")
            digest, media_type = entry["digest"], entry.get("mediaType")
        with self.open_blob(digest) as stream:
            if self._path(digest).stat().st_size > MOST_BYTES:
                raise NotFound(f"{digest} is not a manifest")
            raw = stream.read()
        try:
            return Manifest(raw, parse_manifest(raw, media_type)["mediaType"], digest)
        except WorldError as error:
            raise NotFound(f"{reference}: {error.message}") from error

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        """As the protocol says; raises NotFound when what the manifest is made of is not there yet."""
        document = parse_manifest(raw, media_type)
        if tag is not None:
            check_tag(tag)
        manifests, blobs = children(document)
        for child in (*manifests, *blobs):
            if not self.has_blob(child.digest):
                raise NotFound(f"a manifest names {child.digest}, which is not in the store at {self.root}")
        digest, size = self.put_blob(iter([raw]))
        target = Descriptor(media_type, digest, size)
        subject = subject_of(document)
        if subject and all(known.digest != digest for known in self.referrers(subject)):
            self._edit(lambda tags: self._with_referrer(tags, subject, as_referrer(document, target)))
        if tag is not None and self.resolve(tag) != digest:
            self._edit(lambda tags: tags.with_tag(tag, target))
        return target

    def resolve(self, tag: str) -> str | None:
        entry = self._tags().named.get(tag)
        return entry["digest"] if entry else None

    def tags(self, prefix: str = "") -> list[str]:
        return sorted(tag for tag in self._tags().named if tag.startswith(prefix))

    def tagged(self) -> dict[str, str]:
        """Every tag with its digest, of one moment."""
        return {tag: str(entry["digest"]) for tag, entry in self._tags().named.items()}

    def untag(self, tag: str) -> None:
        if self.resolve(tag) is not None:
            self._edit(lambda tags: tags.without_tag(tag))

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        listed = self._listed(self._tags(), digest)
        return [found for found in listed if artifact_type in (None, found.artifact_type)]

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the store for what takes several writes, among those who ask for it; single writes go on beside."""
        self._prepare()
        return atomic.locked(self.root / ".turn")

    def verify(self) -> list[str]:
        """Hash everything again, but for what is elsewhere; each line says what is wrong.

        Raises CorruptBlob for `index.json` itself.
        """
        there = sorted(path.name for path in self._blobs.iterdir()) if self._blobs.is_dir() else []
        return list(problems(self, self._tags().entries, [f"sha256:{name}" for name in there]))

    def _path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise NotFound(f"{digest!r} is not a digest", help="a digest is `sha256:` and 64 of 0-9 and a-f")
        return self._blobs / digest.removeprefix("sha256:")

    def _prepare(self) -> None:
        """Make the folder if it is not there, once."""
        if self._ready:
            return
        with atomic.writing(self.root):
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._temporary.mkdir(exist_ok=True)
            atomic.sweep(self._temporary, "*", atomic.LEFTOVER_FILE)
            layout = self.root / "oci-layout"
            if not (layout.is_file() and self._index_file.is_file()):
                with atomic.locked(self.root / ".lock"):
                    self._replace(layout, _LAYOUT)
                    if not self._index_file.is_file():
                        self._replace(self._index_file, Tags().to_bytes())
        self._ready = True

    def _tags(self) -> Tags:
        """What `index.json` says now; parsed once a change, for reading it costs a fraction of parsing it."""
        seen = self._seen
        try:
            raw = self._index_file.read_bytes()
            tags = seen[1] if raw == seen[0] else Tags.parse(raw)
        except FileNotFoundError:
            return Tags()
        except OSError as error:
            raise WorldError(f"cannot read {self._index_file}: {error.strerror}") from error
        except ValueError as error:
            raise CorruptBlob(
                f"{self._index_file} cannot be read: {error}",
                help=f"put back a copy of it, or delete {self.root}: the next run makes its content anew",
            ) from error
        self._seen = (raw, tags)
        return tags

    def _edit(self, change: Callable[[Tags], Tags]) -> None:
        """Replace `index.json` by what `change` makes of it; what it names is on the disk before it."""
        self._prepare()
        with atomic.writing(self.root), atomic.locked(self.root / ".lock"):
            before = self._tags()
            after = change(before)
            if after != before:
                atomic.sync_folder(self._blobs)
                self._replace(self._index_file, after.to_bytes())

    def _replace(self, path: Path, content: bytes) -> None:
        with atomic.temporary(self._temporary) as out:
            out.write(content)
            atomic.keep(out, path, 0o644)
        atomic.sync_folder(self.root)

    def _listed(self, tags: Tags, digest: str) -> list[Descriptor]:
        entry = tags.named.get(referrers_tag(digest))
        if entry is None:
            return []
        return children(parse_manifest(self.get_manifest(entry["digest"]).raw))[0]

    def _with_referrer(self, tags: Tags, subject: str, referrer: Descriptor) -> Tags:
        known = self._listed(tags, subject)
        if any(entry.digest == referrer.digest for entry in known):
            return tags
        raw = referrers_index([*known, referrer])
        media_type = parse_manifest(raw)["mediaType"]
        digest, size = self.put_blob(iter([raw]))
        return tags.with_tag(referrers_tag(subject), Descriptor(media_type, digest, size))
