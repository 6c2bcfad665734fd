"""Signatures: who says so. Statements in DSSE envelopes, stored as Sigstore bundles that cosign reads too.

A key signs (Ed25519 or ECDSA, a file, an environment variable or a KMS), or an identity does, keyless. What a
signature allows is decided elsewhere; `verified` says who signed.
"""

from mlci.evidence.signing.attach import attach, is_signed, kept
from mlci.evidence.signing.bundle import MEDIA_TYPE as BUNDLE
from mlci.evidence.signing.keys import PublicKey, generate, load_private, load_public, read_public
from mlci.evidence.signing.refused import Reason, Refused
from mlci.evidence.signing.signers import Signer, signer, trusted
from mlci.evidence.signing.verify import GITHUB, Identity, Trusted, Verified, signer_of, verified

__all__ = [
    "BUNDLE",
    "GITHUB",
    "Identity",
    "PublicKey",
    "Reason",
    "Refused",
    "Signer",
    "Trusted",
    "Verified",
    "attach",
    "generate",
    "is_signed",
    "kept",
    "load_private",
    "load_public",
    "read_public",
    "signer",
    "signer_of",
    "trusted",
    "verified",
]
