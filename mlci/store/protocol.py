"""What a store is: blobs, manifests, tags and referrers, addressed by content (OCI image and distribution spec 1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True)
class Descriptor:
    """A typed pointer to content: media type, digest (`sha256:<64 hex>`), size in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The descriptor as it stands in a manifest."""
        out: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            out["artifactType"] = self.artifact_type
        if self.annotations:
            out["annotations"] = dict(sorted(self.annotations.items()))
        return out

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Descriptor:
        """Read a descriptor; unknown keys are left out. Raises KeyError and TypeError when it is none."""
        kinds = {"mediaType": str, "digest": str, "size": int, "artifactType": str, "annotations": dict}
        for name, kind in kinds.items():
            if name in raw and not isinstance(raw[name], kind):
                raise TypeError(name)
        return cls(raw["mediaType"], raw["digest"], raw["size"], raw.get("artifactType"), raw.get("annotations", {}))


@dataclass(frozen=True)
class Manifest:
    """A manifest's raw bytes, never re-serialised, and what they are."""

    raw: bytes
    media_type: str
    digest: str

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


class Store(Protocol):
    """Content-addressed storage: a folder or a registry. References are tags or digests."""

    def has_blob(self, digest: str) -> bool:
        """Whether the blob is there."""
        ...

    def open_blob(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """A stream of the blob; the last read raises `CorruptBlob` when the bytes are not the digest's."""
        ...

    def put_blob(self, chunks: Iterator[bytes], *, expected: str | None = None) -> tuple[str, int]:
        """Write a blob in constant memory; returns (digest, size). Nothing is kept when `expected` differs."""
        ...

    def get_manifest(self, reference: str) -> Manifest:
        """The manifest by tag or digest, checked; raises `NotFound` or `CorruptBlob`."""
        ...

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        """Write a manifest as it is, list it among its subject's referrers, and tag it if asked to."""
        ...

    def resolve(self, tag: str) -> str | None:
        """The digest behind a tag, or None."""
        ...

    def tags(self, prefix: str = "") -> list[str]:
        """All tags that start so, sorted."""
        ...

    def untag(self, tag: str) -> None:
        """Remove a tag; the manifest stays."""
        ...

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        """The manifests whose subject is this digest, oldest first."""
        ...
