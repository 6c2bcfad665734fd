"""Whether a store is whole: what a tag leads to is there, and all that is there has its bytes and its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlci.errors import WorldError
from mlci.store.digest import chunks_of, is_digest
from mlci.store.errors import NotFound
from mlci.store.index import children, parse_manifest
from mlci.store.protocol import Descriptor, Store


def problems(store: Store, entries: Sequence[dict[str, Any]], there: Sequence[str]) -> Iterator[str]:
    """Each thing that is wrong with what the descriptors lead to, and with the blobs `there`, as a line for people."""
    todo = [("index.json", Descriptor.from_json(entry), True) for entry in reversed(entries)]
    sizes: dict[str, int | None] = {}
    here = set(there)
    while todo:
        where, found, is_manifest = todo.pop()
        if found.digest not in sizes:
            sizes[found.digest] = None
            if found.digest not in here and _can_be_had(store, found.digest):
                continue
            try:
                sizes[found.digest], inside = _look(store, found.digest, is_manifest)
                todo += inside
            except NotFound:
                yield f"{found.digest} is missing (named by {where})"
            except WorldError as error:
                yield f"{found.digest}: {error.message} (named by {where})"
        size = sizes[found.digest]
        if size not in (None, found.size):
            yield f"{found.digest} has {size:,} bytes instead of {found.size:,} (named by {where})"
    for digest in there:
        if digest not in sizes:
            try:
                _look(store, digest, is_manifest=False)
            except WorldError as error:
                yield f"{digest}: {error.message} (not named by anything)"


def _can_be_had(store: Store, digest: str) -> bool:
    """Whether a blob that is not here is known to be elsewhere."""
    return is_digest(digest) and store.has_blob(digest)


def _look(store: Store, digest: str, is_manifest: bool) -> tuple[int, list[tuple[str, Descriptor, bool]]]:
    """The size of what is there, and what it names in its turn."""
    if not is_manifest:
        with store.open_blob(digest) as stream:
            return sum(len(chunk) for chunk in chunks_of(stream)), []
    raw = store.get_manifest(digest).raw
    manifests, blobs = children(parse_manifest(raw))
    return len(raw), [(digest, part, part in manifests) for part in (*manifests, *blobs)]
