"""Keys: Ed25519, or ECDSA over P-256, P-384 or P-521 with the hash of its size, in PEM files as openssl writes them.

A private key is PKCS #8, encrypted where `MLCI_KEY_PASSPHRASE` is set; a public key is SPKI. What reads a private key
says in no error what is in it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlci.errors import UsageError, WorldError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PASSPHRASE = "MLCI_KEY_PASSPHRASE"  # noqa: S105 - the variable's name
Algorithm = Literal["ed25519", "ecdsa-p256"]
MOST_BYTES = 1 << 16
_KINDS = "Ed25519, or ECDSA over P-256, P-384 or P-521"


@dataclass(frozen=True)
class PublicKey:
    """A public key as the DER of its SPKI; two are equal when they are the same key."""

    der: bytes

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the DER: `openssl pkey -pubin -in FILE -outform der | openssl dgst -sha256`."""
        return "sha256:" + hashlib.sha256(self.der).hexdigest()

    @property
    def hint(self) -> str:
        """The same in base64, as bundles have it (RFC 6962, section 3.2)."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    def pem(self) -> bytes:
        """The key as a file."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return _loaded(self.der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over the message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey

        key = _loaded(self.der)
        try:
            if isinstance(key, EllipticCurvePublicKey):
                key.verify(signature, message, ECDSA(_hash(key.curve.name)))
            else:
                key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=64)
def _loaded(der: bytes) -> Ed25519PublicKey | EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key: Any = load_der_public_key(der)
    return key  # type: ignore[no-any-return]


@dataclass(frozen=True, repr=False)
class PrivateKey:
    """What signs, and the key that tells so; the secret is inside `sign` and never shown."""

    public: PublicKey
    sign: Callable[[bytes], bytes]


def generate(file: Path, algorithm: Algorithm = "ed25519", env: Mapping[str, str] = os.environ) -> PublicKey:
    """Write a new key to `file`, readable by its owner alone, and its public half to `file.pub`.

    Raises UsageError when one of them is there, WorldError when they cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    public_file = file.with_name(file.name + ".pub")
    for there in (file, public_file):
        if there.exists() or there.is_symlink():
            raise UsageError(f"{there} is there already", help="a key is never overwritten: give another name")
    key = ed25519.Ed25519PrivateKey.generate() if algorithm == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    secret = env.get(PASSPHRASE, "").encode()
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    public = _public(key.public_key())
    _write(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600)
    try:
        _write(public_file, public.pem(), 0o644)
    except WorldError:
        file.unlink(missing_ok=True)
        raise
    return public


def load_private(file: Path, env: Mapping[str, str] = os.environ) -> PrivateKey:
    """The key of a file that only its owner may read; raises WorldError otherwise."""
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise WorldError(
                    f"the key {file} can be read by others than its owner", help=f"chmod 600 {file}; better, a new key"
                )
            pem = stream.read(MOST_BYTES)
    except OSError as error:
        raise WorldError(f"cannot read the key {file}: {error.strerror}", help="mlci key new FILE makes one") from error
    return read_private(pem, str(file), env)


def read_private(pem: bytes, where: str, env: Mapping[str, str] = os.environ) -> PrivateKey:
    """The key in a PEM text; `where` names its place in errors."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"-----BEGIN " not in pem:
        raise WorldError(f"{where} holds no key", help="a private key is a PEM text, PKCS #8: mlci key new FILE")
    encrypted = b"ENCRYPTED" in pem
    secret = env.get(PASSPHRASE, "").encode() if encrypted else b""
    if encrypted and not secret:
        raise WorldError(f"the key in {where} has a passphrase", help=f"set {PASSPHRASE}")
    try:
        key = load_pem_private_key(pem, secret or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        said = f"; or {PASSPHRASE} is not its passphrase" if encrypted else ""
        raise WorldError(f"the key in {where} cannot be read", help=f"PEM, PKCS #8, {_KINDS}{said}") from None
    if isinstance(key, Ed25519PrivateKey):
        return PrivateKey(_public(key.public_key()), key.sign)
    if isinstance(key, EllipticCurvePrivateKey) and _hash(key.curve.name):
        signed = ECDSA(_hash(key.curve.name))
        return PrivateKey(_public(key.public_key()), lambda message: key.sign(message, signed))
    raise WorldError(f"the key in {where} is of a kind that is not used", help=_KINDS)


def load_public(file: Path) -> PublicKey:
    """The public key of a file; raises WorldError."""
    try:
        with file.open("rb") as stream:
            pem = stream.read(MOST_BYTES)
    except OSError as error:
        raise WorldError(f"cannot read the key {file}: {error.strerror}", help="a public key, PEM") from error
    return read_public(pem, str(file))


def read_public(pem: bytes, where: str) -> PublicKey:
    """The public key in a PEM text; raises WorldError, first of all for a private one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in pem:
        raise WorldError(f"{where} is a private key", help="the public one is in the file beside it, .pub")
    try:
        return _public(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm):
        raise WorldError(f"{where} is not a public key", help=f"PEM, {_KINDS}") from None


def _public(key: Any) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = isinstance(key, EllipticCurvePublicKey) and _hash(key.curve.name)
    if not (curve or isinstance(key, Ed25519PublicKey)):
        raise ValueError("another kind of key")
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _hash(curve: str) -> Any:
    """The hash that goes with a curve; None for a curve that is not used."""
    from cryptography.hazmat.primitives import hashes

    known: dict[str, Any] = {"secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384, "secp521r1": hashes.SHA512}
    return known[curve]() if curve in known else None


def _write(file: Path, content: bytes, mode: int) -> None:
    """Make a file that was not there, with its mode from the first moment."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        if not isinstance(error, FileExistsError):
            with suppress(OSError):
                file.unlink()
        raise WorldError(f"cannot write {file}: {error.strerror}") from error
