"""From one store to another: a manifest with all that it is made of and all that refers to it, bytes unchanged.

Blobs first, then manifests from the inside out, the tag last; then a look at the result. What is there already is not
sent, so a copy that was killed goes on where it stopped. Between repositories of one registry the registry itself takes
the blobs over, and nothing passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from mlci.errors import WorldError
from mlci.store.closure import Closure, closure_of
from mlci.store.crew import Crew, crew
from mlci.store.digest import chunks_of
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.index import check_tag
from mlci.store.layout import FolderStore
from mlci.store.protocol import Descriptor, Manifest, Store

if TYPE_CHECKING:
    from mlci.store.registry import RegistryStore

WORKERS = 8
ASKERS = 16
"""As many small questions to a registry at once: nothing of them stays in memory, and each waits for its way there."""


@dataclass
class Tally:
    """How far a copy is: bytes of all blobs, and how many of them were there, mounted, or sent.

    `changed` is called after each change, by any thread, and a few times a second by the one who waits; what it raises
    stops the copy.
    """

    changed: Callable[[Tally], None] = lambda _: None
    manifests: int = 0
    blobs: int = 0
    size: int = 0
    done: int = 0
    there: int = 0
    mounted: int = 0
    sent: int = 0
    sent_bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, **more: int) -> None:
        """Add to some of the numbers."""
        with self._lock:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)
        self.changed(self)


def copy(
    source: Store,
    target: Store,
    reference: str,
    *,
    tag: str | None = None,
    referrers: bool = True,
    workers: int | None = None,
    tally: Tally | None = None,
) -> Descriptor:
    """Copy what a tag or digest leads to, only what is missing, children first, the tag last; then look at the result.

    A second time changes nothing. `tag` is the name in the target; without one the copy is reachable by its digest
    alone. With `referrers`, what refers to any copied manifest comes along, and what refers to that. Inside one place
    only the tag is written, in three requests to a registry.
    Raises UsageError for what cannot be a tag, NotFound, CorruptBlob, and WorldError when the target does not have
    afterwards what it was given.
    """
    if tag is not None:
        check_tag(tag)
    root, tally = source.get_manifest(reference), tally or Tally()
    if not is_one_place(source, target):
        closure = gather(source, root, referrers=referrers, watch=partial(tally.changed, tally))
        bring(source, target, closure, workers=workers, tally=tally)
    if tag is not None:
        _tag(target, root, tag)
    return root.descriptor


def gather(
    source: Store, root: Manifest, *, referrers: bool = True, watch: Callable[[], None] = lambda: None
) -> Closure:
    """All that a manifest is made of and, with `referrers`, all that refers to any of it; raises as `copy`."""
    with crew(ASKERS, watch) as hands:
        return closure_of(source, root, hands, referrers=referrers)


def bring(
    source: Store, target: Store, closure: Closure, *, workers: int | None = None, tally: Tally | None = None
) -> None:
    """Copy just these manifests and blobs, whatever else the source has by now; raises as `copy`."""
    tally = tally or Tally()
    workers = workers or (ASKERS if _one_registry(source, target) else WORKERS)
    with crew(workers, partial(tally.changed, tally)) as hands:
        _write(source, target, closure, hands, tally)


def copy_blobs(source: Store, target: Store, blobs: Iterable[Descriptor], *, tally: Tally | None = None) -> None:
    """Bring blobs of one store to another where they are missing there; raises as `copy`."""
    wanted = list({blob.digest: blob for blob in blobs}.values())
    tally = tally or Tally()
    if not is_one_place(source, target):
        tally.add(blobs=len(wanted), size=sum(blob.size for blob in wanted))
        with crew(WORKERS, partial(tally.changed, tally)) as hands:
            hands.each(partial(_bring, source, target, hands, tally), wanted)


def _write(source: Store, target: Store, closure: Closure, hands: Crew, tally: Tally) -> None:
    total = sum(blob.size for blob in closure.blobs)
    tally.add(manifests=len(closure.manifests), blobs=len(closure.blobs), size=total)
    moved = hands.each(partial(_bring, source, target, hands, tally), closure.blobs)
    unlisted = [listing for level in closure.levels for listing in put_manifests(target, level, hands)]
    new = [blob for blob, was_moved in zip(closure.blobs, moved, strict=True) if was_moved]
    wanted: list[Manifest | Descriptor] = [*closure.manifests, *new]
    left: list[Callable[[], None]] = [*unlisted, *(partial(_check, target, one) for one in wanted)]
    hands.each(_call, left)  # a list of referrers has to settle: meanwhile the rest is looked at


def put_manifests(target: Store, manifests: Sequence[Manifest], hands: Crew) -> list[Callable[[], None]]:
    """Write manifests that do not need each other; gives what is left to do where a registry leaves lists to us."""
    if not isinstance(target, FolderStore):
        from mlci.store.registry import RegistryStore

        if isinstance(target, RegistryStore):
            return target.put_manifests(manifests, hands)
    hands.each(lambda manifest: target.put_manifest(manifest.raw, manifest.media_type), manifests)
    return []


def _call(act: Callable[[], None]) -> None:
    act()


def _bring(source: Store, target: Store, hands: Crew, tally: Tally, blob: Descriptor) -> bool:
    """See to it that the target has a blob; returns whether it had to be moved."""
    hands.go_on()
    if _mounted(source, target, blob.digest):
        tally.add(mounted=1, done=blob.size)
    elif target.has_blob(blob.digest):
        tally.add(there=1, done=blob.size)
        return False
    else:
        _send(target, _Blob(source, blob, hands, tally))
        tally.add(sent=1)
    return True


def _mounted(source: Store, target: Store, digest: str) -> bool:
    """Whether the target has taken a blob from the repository of its own registry that the source has it in."""
    both = _one_registry(source, target)
    if both:
        return both[1].mount(digest, both[0].repository)
    place = source.elsewhere(digest) if isinstance(source, FolderStore) else None
    if place is None or isinstance(target, FolderStore):
        return False
    from mlci.store.registry import RegistryStore, parse_reference

    there = parse_reference(place)
    if not isinstance(target, RegistryStore) or target.registry != there.registry:
        return False
    return target.mount(digest, there.repository)


@dataclass
class _Blob:
    """A blob on its way: read from any byte on, counted."""

    source: Store
    blob: Descriptor
    hands: Crew
    tally: Tally
    position: int = 0

    @contextmanager
    def read(self, offset: int) -> Iterator[Iterator[bytes]]:
        """Its bytes from there on; what comes before is read too, for the last ones are given out only with all."""
        self.tally.add(done=offset - self.position)
        self.position = offset
        with self.source.open_blob(self.blob.digest) as stream:
            yield self._counted(chunks_of(stream), offset)

    def _counted(self, chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
        for chunk in chunks:
            self.hands.go_on()
            rest = chunk[skip:] if skip else chunk
            skip -= len(chunk) - len(rest)
            if self.position + len(rest) > self.blob.size:
                raise CorruptBlob(f"{self.blob.digest} has more than the {self.blob.size:,} bytes of its descriptor")
            yield rest
            self.position += len(rest)
            self.tally.add(done=len(rest), sent_bytes=len(rest))


def _send(target: Store, blob: _Blob) -> None:
    if not isinstance(target, FolderStore):
        from mlci.store.registry import RegistryStore

        if isinstance(target, RegistryStore):
            return target.upload(blob.blob.digest, blob.blob.size, blob.read)
    with blob.read(0) as chunks:
        target.put_blob(chunks, expected=blob.blob.digest)
    return None


def _tag(target: Store, root: Manifest, tag: str) -> None:
    try:
        target.put_manifest(root.raw, root.media_type, tag=tag)
    except NotFound:
        raise
    except WorldError:
        if target.resolve(tag) != root.digest:  # a tag that cannot change is right if it is this one
            raise
        return
    found = target.resolve(tag)
    if found != root.digest:
        raise WorldError(f"after copying, {tag} is {found}", help="somebody else set it at the same time")


def _check(target: Store, wanted: Manifest | Descriptor) -> None:
    right = (
        _there(target, wanted.digest).raw == wanted.raw
        if isinstance(wanted, Manifest)
        else target.has_blob(wanted.digest)
    )
    if not right:
        raise WorldError(f"after copying, the target does not have {wanted.digest}", help="copy once more")


def _there(target: Store, digest: str) -> Manifest:
    """A manifest as the target has it, not as it may be remembered."""
    if not isinstance(target, FolderStore):
        from mlci.store.registry import RegistryStore

        if isinstance(target, RegistryStore):
            return RegistryStore.get_manifest(target, digest)
    return target.get_manifest(digest)


def is_one_place(source: Store, target: Store) -> bool:
    """Whether both are the same folder, or the same repository."""
    if isinstance(source, FolderStore) and isinstance(target, FolderStore):
        return source.root.resolve() == target.root.resolve()
    both = _one_registry(source, target)
    return both is not None and both[0].repository == both[1].repository


def _one_registry(source: Store, target: Store) -> tuple[RegistryStore, RegistryStore] | None:
    """Both, when they are repositories of one registry."""
    if isinstance(source, FolderStore) or isinstance(target, FolderStore):
        return None
    from mlci.store.registry import RegistryStore

    if isinstance(source, RegistryStore) and isinstance(target, RegistryStore) and source.registry == target.registry:
        return source, target
    return None
