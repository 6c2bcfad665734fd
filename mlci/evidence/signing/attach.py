"""Signed statements on an image: each a referrer with a Sigstore bundle in it, where cosign looks for them."""

from __future__ import annotations

from collections.abc import Sequence

from mlci.evidence.receipt import PREDICATE_TYPE as RECEIPT
from mlci.evidence.receipt import STEP
from mlci.evidence.signing.bundle import MEDIA_TYPE, parse_bundle
from mlci.evidence.signing.signers import KEYLESS, Signer
from mlci.evidence.statement import parse_statement
from mlci.store import Descriptor, Document, Store, sha256
from mlci.store import attach as attach_documents

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
    signed = zip(fresh, signer.sign(fresh) if fresh else (), strict=True)
    return attach_documents(store, [_document(raw, bundle, signer.name) for raw, bundle in signed], image)


def kept(bundle: bytes) -> Document:
    """A bundle that was signed before, and is kept elsewhere too, as it is attached; raises Refused."""
    read = parse_bundle(bundle)
    return _document(read.payload, bundle, read.hint or KEYLESS)


def _document(raw: bytes, bundle: bytes, signer: str) -> Document:
    statement = parse_statement(raw)
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        PREDICATE: statement.predicate_type,
        **({STEP: str(statement.predicate["step"])} if statement.predicate_type == RECEIPT else {}),
        STATEMENT: sha256(raw),
        SIGNER: signer,
    }
    return Document(MEDIA_TYPE, bundle, annotations)


def is_signed(listed: Descriptor, predicate_type: str, signer: Signer) -> bool:
    """Whether a listed bundle claims to be this signer's, in these words; enough to save the work, not to believe."""
    claims = listed.annotations
    return claims.get(SIGNER) == signer.name and claims.get(PREDICATE) == predicate_type
