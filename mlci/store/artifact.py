"""Artifacts: manifests that carry something else than an image (image spec 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

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
    """Write an artifact's manifest; equal arguments give equal bytes."""
    digest, size = store.put_blob(iter([b"{}"]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": Descriptor(EMPTY, digest, size).to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    if subject:
        manifest["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    if annotations:
        manifest["annotations"] = dict(sorted(annotations.items()))
    return store.put_manifest(json.dumps(manifest, separators=(",", ":")).encode(), MANIFEST, tag=tag)


def read_layers(manifest: Manifest) -> list[Descriptor]:
    """The layers of a manifest."""
    return [Descriptor.from_json(layer) for layer in json.loads(manifest.raw)["layers"]]
