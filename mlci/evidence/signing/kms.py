"""Keys that never leave a service: AWS KMS, Google Cloud KMS and Vault, as securesystemslib speaks with them.

`awskms:KEY` (an id, an ARN or `alias/NAME`), `gcpkms:projects/…/cryptoKeyVersions/N`, `hv:KEY`; credentials are those
that the services' own libraries find.
"""

from __future__ import annotations

import re
from typing import Any

from mlci.errors import WorldError
from mlci.evidence.signing.keys import PrivateKey, read_public

_URI = re.compile(r"(awskms|gcpkms|hv):(.+)")


def is_kms(key: str) -> bool:
    """Whether `signing.key` names such a key."""
    return _URI.fullmatch(key) is not None


def load_kms(uri: str) -> PrivateKey:
    """Ask the service for the public key; each signature is one more request. Raises WorldError."""
    found = _URI.fullmatch(uri)
    assert found is not None
    try:
        from securesystemslib.exceptions import UnsupportedLibraryError
        from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Signer
    except ImportError as error:
        raise _missing(uri) from error
    try:
        kind: Any = SIGNER_FOR_URI_SCHEME[found[1]]
        address, key = kind.import_(found[2])
        signer = Signer.from_priv_key_uri(address, key)
    except UnsupportedLibraryError as error:
        raise _missing(uri) from error
    except Exception as error:  # each service has errors of its own
        raise WorldError(f"cannot use the key {uri}: {error}", help="look at the credentials and the rights") from error

    def sign(message: bytes) -> bytes:
        try:
            return bytes.fromhex(signer.sign(message).signature)
        except Exception as error:
            raise WorldError(f"{uri} did not sign: {error}", help="look at the credentials and the rights") from error

    return PrivateKey(read_public(key.keyval["public"].encode(), uri), sign)


def _missing(uri: str) -> WorldError:
    service = {"awskms": "aws", "gcpkms": "gcp", "hv": "vault"}[uri.partition(":")[0]]
    return WorldError(
        f"signing with {uri} needs a library that is not there",
        help=f"pip install 'mlci[kms]' 'securesystemslib[{service}{'' if service == 'vault' else 'kms'}]'",
    )
