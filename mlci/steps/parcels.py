"""From which places a promotion takes, and what it brings to the environment's own: content, and all that refers to it.

Evidence of one digest can lie in several repositories: what the build left is with the images, what an environment
before said is with that one. A promotion reads all of them, and brings what they have as a named set of digests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlci.errors import UsageError, WorldError
from mlci.evidence import promotions, results, signing
from mlci.steps import planned, policy
from mlci.steps.policy import Judged
from mlci.steps.protocol import Context, holds
from mlci.store import FolderStore, Manifest, NotFound, Store, Tally, bring, gather, is_one_place, sha256
from mlci.store.closure import Closure, each
from mlci.store.index import parse_manifest, subject_of


@dataclass(frozen=True)
class Taken:
    """What one place has of the digest, and the place."""

    place: Store
    closure: Closure


@dataclass(frozen=True)
class Found:
    """The plan for the world as it was found, what was judged, and what it is to be carried out with.

    `place` are the facts that put the record in its place in the environment's log.
    """

    plan: planned.Plan
    judged: Judged
    place: dict[str, Any]
    taken: tuple[Taken, ...]


def digest_of(ctx: Context, environment: str, source: str) -> str:
    """The digest that an environment's name, a tag, a digest or its beginning means; raises UsageError.

    A tag is one of the images first, and then of the environments in their repositories.
    """
    named = source in ctx.project.config.environments
    for place in [ctx.place(source)] if named else [ctx.images, *origins(ctx, environment)]:
        try:
            return results.digest_of(place, source)
        except NotFound:
            continue
    missing = "no image was built yet" if source == "latest" else f"there is no {source!r} in the store"
    raise UsageError(
        f"nothing to promote to {environment}: {missing}",
        help="`mlci run` builds an image; `mlci history` lists what there is",
    )


def origins(ctx: Context, environment: str) -> list[Store]:
    """Where a digest may come from, nearest first: the environments before, the images, and the environment itself."""
    names = list(ctx.project.config.environments)
    near = [*reversed(names[: names.index(environment)]), None, environment]
    return list({id(place): place for place in map(ctx.place, near)}.values())


def revocation(ctx: Context, environment: str, digest: str, trusted: signing.Trusted | None) -> str:
    """Who has revoked a digest that an environment is to have, and why; empty where nobody can tell who may."""
    return policy.revocation(origins(ctx, environment), digest, trusted) if trusted else ""


def look(ctx: Context, environment: str, digest: str, judge: Callable[[], Judged], *, again: bool) -> Found:
    """What there is, and the plan for it; nothing is written. Raises NotFound where no place has the digest.

    To a registry all questions are asked at once.
    """
    target = ctx.place(environment)
    near = [place for place in origins(ctx, environment) if place is not target]
    there = each(target, partial(holds, digest=digest), near)
    others = [place for place, has in zip(near, there, strict=True) if has]
    root = (others[0] if others else target).get_manifest(digest)
    asked: list[Callable[[], Any]] = [
        judge,
        partial(promotions.place, target, environment),
        partial(_referrers, target, digest),
        *(partial(gather, place, root) for place in others),
    ]
    judged, place, evidence, *closures = each(target, _call, asked)
    taken = tuple(Taken(place, closure) for place, closure in zip(others, closures, strict=True))
    for one in taken:
        evidence |= {manifest.digest for manifest in one.closure.manifests} - one.closure.content
    world = planned.World(
        environment=environment,
        root=root.descriptor,
        target=name_of(target),
        path="" if isinstance(target, FolderStore) else f"/v2/{name_of(target).partition('/')[2]}",
        previous=place["previous"],
        number=place["number"],
        tags=(promotions.numbered(environment, place["number"]), environment),
        reasons=tuple(judged.reasons),
        evidence=tuple(sorted(evidence)),
        parcels=tuple(_parcel(target, one) for one in taken),
        again=again,
    )
    return Found(planned.plan(world), judged, place, taken)


def carry(ctx: Context, found: Found, plan: planned.Plan) -> dict[str, Any]:
    """Bring what the plan names to the environment's place and see that it is there; returns what a receipt says of it.

    Raises WorldError when the target does not have all of it afterwards.
    """
    if not found.taken:
        return {}
    target, tally = ctx.place(plan.environment), Tally()
    named = {*plan.manifests, *plan.evidence}
    for one in found.taken:
        closure = one.closure.only(named)
        bring(one.place, target, closure, tally=tally)
        _listed(target, closure)
    return {
        "copied": {
            "from": [name_of(one.place) for one in found.taken],
            "manifests": len(plan.manifests),
            "evidence": len(plan.evidence),
            "evidence_digest": sha256("\n".join(plan.evidence).encode()),
            "blobs": {"mounted": tally.mounted, "there": tally.there, "sent": tally.sent},
            "sent_bytes": tally.sent_bytes,
        }
    }


def _call(ask: Callable[[], Any]) -> Any:
    return ask()


def name_of(store: Store) -> str:
    """How people call a place."""
    return "the local store" if isinstance(store, FolderStore) else str(getattr(store, "name", "a store"))


def _parcel(target: Store, one: Taken) -> planned.Parcel:
    source, closure = one.place, one.closure
    mounts = name_of(source).partition("/")[0] == name_of(target).partition("/")[0] and not is_one_place(source, target)
    repository = name_of(source).partition("/")[2] if mounts and not isinstance(source, FolderStore) else None
    there = [] if repository else each(target, lambda blob: target.has_blob(blob.digest), closure.blobs)
    return planned.Parcel(
        name_of(source),
        tuple(manifest.descriptor for manifest in closure.manifests),
        tuple(closure.blobs),
        repository,
        frozenset(blob.digest for blob, is_there in zip(closure.blobs, there, strict=False) if is_there),
    )


def _listed(target: Store, closure: Closure) -> None:
    """See that whoever asks the target for what refers to the digest is told of all that came along."""
    subjects: dict[str, set[str]] = {}
    for manifest in closure.manifests:
        if subject := _subject(manifest):
            subjects.setdefault(subject, set()).add(manifest.digest)
    for subject, listed in zip(subjects, each(target, partial(_referrers, target), list(subjects)), strict=True):
        if missing := subjects[subject] - listed:
            raise WorldError(
                f"{name_of(target)} has {sorted(missing)[0]}, and does not list it as evidence of {subject}",
                help="promote once more",
            )


def _referrers(target: Store, subject: str) -> set[str]:
    return {found.digest for found in target.referrers(subject)}


def _subject(manifest: Manifest) -> str | None:
    return subject_of(parse_manifest(manifest.raw, manifest.media_type))
