"""An environment's log: every record of what moved there, each naming the one before, in the store beside the images.

It is an OCI artifact under the tag `ENV.log` (a name of an environment has no dot). Its layers are segments, JSON
lines: a line is the Sigstore bundle of a record, or the bare statement where nothing signed it. A record names the
digest of the statement before it (`before`), so nothing can be taken out, put in or put elsewhere without a trace; what
is cut off at the end shows in the tags and in the records on the images (see `audit`).

Sixteen segments of one record become one of sixteen, and sixteen of those one of 256, which never changes again: an
append writes little, and ten thousand records are read in some fifty requests.

No registry compares before it sets a tag. So whoever appends looks whether the log is what was read, writes, waits
until somebody who had read the same must have written too, and looks again: who does not find the own record has lost.
In a folder a lock keeps others out.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlci.errors import WorldError
from mlci.evidence import signing
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing.bundle import parse_bundle
from mlci.evidence.statement import strict_json
from mlci.store import (
    MANIFEST,
    Descriptor,
    FolderStore,
    Manifest,
    NotFound,
    Store,
    artifact,
    canonical,
    is_digest,
    put_blobs,
    read_layers,
    sha256,
)
from mlci.store.closure import each

LOG = "application/vnd.mlci.log.v1"
SEGMENT = "application/vnd.mlci.log.v1+jsonl"
KINDS = ("promotion", "rollback", "taken back", "withdrawn")
COUNT = "dev.mlci.records"
"""The annotation of a segment with the number of its records; it saves reading, and is never believed for more."""
_TOGETHER = 16
_MOST_RECORDS = 256
MOST_BYTES = 1 << 20
"""Segments do not grow beyond this by being put together; a line may have as many bytes."""
_MOST_SEGMENTS = 10_000
SETTLE_S = 0.12
"""The least wait before looking again."""
_SLOWER = 2.0
"""And how much longer than our own look and write took it is at least."""
_LOOKS = 5
_LOOK_S = 0.05
_BARE = b'{"_type":'
_CHANCE = random.SystemRandom()


@dataclass(frozen=True)
class Entry:
    """One record of the log: its number, the digest that is there from then on (None: nothing), and its receipt.

    `statement` is the digest of the statement's bytes, `signer` the name of the trusted signer of it, None if nobody
    known has signed it; `line` are the bytes of the log.
    """

    number: int
    digest: str | None
    receipt: Receipt
    statement: str
    signer: str | None = None
    line: bytes = field(default=b"", repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What its receipt says."""
        return self.receipt.facts


@dataclass(frozen=True)
class Flaw:
    """Something that does not hold: where it stands (`record 17`, `tag prod-000017`), and what is wrong."""

    where: str
    what: str


@dataclass(frozen=True)
class Log:
    """What could be read, oldest first, and what is wrong with it."""

    entries: tuple[Entry, ...] = ()
    problems: tuple[Flaw, ...] = ()


@dataclass(frozen=True)
class End:
    """Where a log ends now: the digest of its manifest (None: there is no log yet), its segments, the newest record."""

    digest: str | None = None
    segments: tuple[Descriptor, ...] = ()
    head: Entry | None = None


class Lost(WorldError):
    """Somebody else was faster."""


class Gone(WorldError):
    """There was a log, and it is not there any more."""


def tag(environment: str) -> str:
    """Where an environment's log is."""
    return f"{environment}.log"


def turn(store: Store) -> AbstractContextManager[None]:
    """Keep others out while a record is written and carried out, as far as the store can: a folder has a lock."""
    return store.exclusive() if isinstance(store, FolderStore) else nullcontext()


def read(store: Store, environment: str, trusted: signing.Trusted | None = None) -> Log:
    """The whole log, each record held against its signature, its form and the record before it.

    Without `trusted` no signature is looked at. Raises WorldError when the store cannot be read; what is wrong with the
    log itself stands in the answer.
    """
    try:
        manifest = _manifest(store, environment, False)
    except Gone as error:
        return Log((), (Flaw("log", error.message),))
    if manifest is None:
        return Log()
    entries: list[Entry] = []
    problems: list[Flaw] = []
    position = 0
    for content in each(store, lambda one: _read(store, one), _segments(manifest)):
        if isinstance(content, Flaw):
            problems.append(content)
            continue
        for line in content:
            position += 1
            try:
                entry, problem = parse(line, environment, trusted)
            except (ValueError, KeyError, TypeError, AttributeError, WorldError) as error:
                problems.append(Flaw(f"line {position} of the log", f"it is no record: {error}"))
                continue
            entries.append(entry)
            problems += [Flaw(f"record {entry.number}", problem)] if problem else []
    return Log(tuple(entries), (*problems, *chained(entries)))


