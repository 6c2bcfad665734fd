"""A Sigstore bundle v0.3 around a DSSE envelope: how a signed statement is stored, and how it is read.

https://github.com/secure-systems-lab/dsse (envelope.md, protocol.md) and sigstore/protobuf-specs
(sigstore_bundle.proto, in the JSON of protobuf). A bundle of a key carries no certificate but a hint, which is not
signed: the SHA-256 of the public key, as cosign writes it. The envelope has no `keyid`, as cosign's have none: what
verifies DSSE in Go would compare it with a fingerprint of another kind.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from mlci.evidence.signing.refused import Refused
from mlci.evidence.statement import MEDIA_TYPE as PAYLOAD_TYPE
from mlci.evidence.statement import strict_json
from mlci.store import canonical

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MOST_BYTES = 32 << 20
"""The largest bundle that is read; an SBOM of ten thousand packages takes a tenth of it."""


@dataclass(frozen=True)
class Bundle:
    """A bundle whose shape is right and whose signature nobody has looked at; `hint` is None for a certificate."""

    payload: bytes
    signature: bytes
    hint: str | None

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over."""
        return pae(self.payload)


def pae(payload: bytes) -> bytes:
    """The payload and its type in one string that has only one reading (DSSE, "pre-authentication encoding")."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def key_bundle(payload: bytes, signature: bytes, hint: str) -> bytes:
    """The bundle of a key."""
    return canonical(
        {
            "mediaType": MEDIA_TYPE,
            # no entry of a log: left out means the same, but sigstore's Python models want to see it
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": _text(payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": _text(signature)}],
            },
        }
    )


def parse_bundle(raw: bytes) -> Bundle:
    """Read a bundle of anybody; raises Refused with the reason."""
    if len(raw) > MOST_BYTES:
        raise Refused("too large", f"a bundle of {len(raw):,} bytes, more than {MOST_BYTES:,}")
    try:
        document = strict_json(raw)
    except ValueError as error:
        raise Refused("malformed", f"the bundle is not JSON: {error}") from error
    kind = _part(document, "mediaType", str)
    if kind != MEDIA_TYPE:
        raise Refused("media type", f"the bundle is a {kind[:100]!r}, not a {MEDIA_TYPE}")
    envelope = _part(document, "dsseEnvelope", dict)
    payload_type = _part(envelope, "payloadType", str)
    if payload_type != PAYLOAD_TYPE:
        raise Refused("payload type", f"the envelope holds a {payload_type[:100]!r}, not a {PAYLOAD_TYPE}")
    signatures = _part(envelope, "signatures", list)
    if len(signatures) != 1:
        raise Refused("signature count", f"the envelope has {len(signatures)} signatures, a bundle's has one")
    signature = _bytes(signatures[0], "sig")
    return Bundle(_bytes(envelope, "payload"), signature, _hint(_part(document, "verificationMaterial", dict)))


def _hint(material: dict[str, Any]) -> str | None:
    if "publicKey" in material:
        return str(_part(material, "publicKey", dict).get("hint", ""))
    if "certificate" in material:
        return None
    raise Refused("malformed", "the bundle has neither a key nor a certificate")


def _part(document: Any, name: str, kind: type) -> Any:
    found = document.get(name) if isinstance(document, dict) else None
    if not isinstance(found, kind):
        raise Refused("malformed", f"the bundle has no {name}, or it is of the wrong kind")
    return found


def _bytes(document: Any, name: str) -> bytes:
    try:
        return base64.b64decode(_part(document, name, str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("malformed", f"the bundle's {name} is not base64: {error}") from error


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
