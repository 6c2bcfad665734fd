"""From one store to another: a manifest with all that it is made of and all that refers to it, bytes unchanged."""

from __future__ import annotations

from mlci.errors import WorldError
from mlci.store.digest import chunks_of
from mlci.store.index import children, parse_manifest
from mlci.store.protocol import Descriptor, Manifest, Store


def copy(source: Store, target: Store, reference: str, *, tag: str | None = None, referrers: bool = True) -> Descriptor:
    """Copy what a tag or digest leads to, only what is missing, children first, the tag last; then look at the result.

    A second time changes nothing. `tag` is the name in the target; without one the copy is reachable by its digest
    alone. With `referrers`, what refers to any copied manifest comes along, and what refers to that.
    Raises NotFound, CorruptBlob, and WorldError when the target does not have afterwards what it was given.
    """
    root = source.get_manifest(reference)
    copied: dict[str, Manifest] = {}
    _copy(source, target, root, copied, referrers)
    if tag is not None:
        target.put_manifest(root.raw, root.media_type, tag=tag)
    _check(target, root, copied, tag)
    return root.descriptor


def _copy(source: Store, target: Store, manifest: Manifest, copied: dict[str, Manifest], referrers: bool) -> None:
    if manifest.digest in copied:
        return
    copied[manifest.digest] = manifest
    manifests, blobs = children(parse_manifest(manifest.raw, manifest.media_type))
    for child in manifests:
        _copy(source, target, source.get_manifest(child.digest), copied, referrers)
    for blob in blobs:
        if not target.has_blob(blob.digest):
            with source.open_blob(blob.digest) as stream:
                target.put_blob(chunks_of(stream), expected=blob.digest)
    target.put_manifest(manifest.raw, manifest.media_type)
    if referrers:
        for referrer in source.referrers(manifest.digest):
            _copy(source, target, source.get_manifest(referrer.digest), copied, referrers)


def _check(target: Store, root: Manifest, copied: dict[str, Manifest], tag: str | None) -> None:
    for manifest in copied.values():
        blobs = children(parse_manifest(manifest.raw))[1]
        gone = [blob.digest for blob in blobs if not target.has_blob(blob.digest)]
        if gone or target.get_manifest(manifest.digest).raw != manifest.raw:
            raise WorldError(
                f"after copying, the target does not have {(gone or [manifest.digest])[0]}", help="copy once more"
            )
    if tag is not None and target.resolve(tag) != root.digest:
        raise WorldError(f"after copying, {tag} is {target.resolve(tag)}", help="somebody else set it at the same time")
