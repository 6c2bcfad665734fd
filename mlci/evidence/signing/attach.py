"""Signed statements on an image: each a referrer with a Sigstore bundle in it, where cosign looks for them."""

from __future__ import annotations

from collections.abc import Sequence

from mlci.evidence.signing.bundle import MEDIA_TYPE
from mlci.evidence.signing.signers import Signer
from mlci.evidence.statement import parse_statement
from mlci.store import Descriptor, Store, put_artifact, sha256

STATEMENT = "dev.mlci.statement"
"""The annotation with the digest of what was signed. It saves signing again, and is never believed for more."""
SIGNER = "dev.mlci.signer"
PREDICATE = "dev.sigstore.bundle.predicateType"
"""Cosign's own."""


def attach(store: Store, statements: Sequence[bytes], image: Descriptor, signer: Signer) -> int:
    """Sign what this signer has not signed yet, and attach it; returns how many that were.

    Raises WorldError when it cannot be signed; nothing is attached then.
    """
    listed = store.referrers(image.digest, MEDIA_TYPE)
    there = {d.annotations.get(STATEMENT) for d in listed if d.annotations.get(SIGNER) == signer.name}
    fresh = [raw for raw in dict.fromkeys(statements) if sha256(raw) not in there]
    for raw, bundle in zip(fresh, signer.sign(fresh) if fresh else (), strict=True):
        digest, size = store.put_blob(iter([bundle]))
        annotations = {
            "dev.sigstore.bundle.content": "dsse-envelope",
            PREDICATE: parse_statement(raw).predicate_type,
            STATEMENT: sha256(raw),
            SIGNER: signer.name,
        }
        layer = Descriptor(MEDIA_TYPE, digest, size)
        put_artifact(store, MEDIA_TYPE, [layer], subject=image, annotations=annotations)
    return len(fresh)


def is_signed(listed: Descriptor, predicate_type: str, signer: Signer) -> bool:
    """Whether a listed bundle claims to be this signer's, in these words; enough to save the work, not to believe."""
    claims = listed.annotations
    return claims.get(SIGNER) == signer.name and claims.get(PREDICATE) == predicate_type
