"""What refers to a manifest: by the referrers API and by the fallback tag, merged (distribution spec 1.1, "Referrers").

The fallback is an index under the tag `sha256-<hex>` that every writer replaces, and no registry compares before it
sets. So a writer puts into it all that it has ever seen there, waits until whoever had read the earlier state must have
written, and looks again, until what it wrote is still there. A writer that stands still for longer than that wait,
between reading and writing, can still undo another's; nothing in the protocol can prevent it.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from mlci.errors import WorldError
from mlci.store.errors import NotFound
from mlci.store.index import MOST_BYTES, as_referrer, children, parse_manifest, referrers_index, referrers_tag
from mlci.store.protocol import EMPTY, INDEX, Descriptor, Manifest
from mlci.store.registry.client import CHANCE, Answer, Client, Scopes
from mlci.store.registry.guard import follow, shown

SETTLE_S = 0.12
"""The least wait before looking again."""
_SLOWER = 4.0
"""And how much longer than our own slowest write it is at least."""
_MOST_ROUNDS = 60
_MOST_PAGES = 1000
MOST_REFERRERS = 10_000
_UNKNOWN = re.compile(rb"NAME_UNKNOWN|MANIFEST_UNKNOWN|NOT_FOUND")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


class Referrers:
    """The referrers in one repository."""

    def __init__(
        self,
        client: Client,
        path: str,
        get: Callable[[str], Manifest],
        put: Callable[[bytes, str, str], object],
    ) -> None:
        self._client = client
        self._path = path
        self._get = get
        self._put = put
        self._has_api = True
        self._wanted: dict[str, dict[str, Descriptor]] = defaultdict(dict)
        self._turn: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def listed(self, subject: str, scopes: Scopes) -> list[Descriptor]:
        """All referrers of a manifest, each with the artifact type that its own manifest says."""
        found = {entry.digest: entry for entry in (*self._by_tag(subject), *self._by_api(subject, scopes))}
        return [self._described(entry) for entry in found.values()]

    def add(self, subject: str, referrers: Iterable[Descriptor]) -> None:
        """Write referrers into the fallback index, among what is there; raises WorldError when they do not stay.

        Threads that have one subject take turns, and each writes what all of them want.
        """
        mine = {referrer.digest: referrer for referrer in referrers}
        with self._lock:
            self._wanted[subject] |= mine
            turn = self._turn[subject]
        with turn:
            with self._lock:
                wanted = dict(self._wanted[subject])
            if mine.keys() & wanted.keys():
                self._write(subject, wanted)
                with self._lock:
                    for digest in wanted:
                        del self._wanted[subject][digest]

    def _write(self, subject: str, wanted: dict[str, Descriptor]) -> None:
        seen: dict[str, Descriptor] = {}
        slowest, written = 0.0, False
        for attempt in range(_MOST_ROUNDS):
            began = time.monotonic()
            # a registry on a disk may show no tag at all for the moment in which another writer replaces it
            there = {entry.digest: entry for entry in self._by_tag(subject) or self._by_tag(subject)}
            seen |= there
            if wanted.keys() <= there.keys() and (not written or seen.keys() <= there.keys()):
                return
            self._put(referrers_index(list({**seen, **wanted}.values())), INDEX, referrers_tag(subject))
            seen, written = {**seen, **wanted}, True
            slowest = max(slowest, time.monotonic() - began)
            settle = max(SETTLE_S, _SLOWER * slowest)
            time.sleep(settle * CHANCE.uniform(1, 1.5 + min(attempt, 6) / 2))
        raise WorldError(
            f"others keep writing over the list of what refers to {subject}", help="run it again when they are done"
        )

    def _by_tag(self, subject: str) -> list[Descriptor]:
        try:
            manifest = self._get(referrers_tag(subject))
        except NotFound:
            return []
        if manifest.digest == subject or manifest.media_type != INDEX:
            return []  # some registries read the tag `sha256-<hex>` as the digest
        return children(parse_manifest(manifest.raw))[0]

    def _by_api(self, subject: str, scopes: Scopes) -> list[Descriptor]:
        if not self._has_api:
            return []
        found: list[Descriptor] = []
        absent = (400, 404, 405, 501)
        url = f"{self._path}/referrers/{subject}"
        for answer in pages(self._client, url, scopes, ok=(200, *absent), headers={"Accept": INDEX}):
            given = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            if answer.status == 404 and _UNKNOWN.search(answer.body):
                break  # some that have it say so where the repository, or the manifest, is not there yet
            if answer.status != 200 or given != INDEX:
                self._has_api = False
                break
            found += children(parse_manifest(answer.body, INDEX))[0]
            if len(found) > MOST_REFERRERS:
                raise WorldError(f"{self._client.registry.host} lists more than {MOST_REFERRERS:,} things of {subject}")
        return found

    def _described(self, entry: Descriptor) -> Descriptor:
        """Some registries list the type of the config, or none, where the manifest has an artifact type."""
        if entry.artifact_type not in (None, "", EMPTY):
            return entry
        try:
            manifest = self._get(entry.digest)
        except NotFound:
            return entry
        return as_referrer(parse_manifest(manifest.raw, manifest.media_type), manifest.descriptor)


def pages(
    client: Client, url: str, scopes: Scopes, *, ok: tuple[int, ...], headers: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """A list, page by page (RFC 8288, "Link"); raises WorldError where it has no end or leads to where it may not."""
    asked: set[str] = set()
    while url not in asked and len(asked) < _MOST_PAGES:
        asked.add(url)
        answer = client.ask("GET", url, scopes, ok=ok, headers=headers, most=MOST_BYTES)
        yield answer
        following = _NEXT.search(answer.headers.get("Link", ""))
        if not following:
            return
        url = follow(client.registry, answer.url, following[1], "the next page")
    raise WorldError(f"the list at {shown(url)} has no end")
