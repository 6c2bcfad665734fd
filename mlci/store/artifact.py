"""An artifact: a manifest that holds blobs of any kind (image spec 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlci.store.closure import each
from mlci.store.copy import put_manifests
from mlci.store.crew import crew
from mlci.store.digest import is_digest, sha256
from mlci.store.index import canonical, parse_manifest
from mlci.store.protocol import EMPTY, MANIFEST, Descriptor, Manifest, Store

_EMPTY = b"{}"
_AT_ONCE = 8
BLOB, SIZE = "dev.mlci.blob", "dev.mlci.size"
"""Annotations of a document that is attached: the digest and the size of its blob. Whoever has the list of referrers
can read it without its manifest; the list is believed for no more, since the blob has to be the digest's."""


@dataclass(frozen=True)
class Document:
    """What is said of a manifest: bytes of a media type, which is the artifact's type too."""

    media_type: str
    raw: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)


def put_artifact(
    store: Store,
    artifact_type: str,
    layers: Sequence[Descriptor],
    *,
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
    tag: str | None = None,
) -> Descriptor:
    """Write a manifest over blobs that are in the store; equal arguments give equal bytes.

    Without layers it holds the empty one, as the spec advises. Raises NotFound when a blob is missing.
    """
    put_blobs(store, [])
    return store.put_manifest(artifact(artifact_type, layers, subject, annotations), MANIFEST, tag=tag)


def attach(store: Store, documents: Sequence[Document], subject: Descriptor) -> int:
    """Make each document a referrer of a manifest, unless it is listed as one already; returns how many were not.

    Where nothing is new that is one look at the list. A list that a registry leaves to us is written once for all.
    """
    there = {found.digest for found in store.referrers(subject.digest)}
    made = {sha256(raw): (raw, one) for one in documents if (raw := _attached(one, subject))}
    new = {digest: both for digest, both in made.items() if digest not in there}
    if new:
        put_blobs(store, [one.raw for _, one in new.values()])
        manifests = [Manifest(raw, MANIFEST, digest) for digest, (raw, _) in new.items()]
        with crew(min(len(new), _AT_ONCE)) as hands:
            for listing in put_manifests(store, manifests, hands):
                listing()
    return len(new)


def put_blobs(store: Store, raws: Sequence[bytes]) -> list[tuple[str, int]]:
    """Write blobs, at once to a registry, and the empty one that every artifact has; their digests and sizes."""
    return each(store, lambda raw: store.put_blob(iter([raw])), [*raws, _EMPTY])[:-1]


def _attached(document: Document, subject: Descriptor) -> bytes:
    layer = Descriptor(document.media_type, sha256(document.raw), len(document.raw))
    where = {BLOB: layer.digest, SIZE: str(layer.size)}
    return artifact(document.media_type, [layer], subject, {**document.annotations, **where})


def artifact(
    artifact_type: str,
    layers: Sequence[Descriptor],
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """The manifest of an artifact; equal arguments give equal bytes."""
    empty = Descriptor(EMPTY, sha256(_EMPTY), len(_EMPTY))
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": empty.to_json(),
        "layers": [layer.to_json() for layer in layers or [empty]],
    }
    if subject:
        document["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    if annotations:
        document["annotations"] = dict(annotations)
    return canonical(document)


def blob_of(listed: Descriptor) -> Descriptor | None:
    """The blob of a referrer by what its entry in the list says; None when that does not say it."""
    digest, size = listed.annotations.get(BLOB), listed.annotations.get(SIZE)
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, str) or not size.isdecimal():
        return None
    return Descriptor(listed.artifact_type or "", digest, int(size[:12]))


def read_layers(manifest: Manifest) -> list[Descriptor]:
    """The blobs that an artifact holds, in order."""
    layers = parse_manifest(manifest.raw).get("layers", ())
    return [Descriptor.from_json(layer) for layer in layers if layer["mediaType"] != EMPTY]
