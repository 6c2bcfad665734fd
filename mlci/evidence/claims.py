"""What is said of a digest, and by whom of those that are trusted: only what somebody asks for, many at once.

The list of referrers says of each which step it is about and which blob it is, so one request reads one record. The
list is believed for no more: a signed record is believed by its signature, which is over the digest that it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from mlci.errors import WorldError
from mlci.evidence import receipt as receipts
from mlci.evidence import signing
from mlci.evidence.policy import Evidence
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing import Identity, Refused, Trusted
from mlci.evidence.signing.bundle import MOST_BYTES
from mlci.store import Descriptor, Store, blob_of, read_layers, sha256
from mlci.store.closure import each
from mlci.store.index import as_referrer, parse_manifest, subject_of

MOST_RECORDS = 10_000


def read(
    store: Store, digest: str, trusted: Trusted, *, signed: Collection[str], unsigned: Collection[str]
) -> list[Evidence]:
    """The receipts of the steps in `signed` that somebody trusted has signed; all of the steps in `unsigned`.

    What cannot be read or does not hold is left out; `inspect` says what is wrong with it. Raises WorldError when the
    store cannot say what there is, or for more than `MOST_RECORDS`.
    """
    wanted = {signing.BUNDLE: frozenset(signed if trusted.signers else ()), receipts.MEDIA_TYPE: frozenset(unsigned)}
    listed = [one for one in store.referrers(digest) if wanted.get(one.artifact_type or "")]
    if len(listed) > MOST_RECORDS:
        help = "somebody floods it: remove what is not yours, in the registry's own interface"
        raise WorldError(f"more than {MOST_RECORDS:,} records refer to {digest}", help=help)

    def one(entry: Descriptor) -> Evidence | None:
        steps = wanted[entry.artifact_type or ""]
        blob = blob_of(entry)
        if blob is None or receipts.STEP not in entry.annotations:
            entry, blob = _looked_up(store, entry, digest)
        if blob is None or entry.annotations.get(receipts.STEP) not in steps:
            return None
        raw = _raw(store, blob)
        if raw is None:
            return None
        found = _signed(raw, digest, trusted) if entry.artifact_type == signing.BUNDLE else _parsed(raw)
        return found if found and found.receipt.step in steps else None

    return [found for found in each(store, one, _asked(listed, wanted)) if found]


def _asked(listed: Sequence[Descriptor], wanted: dict[str, frozenset[str]]) -> list[Descriptor]:
    """Those whose entry names a step that is asked for, or none at all: some registries leave annotations out."""
    known = (
        (one, one.annotations.get(receipts.STEP), wanted[one.artifact_type or ""], bool(one.annotations))
        for one in listed
    )
    return [one for one, step, steps, tells in known if step in steps or (step is None and not tells)]


def _looked_up(store: Store, entry: Descriptor, digest: str) -> tuple[Descriptor, Descriptor | None]:
    """The entry and its blob by the manifest itself."""
    try:
        manifest = store.get_manifest(entry.digest)
        document = parse_manifest(manifest.raw)
        layers = read_layers(manifest)
    except WorldError:
        return entry, None
    ours = subject_of(document) == digest and len(layers) == 1
    return as_referrer(document, manifest.descriptor), layers[0] if ours else None


def _raw(store: Store, blob: Descriptor) -> bytes | None:
    """The bytes of a blob; None when they are not there, too many, or not the digest's."""
    try:
        with store.open_blob(blob.digest) as stream:
            raw = stream.read(MOST_BYTES + 1)
    except WorldError:
        return None
    return raw if len(raw) <= MOST_BYTES and sha256(raw) == blob.digest else None


def _signed(raw: bytes, digest: str, trusted: Trusted) -> Evidence | None:
    try:
        found = signing.verified(raw, digest, trusted)
    except Refused as refused:
        if refused.reason == "extra missing" and any(isinstance(who, Identity) for who in trusted.signers.values()):
            raise WorldError(
                f"reading what is signed about {digest[:19]}: {refused.message}", help=refused.help
            ) from None
        return None
    return _parsed(found.payload, found.signer)


def _parsed(raw: bytes, signer: str | None = None) -> Evidence | None:
    """A receipt, or nothing."""
    try:
        receipt = Receipt.from_bytes(raw)
        at = datetime.fromisoformat(receipt.finished.replace("Z", "+00:00"))
        if at.tzinfo is None:
            return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Evidence(receipt, signer, sha256(raw))
