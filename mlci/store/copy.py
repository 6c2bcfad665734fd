"""From one store to another: everything that a manifest names, children first, the tag last, nothing twice."""

from __future__ import annotations

import json

from mlci.store.digests import read_chunks
from mlci.store.errors import CorruptBlob
from mlci.store.protocol import Descriptor, Store


def copy(source: Store, target: Store, reference: str, *, tag: str | None = None, referrers: bool = True) -> Descriptor:
    """Copy a manifest with all its parts, and the evidence that refers to it, byte for byte.

    Only what is missing moves. After a kill, a second call goes on where the first one stopped.
    """
    copied = _copy(source, target, source.get_manifest(reference).digest, referrers=referrers)
    if tag is not None:
        manifest = target.get_manifest(copied.digest)
        target.put_manifest(manifest.raw, manifest.media_type, tag=tag)
        if target.resolve(tag) != copied.digest:
            raise CorruptBlob(f"the tag {tag} is on {target.resolve(tag)}, not on {copied.digest}")
    return copied


def _copy(source: Store, target: Store, digest: str, *, referrers: bool) -> Descriptor:
    manifest = source.get_manifest(digest)
    parsed = json.loads(manifest.raw)
    for child in parsed.get("manifests", []):
        _copy(source, target, child["digest"], referrers=referrers)
    blobs = [*parsed.get("layers", []), *([parsed["config"]] if "config" in parsed else [])]
    for blob in blobs:
        if not target.has_blob(blob["digest"]):
            with source.open_blob(blob["digest"]) as stream:
                target.put_blob(read_chunks(stream), expected=blob["digest"])
    written = target.put_manifest(manifest.raw, manifest.media_type)
    if written.digest != digest:
        raise CorruptBlob(f"{digest} became {written.digest} on the way")
    if referrers:
        for referrer in source.referrers(digest):
            _copy(source, target, referrer.digest, referrers=True)
    return written
