"""What the tests of the store share."""

from __future__ import annotations

import json

from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, Store, canonical


def blob(store: Store, content: bytes, media_type: str = LAYER_TAR) -> Descriptor:
    digest, size = store.put_blob(iter([content]))
    return Descriptor(media_type, digest, size)


def image(store: Store, name: str, *, tag: str | None = None, subject: Descriptor | None = None, **more) -> Descriptor:
    """A manifest whose content is a function of `name`."""
    config = blob(store, json.dumps({"architecture": "amd64", "os": "linux", "name": name}).encode(), CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": [blob(store, f"layer of {name}".encode()).to_json()],
        **more,
    }
    if subject:
        document["subject"] = subject.to_json()
    return store.put_manifest(canonical(document), MANIFEST, tag=tag)
