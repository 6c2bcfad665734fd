"""The folder store: an OCI image layout (image spec 1.1), readable by skopeo and others.

Tags are descriptors in `index.json` with the annotation `org.opencontainers.image.ref.name`. Referrers follow the tag
schema of the distribution spec: the tag `sha256-<hex>` names an index of the manifests whose subject is that digest.
Writers take a lock round each change of `index.json`; readers need none, because the file is replaced whole.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from mlci.errors import UsageError
from mlci.files import write_atomic
from mlci.store.blobs import Blobs
from mlci.store.digests import checked_tag, digest_of, hex_of, is_digest
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.protocol import INDEX, Descriptor, Manifest

REF_NAME = "org.opencontainers.image.ref.name"
T = TypeVar("T")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class FolderStore:
    """A store in a folder, made when it is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = Blobs(root / "blobs" / "sha256")
        self._read: tuple[tuple[int, int], dict[str, Descriptor]] | None = None
        self._blobs.folder.mkdir(parents=True, exist_ok=True)
        if not (root / "oci-layout").is_file():
            write_atomic(root / "oci-layout", _LAYOUT)
        if not (root / "index.json").is_file():
            with self._locked():
                if not (root / "index.json").is_file():
                    self._write_tags({})
        self._blobs.sweep()

    def has_blob(self, digest: str) -> bool:
        return self._blobs.path(digest).is_file()

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        return self._blobs.open(digest)

    def put_blob(self, chunks: Iterator[bytes], *, expected: str | None = None) -> tuple[str, int]:
        return self._blobs.put(chunks, expected)

    def get_manifest(self, reference: str) -> Manifest:
        digest = reference if is_digest(reference) else self.resolve(reference)
        if digest is None:
            raise NotFound(f"there is no tag {reference!r} in the store {self.root}")
        raw = self._blobs.read(digest)
        try:
            media_type = str(json.loads(raw)["mediaType"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{reference} is not a manifest") from error
        return Manifest(raw, media_type, digest)

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        parsed: dict[str, Any] = json.loads(raw)
        if not self.has_blob(digest := digest_of(raw)):
            self._blobs.put(iter([raw]), digest)
        stored = Descriptor(media_type, digest, len(raw))
        if subject := parsed.get("subject"):
            self._refer(stored, parsed, subject["digest"])
        if tag is not None and self.resolve(checked_tag(tag)) != digest:
            self._change(lambda tags: {**tags, tag: stored})
        return stored

    def resolve(self, tag: str) -> str | None:
        found = self._tags().get(tag)
        return found.digest if found else None

    def tags(self, prefix: str = "") -> list[str]:
        return sorted(tag for tag in self._tags() if tag.startswith(prefix))

    def untag(self, tag: str) -> None:
        self._change(lambda tags: {t: d for t, d in tags.items() if t != tag})

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        index = self.resolve(f"sha256-{hex_of(digest)}")
        if index is None:
            return []
        listed = map(Descriptor.from_json, json.loads(self._blobs.read(index))["manifests"])
        return [d for d in listed if artifact_type in (None, d.artifact_type)]

    def verify(self) -> list[str]:
        """Read everything that is there and say what is wrong; an empty list is a whole store."""
        problems = []
        for path in sorted(self._blobs.folder.iterdir()):
            if not path.name.startswith(".tmp-"):
                problems += self._problem(self._drain, f"sha256:{path.name}")
        for tag, descriptor in self._tags().items():
            problems += (f"tag {tag}: {problem}" for problem in self._problem(self._walk, descriptor))
        return problems

    def _problem(self, check: Callable[[T], None], what: T) -> list[str]:
        try:
            check(what)
        except (NotFound, CorruptBlob, UsageError) as error:
            return [error.message]
        return []

    def _drain(self, digest: str) -> None:
        with self.open_blob(digest) as stream:
            while stream.read(1 << 20):
                pass

    def _walk(self, descriptor: Descriptor) -> None:
        """Everything that a manifest names is there; a subject need not be (distribution spec)."""
        if not self.has_blob(descriptor.digest):
            raise NotFound(f"there is no {descriptor.digest}")
        if descriptor.media_type.endswith("+json") and "oci.image" in descriptor.media_type:
            parsed = json.loads(self._blobs.read(descriptor.digest))
            children = [*parsed.get("manifests", []), *parsed.get("layers", [])]
            children += [parsed["config"]] if "layers" in parsed else []
            for child in children:
                self._walk(Descriptor.from_json(child))

    def _refer(self, stored: Descriptor, parsed: dict[str, Any], subject: str) -> None:
        """List a manifest among its subject's referrers."""
        artifact_type = parsed.get("artifactType") or parsed.get("config", {}).get("mediaType")
        entry = Descriptor(
            stored.media_type, stored.digest, stored.size, artifact_type, parsed.get("annotations", {})
        ).to_json()
        tag = f"sha256-{hex_of(subject)}"

        def add(tags: dict[str, Descriptor]) -> dict[str, Descriptor]:
            listed = json.loads(self._blobs.read(tags[tag].digest))["manifests"] if tag in tags else []
            if entry in listed:
                return tags
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*listed, entry]}
            digest, size = self._blobs.put(iter([json.dumps(index, separators=(",", ":")).encode()]))
            return {**tags, tag: Descriptor(INDEX, digest, size)}

        if stored.digest not in {d.digest for d in self.referrers(subject)}:
            self._change(add)

    def _tags(self) -> dict[str, Descriptor]:
        """The tags, parsed once a change of the file."""
        file = self.root / "index.json"
        stat = file.stat()
        version = (stat.st_mtime_ns, stat.st_ino)
        if self._read is None or self._read[0] != version:
            try:
                entries = json.loads(file.read_bytes())["manifests"]
                tags = {e["annotations"][REF_NAME]: Descriptor.from_json(e) for e in entries if _named(e)}
            except (ValueError, KeyError, TypeError) as error:
                raise CorruptBlob(
                    f"{file} cannot be read: {error}", help="restore it, or delete .mlci to start over"
                ) from error
            self._read = (version, tags)
        return self._read[1]

    def _change(self, change: Callable[[dict[str, Descriptor]], dict[str, Descriptor]]) -> None:
        with self._locked():
            before = self._tags()
            after = change(before)
            if after != before:
                self._write_tags(after)

    def _write_tags(self, tags: dict[str, Descriptor]) -> None:
        entries = [
            Descriptor(d.media_type, d.digest, d.size, d.artifact_type, {REF_NAME: tag}).to_json()
            for tag, d in sorted(tags.items())
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        write_atomic(self.root / "index.json", json.dumps(index, indent=1).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _named(entry: dict[str, Any]) -> bool:
    return REF_NAME in entry.get("annotations", {})
