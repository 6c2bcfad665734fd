"""Images and moves for the tests of an environment's log."""

from __future__ import annotations

import itertools
import multiprocessing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from mlci.errors import WorldError
from mlci.evidence import promotions, results
from mlci.evidence.log import Entry, Lost
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing import Signer
from mlci.store import FolderStore, Store, put_artifact
from mlci.store.registry import RegistryStore

_BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SECONDS = itertools.count(1)


def image(store: Store, name: str) -> str:
    """Something to promote; its digest."""
    return put_artifact(store, f"application/vnd.test.{name}", []).digest


def now() -> str:
    """One second after the last answer."""
    return (_BEGIN + timedelta(seconds=next(_SECONDS))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def receipt(
    store: Store, digest: str | None, *, environment: str = "prod", about: str | None = None, **facts: object
) -> Receipt:
    """The receipt of a move that comes next, by somebody named Ann."""
    placed = promotions.place(store, environment)
    said = {**placed, "digest": digest, "kind": "promotion", "why": "promoted", "reasons": [], "evidence": {}, **facts}
    step = f"{'rollback' if said['kind'] == 'rollback' else 'promote'}:{environment}"
    builder = {"user": "ann", "host": "laptop"}
    subjects = {"image": str(digest or about)}
    verdict = "pass" if digest else "rolled-back"
    return Receipt(step, "k", verdict, "", subjects, facts=said, builder=builder, finished=now())


def move(store: Store, digest: str | None, signer: Signer | None = None, **facts: object) -> Entry:
    """Carry a move out."""
    return promotions.record(store, "prod", receipt(store, digest, **facts), signer)  # type: ignore[arg-type]


def deploy(store: Store, digest: str, verdict: str = "pass") -> None:
    """Leave the record of a deployment."""
    done = Receipt("deploy:prod", "k", verdict, "", {"image": digest}, finished=now())  # type: ignore[arg-type]
    results.attach(store, done, store.get_manifest(digest).descriptor)


def opened(where: str) -> Store:
    """The store of a folder's path, or of a repository's name."""
    return FolderStore(Path(where)) if where.startswith("/") else RegistryStore(where)


def settled(where: str, digest: str) -> None:
    """Promote as the step does: what is there already is only completed.

    A registry may still be at work for one who was killed; whoever is told so does it again.
    """
    try:
        _settled(where, digest)
    except Lost:
        _settled(where, digest)


def _settled(where: str, digest: str) -> None:
    store = opened(where)
    newest = promotions.head(store, "prod")
    done = newest.receipt if newest and newest.digest == digest else receipt(store, digest)
    promotions.record(store, "prod", done)


@dataclass(frozen=True)
class Race:
    """What two processes found who moved one environment at once: who won each round, and what the other was told."""

    winners: list[str]
    told: list[str]


def race(where: str, rounds: int) -> Race:
    """Let two processes see the same state and move it at once, as often as asked."""
    spawn = multiprocessing.get_context("spawn")
    digests = [image(opened(where), name) for name in "ab"]
    barrier, answers = spawn.Barrier(2, timeout=120), spawn.Queue()
    racers = [spawn.Process(target=_run, args=(where, digest, rounds, barrier, answers)) for digest in digests]
    for racer in racers:
        racer.start()
    found = [answers.get(timeout=300) for _ in range(2 * rounds)]
    for racer in racers:
        racer.join(60)
    won = {number: digest for number, digest, told in found if not told}
    assert len(won) == sum(not told for *_, told in found) == rounds, found
    return Race([won[number] for number in range(rounds)], [told for *_, told in found if told])


def _run(where: str, digest: str, rounds: int, barrier: Barrier, answers: Any) -> None:
    store = opened(where)
    for number in range(rounds):
        barrier.wait()
        mine = receipt(store, digest)
        barrier.wait()
        try:
            promotions.record(store, "prod", mine)
            answers.put((number, digest, ""))
        except WorldError as error:
            answers.put((number, digest, error.message))
