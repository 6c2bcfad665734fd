"""The SBOM of a shared image comes along with it: else each machine would download the image to say what is in it.

It is believed as the image's result is: where signatures count, only as somebody who is trusted has signed it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlci.evidence import signing
from mlci.evidence.signing.attach import PREDICATE
from mlci.image import sbom
from mlci.store import Descriptor, FolderStore, Store, canonical, put_artifact, read_layers
from mlci.store.index import children, parse_manifest, subject_of

_MOST = 32 << 20
_MOST_REFERRERS = 100
_TITLE = {"org.opencontainers.image.title": "sbom.cdx.json"}


def of(store: Store, image: str) -> list[Descriptor]:
    """The SBOMs of an image, and what is signed of them."""
    signed = [d for d in store.referrers(image, signing.BUNDLE) if d.annotations.get(PREDICATE) == sbom.PREDICATE_TYPE]
    return [*store.referrers(image, sbom.MEDIA_TYPE), *signed]


def take(store: FolderStore, remote: Store, image: str, trusted: signing.Trusted, *, unsigned: bool) -> None:
    """Attach to an image here what is known of it there; what may not be believed is left out.

    `unsigned`: one that nobody has signed will do where there is no other. Raises WorldError.
    """
    subject = store.get_manifest(image).descriptor
    for listed, raw in _read(remote, image, signing.BUNDLE) if trusted.signers else ():
        try:
            found = signing.verified(raw, image, trusted).statement
        except signing.Refused:
            continue
        if found.predicate_type == sbom.PREDICATE_TYPE:
            _attach(store, canonical(found.predicate), sbom.MEDIA_TYPE, subject, _TITLE)
            _attach(store, raw, signing.BUNDLE, subject, listed.annotations)
            return
    for listed, raw in _read(remote, image, sbom.MEDIA_TYPE) if unsigned else ():
        _attach(store, raw, sbom.MEDIA_TYPE, subject, listed.annotations)
        return


def _attach(store: Store, raw: bytes, kind: str, image: Descriptor, annotations: dict[str, str]) -> None:
    digest, size = store.put_blob(iter([raw]))
    put_artifact(store, kind, [Descriptor(kind, digest, size)], subject=image, annotations=annotations)


def _read(remote: Store, image: str, kind: str) -> Iterator[tuple[Descriptor, bytes]]:
    """What refers to an image there, of one kind, and says so itself."""
    for listed in of(remote, image)[:_MOST_REFERRERS]:
        if listed.artifact_type != kind:
            continue
        manifest = remote.get_manifest(listed.digest)
        layers = read_layers(manifest)
        about = subject_of(parse_manifest(manifest.raw)) == image and not children(parse_manifest(manifest.raw))[0]
        if about and len(layers) == 1 and layers[0].media_type == kind and layers[0].size <= _MOST:
            with remote.open_blob(layers[0].digest) as stream:
                raw = stream.read(layers[0].size + 1)
            if len(raw) == layers[0].size:
                yield listed, raw
