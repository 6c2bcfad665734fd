"""Sigstore without keys of one's own: a workflow's identity, a certificate of ten minutes, a public log.

All of it is sigstore-python's, an extra. The identity comes from GitHub's own token service, nowhere else: nobody's
browser opens, and a laptop with other credentials in its environment does not sign with them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.errors import WorldError
from mlci.evidence.signing.bundle import Bundle
from mlci.evidence.signing.refused import Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.verify import Verifier

    from mlci.evidence.signing.verify import Identity

_HELP = "pip install 'mlci[keyless]'"


def in_github(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a GitHub job that may ask who it is (`permissions: id-token: write`)."""
    wanted = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    return env.get("GITHUB_ACTIONS") == "true" and all(env.get(name) for name in wanted)


def sign_keyless(statements: list[bytes]) -> list[bytes]:
    """A bundle for each statement, with one certificate for all. Raises WorldError; call it `in_github` only."""
    if not in_github():
        raise WorldError("only a GitHub job can sign keyless", help="permissions: {id-token: write}")
    try:
        from sigstore.dsse import Statement
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken, detect_credential
        from sigstore.sign import SigningContext
    except ImportError as error:
        raise WorldError("signing keyless needs the extra `keyless`", help=_HELP) from error
    try:
        token = detect_credential()
        if token is None:
            raise WorldError("GitHub gave no token for this job", help="permissions: {id-token: write}")
        context = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(IdentityToken(token)) as signer:
            return [signer.sign_dsse(Statement(raw)).to_json().encode() for raw in statements]
    except WorldError:
        raise
    except (Error, OSError, ValueError) as error:  # its own message could hold the token
        raise WorldError(
            f"Sigstore did not sign: {type(error).__name__}", help="see https://status.sigstore.dev, then run again"
        ) from error


def identified(raw: bytes, bundle: Bundle, identities: Mapping[str, Identity], root: Path | None) -> str:
    """The name of the identity that signed; raises Refused."""
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle as SigstoreBundle
        from sigstore.verify.policy import Identity as Policy
    except ImportError as error:
        raise Refused("extra missing", "it is signed keyless, which needs the extra `keyless`", help=_HELP) from error
    try:
        whole = SigstoreBundle.from_json(raw)
        named = _named(whole.signing_certificate)
    except (Error, ValueError) as error:
        raise Refused("malformed", f"it is not a bundle of Sigstore: {error}") from error
    known = {name: who for name, who in identities.items() if who.name in named}
    if not known:
        raise Refused(
            "unknown signer", f"it is signed by {', '.join(named)[:500] or 'nobody'}, whom nobody trusts here"
        )
    refused: Error | None = None
    for name, who in known.items():
        try:
            _, payload = _verifier(root).verify_dsse(whole, Policy(identity=who.name, issuer=who.issuer))
        except Error as error:
            refused = error
            continue
        if payload == bundle.payload:
            return name
    raise Refused("bad signature", f"it says that {next(iter(known))} signed it, which is not so: {refused}")


@lru_cache(maxsize=4)
def _verifier(root: Path | None) -> Verifier:
    """What checks certificate, log and time; without a root of one's own, today's is fetched (by TUF)."""
    from sigstore.errors import Error
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

    try:
        return Verifier(trusted_root=TrustedRoot.from_file(str(root))) if root else Verifier.production()
    except (Error, OSError, ValueError) as error:
        what = f"the trusted root {root} cannot be read" if root else "the trusted root of Sigstore cannot be had"
        raise WorldError(f"{what}: {error}", help="signing.trusted_root names a file of one") from error


def _named(certificate: Certificate) -> list[str]:
    """Whom a certificate names; not yet believed."""
    from cryptography.x509 import ExtensionNotFound, RFC822Name, SubjectAlternativeName, UniformResourceIdentifier

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [*names.get_values_for_type(UniformResourceIdentifier), *names.get_values_for_type(RFC822Name)]
