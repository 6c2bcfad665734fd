"""All that a manifest is made of and all that refers to it, in an order in which it can be written."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlci.errors import WorldError
from mlci.store.crew import Crew, crew
from mlci.store.errors import NotFound
from mlci.store.index import children, parse_manifest, subject_of
from mlci.store.layout import FolderStore
from mlci.store.protocol import Descriptor, Manifest, Store

MOST_MANIFESTS = 10_000
_AT_ONCE = 8
T = TypeVar("T")
R = TypeVar("R")


def each(store: Store, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """Do something to many things of a store, in order; several at once where each takes a way to a registry."""
    if isinstance(store, FolderStore):
        return [act(thing) for thing in things]
    with crew(_AT_ONCE) as hands:
        return hands.each(act, things)


@dataclass(frozen=True)
class Closure:
    """The manifests by digest, in levels of which each needs only the ones before it; and the blobs, each once."""

    root: Manifest
    levels: list[list[Manifest]]
    blobs: list[Descriptor]

    @property
    def manifests(self) -> list[Manifest]:
        return [manifest for level in self.levels for manifest in level]

    @property
    def content(self) -> set[str]:
        """The digests of the manifests that the root is made of, itself too; the others refer to one of them."""
        known = {manifest.digest: manifest for manifest in self.manifests}
        found: set[str] = set()
        waiting = [self.root.digest]
        while waiting:
            one = waiting.pop()
            found.add(one)
            below, _ = children(parse_manifest(known[one].raw, known[one].media_type))
            waiting += [child.digest for child in below if child.digest not in found]
        return found

    def only(self, digests: Container[str]) -> Closure:
        """The same without the manifests that are not named, and without their blobs."""
        levels = [[manifest for manifest in level if manifest.digest in digests] for level in self.levels]
        kept = [manifest for level in levels for manifest in level]
        parts = {b.digest for one in kept for b in children(parse_manifest(one.raw, one.media_type))[1]}
        return Closure(self.root, levels, [blob for blob in self.blobs if blob.digest in parts])


def closure_of(source: Store, root: Manifest, hands: Crew, *, referrers: bool) -> Closure:
    """Walk down from a manifest, and up to what refers to any of them; raises NotFound, CorruptBlob and WorldError."""
    known = {root.digest: root}
    needs: dict[str, set[str]] = {root.digest: set()}
    blobs: dict[str, Descriptor] = {}
    new = [root]
    while new:
        listed = hands.each(lambda one: source.referrers(one.digest), new) if referrers else [[] for _ in new]
        wanted: dict[str, set[str] | None] = {}
        for manifest, found in zip(new, listed, strict=True):
            below, parts = children(parse_manifest(manifest.raw, manifest.media_type))
            needs[manifest.digest] |= {child.digest for child in below}
            blobs |= {blob.digest: blob for blob in parts}
            wanted |= dict.fromkeys(child.digest for child in below)
            for digest in (referrer.digest for referrer in found):
                if (subjects := wanted.setdefault(digest, set())) is not None:
                    subjects.add(manifest.digest)
        if len(known) + len(wanted) > MOST_MANIFESTS:
            raise WorldError(f"more than {MOST_MANIFESTS:,} manifests belong to {root.digest}")
        new = [
            manifest
            for manifest in hands.each(_getter(source, wanted), [digest for digest in wanted if digest not in known])
            if manifest is not None
        ]
        for manifest in new:
            known[manifest.digest] = manifest
            subject = subject_of(parse_manifest(manifest.raw, manifest.media_type))
            needs[manifest.digest] = {subject} if subject in known else set()
    return Closure(root, _levels(known, needs), list(blobs.values()))


def absent(store: Store, digest: str) -> list[str]:
    """What is not there any more of a manifest, its children and their blobs, by digest; asked, not remembered."""
    there = store.has_blob if isinstance(store, FolderStore) else lambda one: store.resolve(one) is not None
    if not there(digest):
        return [digest]
    manifest = store.get_manifest(digest)
    below, blobs = children(parse_manifest(manifest.raw, manifest.media_type))
    found = each(store, store.has_blob, [blob.digest for blob in blobs])
    lost = [blob.digest for blob, there in zip(blobs, found, strict=True) if not there]
    return [*lost, *(one for child in below for one in absent(store, child.digest))]


def _getter(source: Store, wanted: dict[str, set[str] | None]) -> Callable[[str], Manifest | None]:
    """Get a manifest; one that only a list of referrers names must say itself that it refers to one of `wanted`."""

    def get(digest: str) -> Manifest | None:
        subjects = wanted[digest]
        try:
            manifest = source.get_manifest(digest)
        except NotFound:
            if subjects:
                return None  # listed, and deleted since
            raise
        if subjects and subject_of(parse_manifest(manifest.raw, manifest.media_type)) not in subjects:
            return None
        return manifest

    return get


def _levels(known: dict[str, Manifest], needs: dict[str, set[str]]) -> list[list[Manifest]]:
    left = dict.fromkeys(known)
    levels = []
    while left:
        ready = [digest for digest in left if not any(need in left for need in needs[digest])]
        assert ready, "a digest cannot be part of what it is a digest of"
        levels.append([known[digest] for digest in ready])
        for digest in ready:
            del left[digest]
    return levels
