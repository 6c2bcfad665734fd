"""What a person says of a digest, as a signed receipt on it: `approve:ENV` and `revoke`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlci.config import Project
from mlci.errors import UsageError
from mlci.evidence import policy, provenance, results, signing
from mlci.evidence.protected import protected
from mlci.evidence.receipt import Material, Receipt
from mlci.steps.policy import rule_of, signers_of
from mlci.steps.protocol import Inputs
from mlci.store import Document, Store, attach


def approve(
    project: Project, images: Store, environment: str, digest: str, why: str, say: Callable[[str], None]
) -> str:
    """Approve a digest for an environment; returns the name of who did. Raises UsageError when it would not count."""
    with protected(project) as from_:
        if environment not in from_.project.config.environments:
            raise UsageError(f"{from_.said} has no environment {environment}", help="merge it there first")
        trusted = signing.trusted(from_.project, *signers_of(from_.project, environment))
        rule = rule_of(from_.project, environment, trusted)
        if not rule.approvals:
            help = f"environments.{environment}.approvals says how many, and whose"
            raise UsageError(f"{environment} asks for no approvals in {from_.said}", help=help)
        may = signing.Trusted({name: trusted.signers[name] for name in rule.approvers}, trusted.root)
        receipt = _receipt(project, f"{policy.APPROVE}:{environment}", digest, why, {"environment": environment})
        name = _attach(project, [images], receipt, digest, may, say)
        assert name is not None
        return name


def revoke(project: Project, stores: Sequence[Store], digest: str, why: str, say: Callable[[str], None]) -> str | None:
    """Revoke a digest in all stores that have it; returns who did, None where nobody signs.

    Raises UsageError when it would not count.
    """
    with protected(project) as from_:
        trusted = signing.trusted(from_.project)
        receipt = _receipt(project, policy.REVOKE, digest, why, {})
        return _attach(project, stores, receipt, digest, trusted, say)


def _receipt(project: Project, step: str, digest: str, why: str, facts: dict[str, Any]) -> Receipt:
    now = provenance.now()
    materials = (Material("image", digest, "named"),)
    return Receipt(
        step=step,
        key=Inputs({"why": why, "at": now}, materials).key(step),
        verdict="pass",
        summary=why,
        subjects={"image": digest},
        materials=materials,
        facts={**facts, "why": why},
        source=provenance.source(project.root),
        builder=provenance.builder(),
        started=now,
        finished=now,
    )


def _attach(
    project: Project,
    stores: Sequence[Store],
    receipt: Receipt,
    digest: str,
    may: signing.Trusted,
    say: Callable[[str], None],
) -> str | None:
    """The receipt and its signature on the image; nothing is left there that would not count."""
    signer = signing.signer(project, say)
    names = " or ".join(may.signers)
    if signer is None:
        if not may.signers:
            _put(stores, [results.document(receipt)], digest)
            return None
        raise UsageError(
            f"{receipt.step} counts when {names} signs it, and nothing signs here", help="name a key: --key FILE"
        )
    raw = receipt.to_bytes()
    (bundle,) = signer.sign([raw])
    name = None
    if may.signers:
        try:
            name = signing.verified(bundle, digest, may).signer
        except signing.Refused as refused:
            message = f"{receipt.step} counts when {names} signs it: {refused.message}"
            raise UsageError(message, help="sign with the key of one of them: --key FILE") from None
    _put(stores, [results.document(receipt), signing.kept(bundle)], digest)
    return name


def _put(stores: Sequence[Store], documents: Sequence[Document], digest: str) -> None:
    for store in stores:
        attach(store, documents, store.get_manifest(digest).descriptor)