def end(store: Store, environment: str, trusted: signing.Trusted | None = None, *, fresh: bool = False) -> End:
    """Where the log ends; lines that are no records are passed over. Raises WorldError when the log is not there.

    `fresh`: as it is now, and not as a store remembers it of a moment ago.
    """
    manifest = _manifest(store, environment, fresh)
    if manifest is None:
        return End()
    segments = tuple(_segments(manifest))
    return End(manifest.digest, segments, next(newest(store, environment, segments, trusted), None))


def newest(
    store: Store, environment: str, segments: Sequence[Descriptor], trusted: signing.Trusted | None = None
) -> Iterator[Entry]:
    """The records from the newest to the oldest; a segment is read when it is its turn. Raises WorldError."""
    for segment in reversed(segments):
        content = _read(store, segment)
        if isinstance(content, Flaw):
            raise WorldError(f"{tag(environment)} cannot be read: {content.what}", help=f"mlci audit {environment}")
        for line in reversed(content):
            try:
                yield parse(line, environment, trusted)[0]
            except (ValueError, KeyError, TypeError, AttributeError, WorldError):
                continue


def line(receipt: Receipt, signer: signing.Signer | None, unsigned: Callable[[str], None] | None = None) -> bytes:
    """A record as it stands in the log.

    Raises WorldError when it is too long, or cannot be signed; with `unsigned` that is told, and it stays unsigned.
    """
    raw = receipt.to_bytes()
    try:
        raw = canonical(json.loads(signer.sign([raw])[0])) if signer else raw
    except WorldError as error:
        if unsigned is None:
            raise
        unsigned(error.message)
    if len(raw) > MOST_BYTES:
        raise WorldError(f"a record of {len(raw):,} bytes is longer than a line of the log ({MOST_BYTES:,})")
    return raw


def parse(raw: bytes, environment: str, trusted: signing.Trusted | None = None) -> tuple[Entry, str]:
    """The record of a line, and what is wrong with its signature.

    Raises ValueError, KeyError, TypeError, AttributeError and Refused for what is none of this environment.
    """
    signer, problem = None, ""
    if raw.startswith(_BARE):
        payload = raw
        problem = "nobody has signed it" if trusted and trusted.signers else ""
    else:
        bundle = parse_bundle(raw)
        payload = bundle.payload
        if trusted and trusted.signers:
            try:
                signer = signing.signer_of(raw, bundle, trusted)
            except WorldError as error:
                problem = f"its signature does not count: {error.message}"
    receipt = Receipt.from_document(strict_json(payload))
    facts, digest = receipt.facts, receipt.facts["digest"]
    if facts["environment"] != environment:
        raise ValueError(f"it is a record of {facts['environment']!r}")
    if not isinstance(facts["number"], int) or facts["number"] < 1 or facts["kind"] not in KINDS:
        raise ValueError("it has no number, or is of no known kind")
    if not isinstance(facts.get("restores", 0), int):
        raise ValueError("it restores no number")
    if (digest is None) != (facts["kind"] == "withdrawn") or not (digest is None or is_digest(digest)):
        raise ValueError("it has no digest")
    if "image" not in receipt.subjects or digest not in (None, receipt.subjects["image"]):
        raise ValueError("it moves another digest than it is about")
    if not (isinstance(receipt.builder, dict) and isinstance(receipt.source, dict) and isinstance(facts["why"], str)):
        raise ValueError("it does not say who did it, or why")
    moment(receipt.finished)
    return Entry(facts["number"], digest, receipt, sha256(payload), signer, raw), problem


def chained(entries: Iterable[Entry]) -> Iterator[Flaw]:
    """What is wrong with the order of records: each names the statement before it, and numbers rise."""
    last: Entry | None = None
    for entry in entries:
        where, before = f"record {entry.number}", entry.facts.get("before")
        if before != (last.statement if last else None):
            what = f"record {last.number}, {last.statement[:19]}" if last else "nothing"
            yield Flaw(where, f"it follows {str(before)[:19] if before else 'nothing'}, and stands after {what}")
        if last and entry.number <= last.number:
            yield Flaw(where, f"it stands after record {last.number}")
        last = entry


