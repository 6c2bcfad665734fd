"""An artifact: a manifest that holds blobs of any kind (image spec 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlci.store.index import canonical, parse_manifest
from mlci.store.protocol import EMPTY, MANIFEST, Descriptor, Manifest, Store


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
    digest, size = store.put_blob(iter([b"{}"]))
    empty = Descriptor(EMPTY, digest, size)
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
    return store.put_manifest(canonical(document), MANIFEST, tag=tag)


def read_layers(manifest: Manifest) -> list[Descriptor]:
    """The blobs that an artifact holds, in order."""
    layers = parse_manifest(manifest.raw).get("layers", ())
    return [Descriptor.from_json(layer) for layer in layers if layer["mediaType"] != EMPTY]
