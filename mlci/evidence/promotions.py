"""What was promoted to an environment, and when: its log says so, and the tags follow.

A record is in the log first; that is when it happened. Then the tag `ENV-000001` is set, which never moves, and `ENV`,
which does, and the record with its signature goes on the image. Whatever a kill leaves undone of that, the next one
does (`mend`). Who was slower than somebody else has changed nothing, and is told so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from mlci.errors import UsageError, WorldError
from mlci.evidence import log, results, signing
from mlci.evidence.log import End, Entry, Lost
from mlci.evidence.receipt import MEDIA_TYPE, Receipt
from mlci.evidence.signing.attach import STATEMENT
from mlci.store import Document, FolderStore, Manifest, NotFound, Store, attach, read_layers, sha256
from mlci.store.closure import each

_TRIES = 3


def numbered(environment: str, number: int) -> str:
    """The tag of one promotion."""
    return f"{environment}-{number:06d}"


def numbers(store: Store, environment: str) -> list[int]:
    """The numbers that tags have, rising."""
    pattern = re.compile(re.escape(environment) + r"-(\d{6,})")
    return sorted(int(m[1]) for tag in store.tags(f"{environment}-") if (m := pattern.fullmatch(tag)))


def head(store: Store, environment: str, trusted: signing.Trusted | None = None) -> Entry | None:
    """The newest record of an environment; None where nothing was moved yet."""
    return log.end(store, environment, trusted).head


def current(store: Store, environment: str) -> str | None:
    """The digest that the newest record put there."""
    newest = head(store, environment)
    return newest.digest if newest else None


def place(store: Store, environment: str) -> dict[str, Any]:
    """The facts that place the next record: its number, the digest that it replaces, the statement that it follows.

    A number whose tag is there without a record, whoever set it, is left out.
    """
    newest = head(store, environment)
    number = newest.number + 1 if newest else 1
    if store.resolve(numbered(environment, number)):
        number = max(number, *numbers(store, environment)) + 1
    return {
        "environment": environment,
        "number": number,
        "previous": newest.digest if newest else None,
        "before": newest.statement if newest else None,
    }


def record(
    store: Store,
    environment: str,
    receipt: Receipt,
    signer: signing.Signer | None = None,
    *,
    trusted: signing.Trusted | None = None,
    unsigned: Callable[[str], None] | None = None,
) -> Entry:
    """Commit what a receipt describes, and carry it out; returns the newest record.

    Its facts say where it belongs (`place`). A second time changes nothing; after a kill in between, doing it again
    completes it. Where signers are trusted, what another left undone is completed only if one of them signed it.
    Raises Lost when somebody else moved the environment since, WorldError when it cannot be written, or signed; with
    `unsigned` that is told instead, and the record goes unsigned.
    """
    statement = sha256(receipt.to_bytes())
    with log.turn(store):
        known = log.end(store, environment, trusted)
        if _last(known) not in (statement, receipt.facts["before"]):
            known = log.end(store, environment, trusted, fresh=True)
        newest = known.head
        if newest is None or newest.number < receipt.facts["number"]:
            _follow(store, environment, receipt, known, trusted)
            newest = _append(store, environment, known, receipt, log.line(receipt, signer, unsigned))
        elif statement not in (newest.statement, *_statements(store, environment, known, receipt.facts["number"])):
            raise _lost(environment, newest)
        if newest.statement == statement or counts(newest, trusted):
            mend(store, environment, newest)
            _stays(store, environment, newest)
        return newest


def mend(store: Store, environment: str, newest: Entry) -> None:
    """Carry out what the newest record says as far as that is not done: the tags, then the record on the image.

    Raises WorldError when the number's tag is on something else, and NotFound when the image is gone.
    """
    if newest.digest is None:
        with suppress(UsageError):  # not every registry can take a tag away
            store.untag(environment)
    else:
        manifest = store.get_manifest(newest.digest)
        _numbered(store, environment, newest, manifest)
        each(store, _call, [partial(_moved, store, environment, manifest), partial(_attach, store, newest)])
        return
    _attach(store, newest)


def _numbered(store: Store, environment: str, newest: Entry, manifest: Manifest) -> None:
    """The tag that never moves: it is set only where it is not there, and looked at before and after."""
    tag = numbered(environment, newest.number)
    found = _now(store, tag)
    if found is None:
        store.put_manifest(manifest.raw, manifest.media_type, tag=tag)
        found = _now(store, tag)
    if found != newest.digest:
        raise _taken(store, environment, newest)


def _moved(store: Store, environment: str, manifest: Manifest) -> None:
    if store.resolve(environment) == manifest.digest:
        return
    store.put_manifest(manifest.raw, manifest.media_type, tag=environment)
    if (found := _now(store, environment)) != manifest.digest:
        raise WorldError(
            f"{environment} was set to {manifest.digest} and is {found}",
            help=f"somebody else moves it, not with mlci: `mlci audit {environment}` says what is wrong",
        )


def _call(act: Callable[[], None]) -> None:
    act()


def mended(store: Store, environment: str, trusted: signing.Trusted | None = None) -> None:
    """Do what a kill after the newest record left undone; two questions where that is nothing."""
    newest = head(store, environment, trusted)
    if newest and counts(newest, trusted) and not carried_out(store, environment, newest):
        with log.turn(store):
            mend(store, environment, newest)


def carried_out(store: Store, environment: str, newest: Entry) -> bool:
    """Whether the tags are where the newest record of an environment says."""
    there = newest.digest is None or store.resolve(numbered(environment, newest.number)) == newest.digest
    return there and store.resolve(environment) == newest.digest


def _follow(store: Store, environment: str, receipt: Receipt, known: End, trusted: signing.Trusted | None) -> None:
    """Make sure that the receipt follows the newest record, and that this one is carried out."""
    newest = known.head
    if receipt.facts["before"] != _last(known):
        raise _lost(environment, newest)
    if newest and counts(newest, trusted):
        with suppress(NotFound):  # its image is gone: that is no reason not to put another there
            mend(store, environment, newest)


def _last(known: End) -> str | None:
    return known.head.statement if known.head else None


def _append(store: Store, environment: str, known: End, receipt: Receipt, line: bytes) -> Entry:
    """The line; what will be a referrer of the image is sent beside it, as blobs that nothing names yet."""
    try:
        log.append(store, environment, known, line, list(dict.fromkeys([receipt.to_bytes(), line])))
    except Lost:
        raise _lost(environment, log.end(store, environment, fresh=True).head) from None
    return log.parse(line, environment)[0]


def counts(entry: Entry, trusted: signing.Trusted | None) -> bool:
    """Whether to act on a record that somebody else wrote: with signers that are trusted, if one of them signed it."""
    return trusted is None or not trusted.signers or entry.signer is not None


def _stays(store: Store, environment: str, newest: Entry) -> None:
    """Put the record back into the log, if somebody who stood still for long wrote over it after all.

    The number's tag is the arbiter: it is set and looked at, so the other finds it taken, and gives way.
    """
    if isinstance(store, FolderStore) or log.holds(store, environment, newest.line):
        return
    _reinstate(store, environment, newest)


def _taken(store: Store, environment: str, mine: Entry) -> WorldError:
    """The number has another digest; if a record on that has the number too, the log was written over: put it back."""
    tag = numbered(environment, mine.number)
    found = _now(store, tag)
    there = (one for one in on_image(store, environment, found) if one.number == mine.number) if found else iter(())
    winner = next((one for one in there if one.digest == found), None)
    if winner and winner.facts.get("before") == mine.facts.get("before"):
        _reinstate(store, environment, winner)
        return _lost(environment, winner)
    return WorldError(
        f"the number {tag} is taken: it is {found}",
        help=f"no record says so: `mlci audit {environment}`, and take the tag away",
    )


def _reinstate(store: Store, environment: str, rightful: Entry) -> None:
    """Make this the newest record, in the place of one that follows the same one."""
    for _ in range(_TRIES):
        known = log.end(store, environment, fresh=True)
        last = known.head
        if last is None or last.statement == rightful.statement or last.facts["before"] != rightful.facts["before"]:
            return
        with suppress(Lost):
            log.append(store, environment, log.without_last(store, known), rightful.line)


def on_image(store: Store, environment: str, digest: str) -> Iterator[Entry]:
    """The records of an environment as they are kept on an image, signed where they were signed."""
    of = (f"promote:{environment}", f"rollback:{environment}")
    listed = store.referrers(digest)
    bundles = {d.annotations.get(STATEMENT): d for d in listed if d.artifact_type == signing.BUNDLE}
    ours = (d for d in listed if d.artifact_type == MEDIA_TYPE and d.annotations.get("dev.mlci.step") in of)
    for one in ours:
        with suppress(ValueError, LookupError, TypeError, AttributeError, WorldError):
            entry, _ = log.parse(_blob(store, one.digest), environment)
            if digest in (entry.digest, entry.receipt.subjects["image"]):
                signed = bundles.get(entry.statement)
                yield log.parse(_blob(store, signed.digest), environment)[0] if signed else entry


def _blob(store: Store, digest: str) -> bytes:
    with store.open_blob(read_layers(store.get_manifest(digest))[0].digest) as stream:
        return stream.read(log.MOST_BYTES)


def _attach(store: Store, newest: Entry) -> None:
    """The record, and its signature, as referrers of the image that it is about."""
    about = newest.digest or newest.receipt.subjects["image"]
    documents: list[Document] = [results.document(newest.receipt)]
    if sha256(newest.line) != newest.statement:
        documents.append(signing.kept(newest.line))
    attach(store, documents, store.get_manifest(about).descriptor)


def _statements(store: Store, environment: str, known: End, number: int) -> list[str]:
    """The statements of this number and above."""
    found = []
    for entry in log.newest(store, environment, known.segments):
        if entry.number < number:
            break
        found.append(entry.statement)
    return found


def _now(store: Store, tag: str) -> str | None:
    """What a tag is now, not what it was a moment ago."""
    try:
        return store.get_manifest(tag).digest
    except NotFound:
        return None


def _lost(environment: str, winner: Entry | None) -> Lost:
    if winner is None:
        return Lost(f"{environment} was moved by somebody else at the same time", help="run it again")
    what = f"{winner.digest[:19]} is there" if winner.digest else "nothing is there"
    return Lost(
        f"{environment} was moved by somebody else at the same time: since {winner.receipt.finished} {what},"
        f" number {winner.number} ({who(winner.receipt)}: {winner.facts['why']})",
        help=f"nothing was changed; look at `mlci history {environment}`, and run it again",
    )


def who(receipt: Receipt) -> str:
    """Who did it, as the receipt says: the run of a CI, or a person on a machine."""
    builder = receipt.builder
    return str(builder.get("ci") or f"{builder.get('user')}@{builder.get('host')}")


def history(store: Store, environment: str, trusted: signing.Trusted | None = None) -> list[Entry]:
    """Every record of the environment, oldest first."""
    return list(log.read(store, environment, trusted).entries)


def serving(store: Store, environment: str, *, deploys: bool) -> str | None:
    """The digest that serves in the environment: the newest promoted one that was also deployed well, if it deploys."""
    if not deploys:
        return current(store, environment)
    asked: set[str | None] = {None}
    for entry in log.newest(store, environment, log.end(store, environment).segments):
        if entry.digest not in asked and deployed_well(store, environment, str(entry.digest)):
            return entry.digest
        asked.add(entry.digest)
    return None


def before(
    store: Store,
    environment: str,
    *,
    deploys: bool,
    trusted: signing.Trusted | None = None,
    refused: Callable[[str], object] = lambda _digest: False,
) -> Entry | None:
    """What a rollback goes back to: the newest earlier digest that served well, and is not `refused`.

    A record that restored an earlier one stands at that one's place, so a second rollback goes further back. Where
    signers are trusted, only what one of them put there counts.
    """
    past = {entry.number: entry for entry in history(store, environment, trusted)}
    now = stand = past.get(max(past, default=0))
    while stand and (restored := past.get(stand.facts.get("restores", 0))) and restored.number < stand.number:
        stand = restored
    if now is None or stand is None:
        return None
    earlier = (past[number] for number in sorted(past, reverse=True) if number < stand.number)
    others = (e for e in earlier if e.digest not in (None, now.digest) and counts(e, trusted))
    well = (e for e in others if not deploys or deployed_well(store, environment, str(e.digest)))
    return next((e for e in well if not refused(str(e.digest))), None)


def place_of(store: Store, environment: str, digest: str) -> int:
    """The newest number under which a digest was put there; 0 when it never was."""
    past = log.newest(store, environment, log.end(store, environment).segments)
    return next((entry.number for entry in past if entry.digest == digest), 0)


def deployed_well(store: Store, environment: str, digest: str) -> bool:
    """Whether the digest's newest deployment to the environment was a success."""
    deployments = [r for r in results.on(store, digest) if r.step == f"deploy:{environment}"]
    return bool(deployments) and deployments[-1].verdict == "pass"
