"""All evidence on an image: each piece read, hashed, and held against the signatures that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlci.evidence import results, signing
from mlci.evidence import statement as statements
from mlci.evidence.receipt import PREDICATE_TYPE as RECEIPT
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing import Refused, Trusted, Verified
from mlci.evidence.signing.bundle import MOST_BYTES
from mlci.evidence.slsa import PREDICATE_TYPE as SLSA
from mlci.evidence.statement import Statement
from mlci.store import CorruptBlob, Descriptor, NotFound, Store, read_layers
from mlci.store.index import parse_manifest, subject_of

Kind = Literal["receipt", "provenance", "statement", "sbom", "signature", "other"]
State = Literal["signed", "unsigned", "unknown signer", "bad"]
_SBOMS = {
    "application/vnd.cyclonedx+json": "https://cyclonedx.org/bom",
    "application/spdx+json": "https://spdx.dev/Document",
}
"""Documents, and the words in which a statement holds them."""


@dataclass(frozen=True)
class Piece:
    """One referrer of the image: what it is, what it is about, by whom it is signed, or what is wrong with it.

    `state` is `bad` for what does not hold: bytes that are not the digest's, a signature that is not the signer's, a
    statement about something else. `unknown signer`: whose signature it is, nobody here can tell.
    """

    kind: Kind
    name: str
    digest: str
    state: State
    signers: tuple[str, ...] = ()
    detail: str = ""


def inspect(store: Store, digest: str, trusted: Trusted) -> list[Piece]:
    """Every piece of evidence on the image, oldest first, signatures last.

    Raises NotFound and CorruptBlob for the image itself, and WorldError when the store does not answer; what is wrong
    with a piece stands in the piece.
    """
    image = store.get_manifest(digest).digest
    said, signatures, verified = [], [], []
    for listed in store.referrers(image):
        raw, problem = _content(store, listed, image)
        if listed.artifact_type == signing.BUNDLE:
            piece, claim = _signature(listed, raw, problem, image, trusted)
            signatures.append(piece)
            verified += [claim] if claim else []
        else:
            said.append((listed, raw, problem))
    return [*(_piece(*one, image, verified) for one in said), *signatures]


def topics(pieces: Sequence[Piece]) -> dict[tuple[Kind, str], bool]:
    """What is spoken of (a step's receipt, the provenance, the SBOM), and whether somebody trusted speaks of it.

    Evidence of before the first signature stays on an image, so beside what is signed there may be what is not.
    """
    said: dict[tuple[Kind, str], bool] = {}
    for piece in pieces:
        if piece.kind not in ("signature", "other"):
            said[piece.kind, piece.name] = said.get((piece.kind, piece.name), False) or piece.state == "signed"
    return said


def holds(pieces: Sequence[Piece], trusted: Trusted) -> bool:
    """Whether nothing is bad and, where signers are trusted, one of them speaks of every topic."""
    signed = topics(pieces)
    bad = any(piece.state == "bad" for piece in pieces)
    return not bad and (not trusted.signers or (bool(signed) and all(signed.values())))


def _content(store: Store, listed: Descriptor, image: str) -> tuple[bytes, str]:
    """The one blob of a referrer, and what is wrong with it; other people's may have none, or many."""
    try:
        manifest = store.get_manifest(listed.digest)
        if subject_of(parse_manifest(manifest.raw)) != image:
            return b"", "it is listed here, and is about another manifest"
        layers = read_layers(manifest)
        if len(layers) != 1:
            return b"", ""
        with store.open_blob(layers[0].digest) as stream:
            raw = stream.read(MOST_BYTES + 1)
    except (NotFound, CorruptBlob) as error:  # a registry that does not answer says nothing of the evidence
        return b"", error.message
    if len(raw) > MOST_BYTES:
        return b"", f"it has more than {MOST_BYTES:,} bytes"
    return raw, "" if len(raw) == layers[0].size else "it has another size than its manifest says"


def _signature(
    listed: Descriptor, raw: bytes, problem: str, image: str, trusted: Trusted
) -> tuple[Piece, Verified | None]:
    if problem:
        return Piece("signature", "of something", listed.digest, "bad", detail=problem), None
    try:
        found = signing.verified(raw, image, trusted)
    except Refused as refused:
        state: State = "unknown signer" if refused.reason in ("unknown signer", "extra missing") else "bad"
        detail = f"{refused.reason}: {refused.message}"
        return Piece("signature", "of something", listed.digest, state, detail=detail), None
    name = f"of {_name(found.statement)}"
    return Piece("signature", name, listed.digest, "signed", (found.signer,)), found


def _piece(listed: Descriptor, raw: bytes, problem: str, image: str, signed: Sequence[Verified]) -> Piece:
    kind: Kind = "other"
    name, detail, signers = listed.artifact_type or "an artifact", "", set[str]()
    try:
        if problem:
            raise ValueError(problem)
        if listed.artifact_type == statements.MEDIA_TYPE:
            found = statements.parse_statement(raw)
            kind, name, expected = _read(found, raw, image)
            detail = _verdict(found)
            signers = {one.signer for one in signed if one.payload == expected}
        elif listed.artifact_type in _SBOMS:
            kind, name, document = "sbom", _SBOMS[listed.artifact_type], statements.strict_json(raw)
            said = (one for one in signed if one.statement.predicate_type == name)
            signers = {one.signer for one in said if one.statement.predicate == document}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Piece(kind, name, listed.digest, "bad", detail=str(error))
    return Piece(kind, name, listed.digest, "signed" if signers else "unsigned", tuple(sorted(signers)), detail)


def _read(found: Statement, raw: bytes, image: str) -> tuple[Kind, str, bytes]:
    """What a statement is, its name, and the bytes that are signed for it."""
    if found.predicate_type == RECEIPT:
        return "receipt", _name(found), results.signable(Receipt.from_bytes(raw), image)
    if not found.is_about(image):
        raise ValueError("it is a statement about another digest")
    return "provenance" if found.predicate_type == SLSA else "statement", _name(found), raw


def _name(found: Statement) -> str:
    name = str(found.predicate.get("step")) if found.predicate_type == RECEIPT else found.predicate_type
    return name[:100]


def _verdict(found: Statement) -> str:
    """What a receipt says in short."""
    if found.predicate_type != RECEIPT:
        return ""
    return f"{found.predicate['verdict']}, {found.predicate['finished'][:19]}"
