"""Who signed this statement about this digest? Nothing in a bundle is believed before its signature is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlci.evidence.signing.bundle import Bundle, parse_bundle
from mlci.evidence.signing.keys import PublicKey
from mlci.evidence.signing.refused import Refused
from mlci.evidence.statement import Statement, parse_statement

GITHUB = "https://token.actions.githubusercontent.com"
"""Who vouches for the identity of a GitHub workflow."""


@dataclass(frozen=True)
class Identity:
    """Somebody who signs keyless: whom the certificate names, and who vouched for that (OIDC issuer).

    A workflow is `https://github.com/OWNER/REPO/.github/workflows/FILE@REF`.
    """

    name: str
    issuer: str = GITHUB


@dataclass(frozen=True)
class Trusted:
    """Whose signatures count, by the names that mlci.yaml gives them.

    `root` is a Sigstore trusted root (JSON) for identities; without one, that of the public good instance.
    """

    signers: Mapping[str, PublicKey | Identity]
    root: Path | None = None


@dataclass(frozen=True)
class Verified:
    """A statement, and the name of the trusted signer who made it; `payload` are the bytes that were signed."""

    signer: str
    statement: Statement
    payload: bytes


def verified(raw: bytes, digest: str, trusted: Trusted) -> Verified:
    """The statement of a bundle about `digest` (`sha256:…`), if somebody trusted signed it; raises Refused."""
    bundle = parse_bundle(raw)
    signer = signer_of(raw, bundle, trusted)
    try:
        statement = parse_statement(bundle.payload)
    except ValueError as error:
        raise Refused("statement", f"{signer} signed something else than a statement: {error}") from error
    if not statement.is_about(digest):
        of = ", ".join(found for _, found in statement.subjects[:3]) or "nothing with a SHA-256 digest"
        raise Refused("subject", f"{signer} signed a statement about {of}, not about {digest}")
    return Verified(signer, statement, bundle.payload)


def signer_of(raw: bytes, bundle: Bundle, trusted: Trusted) -> str:
    """The name of whoever signed a bundle, `raw` as it was and read, whatever it says; raises Refused."""
    if bundle.hint is not None:
        return _key_of(bundle, bundle.hint, trusted)
    from mlci.evidence.signing.keyless import identified

    identities = {name: who for name, who in trusted.signers.items() if isinstance(who, Identity)}
    return identified(raw, bundle, identities, trusted.root)


def _key_of(bundle: Bundle, hint: str, trusted: Trusted) -> str:
    """The hint is not signed, so every key is tried; it only says what is wrong when none fits."""
    keys = {name: key for name, key in trusted.signers.items() if isinstance(key, PublicKey)}
    for name, key in keys.items():
        if key.accepts(bundle.signature, bundle.signed):
            return name
    for name, key in keys.items():
        if key.hint == hint:
            raise Refused("bad signature", f"it says that {name} signed it, but the signature is not that key's")
    raise Refused("unknown signer", f"it is signed with a key that nobody trusts here, {hint[:64]!r}")