def append(store: Store, environment: str, known: End, raw: bytes, beside: Sequence[bytes] = ()) -> None:
    """Put a line at the end of the log that was read as `known`. Blobs that will be needed go along `beside` it.

    Raises Lost when somebody else's came first, before anything is changed or after the wait.
    """
    (digest, size), *_ = put_blobs(store, [raw + b"\n", *beside])
    added = Descriptor(SEGMENT, digest, size, annotations={COUNT: "1"})
    segments = _together(store, (*known.segments, added))
    manifest = artifact(LOG, segments, annotations={"dev.mlci.environment": environment})
    began = time.monotonic()
    if _digest(store, environment) != known.digest:
        raise Lost(f"{tag(environment)} was written by somebody else")
    target = store.put_manifest(manifest, MANIFEST, tag=tag(environment))
    if isinstance(store, FolderStore):
        return
    time.sleep(max(SETTLE_S, _SLOWER * (time.monotonic() - began)) * _CHANCE.uniform(1, 1.5))
    if _digest(store, environment) != target.digest and not holds(store, environment, raw):
        raise Lost(f"{tag(environment)} was written over by somebody else")


def without_last(store: Store, known: End) -> End:
    """The same log without its newest record, to append another in its place; raises Lost when it is not there."""
    *rest, last = known.segments
    content = _read(store, last)
    if known.head is None or isinstance(content, Flaw) or known.head.line not in content:
        raise Lost(f"{tag(known.head.facts['environment'] if known.head else '')} ends with something else")
    lines = content[: content.index(known.head.line)]
    if lines:
        digest, size = store.put_blob(iter([b"".join(one + b"\n" for one in lines)]))
        rest.append(Descriptor(SEGMENT, digest, size, annotations={COUNT: str(len(lines))}))
    return End(known.digest, tuple(rest))


def holds(store: Store, environment: str, raw: bytes) -> bool:
    """Whether the statement of a line is in the log, now."""
    wanted, known = parse(raw, environment)[0], end(store, environment, fresh=True)
    if known.head and known.head.statement == wanted.statement:
        return True
    for entry in newest(store, environment, known.segments):
        if entry.statement == wanted.statement:
            return True
        if entry.number < wanted.number:
            break
    return False


def moment(text: str) -> datetime:
    """A time in RFC 3339; raises ValueError for another text, and TypeError for none."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} does not say in which time zone it is")
    return found


def _digest(store: Store, environment: str) -> str | None:
    """What the log's tag is now, not what it was a moment ago."""
    manifest = _manifest(store, environment, True)
    return manifest.digest if manifest else None


def _manifest(store: Store, environment: str, fresh: bool) -> Manifest | None:
    """The log's manifest; None where nothing was ever moved.

    A registry on a disk may show no tag for the moment in which somebody writes it, so where the environment is there,
    the log is looked for again. Raises Gone when it stays away.
    """
    for attempt in range(_LOOKS):
        named = tag(environment) if fresh else store.resolve(tag(environment))
        with suppress(NotFound):
            if named:
                return store.get_manifest(named)
        if attempt == 0 and not store.resolve(environment):
            return None
        time.sleep(_LOOK_S * attempt)
    raise Gone(
        f"there is no {tag(environment)} any more, and {environment} was moved before",
        help=f"`mlci audit {environment}` says what is left, with --rebuild it is put together again from the images",
    )


def _segments(manifest: Manifest) -> list[Descriptor]:
    return read_layers(manifest)[:_MOST_SEGMENTS]


def _read(store: Store, segment: Descriptor) -> list[bytes] | Flaw:
    """The lines of a segment, or what is wrong with it as a whole."""
    where, most = f"segment {segment.digest[:19]}", 2 * MOST_BYTES
    if segment.media_type != SEGMENT or segment.size > most:
        return Flaw(where, f"it is a {segment.media_type} of {segment.size:,} bytes, and no segment of a log")
    try:
        with store.open_blob(segment.digest) as stream:
            raw = stream.read(most + 1)
    except WorldError as error:
        return Flaw(where, error.message)
    return [one for one in raw.split(b"\n") if one] if len(raw) <= most else Flaw(where, "it is too large")


def _together(store: Store, segments: tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
    """The last sixteen segments of one size as one, as long as there are sixteen, up to 256 records or MOST_BYTES."""
    while len(segments) >= _TOGETHER:
        last = segments[-_TOGETHER:]
        counts = {segment.annotations.get(COUNT, "") for segment in last}
        count = _TOGETHER * int(only) if len(counts) == 1 and (only := counts.pop()).isdecimal() else 0
        if not 0 < count <= _MOST_RECORDS or sum(segment.size for segment in last) > MOST_BYTES:
            break
        parts = each(store, lambda one: _read(store, one), last)
        lines = [one for part in parts if not isinstance(part, Flaw) for one in part]
        if any(isinstance(part, Flaw) for part in parts):
            break
        digest, size = store.put_blob(iter([b"".join(one + b"\n" for one in lines)]))
        segments = (*segments[:-_TOGETHER], Descriptor(SEGMENT, digest, size, annotations={COUNT: str(count)}))
    return segments
