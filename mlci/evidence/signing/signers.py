"""From mlci.yaml: what signs here, and whose signatures count."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlci.config import Project
from mlci.errors import UsageError, WorldError
from mlci.evidence.signing.bundle import key_bundle, pae
from mlci.evidence.signing.keyless import in_github, sign_keyless
from mlci.evidence.signing.keys import PrivateKey, PublicKey, load_private, load_public, read_private
from mlci.evidence.signing.kms import is_kms, load_kms
from mlci.evidence.signing.verify import Identity, Trusted

KEYLESS = "keyless"


@dataclass(frozen=True, repr=False)
class Signer:
    """What turns statements into bundles; `name` tells two signers apart: the hint of a key, or `keyless`."""

    name: str
    sign: Callable[[list[bytes]], list[bytes]]


def signer(project: Project, say: Callable[[str], None], env: Mapping[str, str] = os.environ) -> Signer | None:
    """What `signing.key` names; None where nothing signs, which `say` is told when it is only so here.

    One mlci.yaml serves laptops, pull requests of strangers and the release: a variable that is not set, and keyless
    outside of GitHub, sign nothing, and whoever asks for signatures refuses what has none. A file has to be there.
    Raises WorldError for a key that cannot be used.
    """
    named = project.config.signing.key
    if named is None:
        return None
    if named == KEYLESS:
        if in_github(env):
            return Signer(KEYLESS, sign_keyless)
        say("not signed: signing.key is keyless, and this is no GitHub job with id-token: write")
        return None
    if named.startswith("env:"):
        variable = named.removeprefix("env:")
        pem = env.get(variable)
        if not pem:
            say(f"not signed: {variable}, which signing.key names, is not set")
            return None
        return key_signer(read_private(pem.encode(), variable, env))
    if is_kms(named):
        return key_signer(load_kms(named))
    return key_signer(load_private(project.root / named, env))


def trusted(project: Project, *names: str) -> Trusted:
    """All of `signing.signers`, or those named: an entry, or an identity as it stands in a certificate.

    Raises UsageError for a name that is neither, WorldError when a key cannot be read.
    """
    config = project.config.signing
    signers: dict[str, PublicKey | Identity] = {}
    for name in names or config.signers:
        entry = config.signers.get(name)
        if entry is None and not name.startswith("https://"):
            raise UsageError(
                f"there is no signer {name!r}", help=f"signing.signers has {', '.join(config.signers) or 'none'}"
            )
        if entry is None:
            signers[name] = Identity(name)
        elif entry.public_key:
            signers[name] = load_public(project.root / entry.public_key)
        else:
            signers[name] = Identity(entry.identity or "", entry.issuer)
    return Trusted(signers, project.root / config.trusted_root if config.trusted_root else None)


def key_signer(key: PrivateKey) -> Signer:
    """What signs with a key."""
    hint = key.public.hint

    def bundle(raw: bytes) -> bytes:
        signature = key.sign(pae(raw))
        if not key.public.accepts(signature, pae(raw)):  # a service may sign something else
            raise WorldError("the key signed, and its own public half does not accept it", help="try another key")
        return key_bundle(raw, signature, hint)

    return Signer(hint, lambda statements: [bundle(raw) for raw in statements])
