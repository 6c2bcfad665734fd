"""An environment's history: what was there, and where a rollback goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.evidence import promotions, results
from mlci.evidence.receipt import Receipt
from mlci.store import FolderStore, put_artifact


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def image(store: FolderStore, name: str) -> str:
    return put_artifact(store, f"application/vnd.test.{name}", []).digest


class Clock:
    seconds = 0


def receipt(step: str, digest: str, verdict: str = "pass", **facts: object) -> Receipt:
    Clock.seconds += 1
    finished = f"2026-01-01T00:{Clock.seconds // 60:02}:{Clock.seconds % 60:02}.000000Z"
    return Receipt(step, "k", verdict, "", {"image": digest}, facts={"environment": "prod", **facts}, finished=finished)


def promote(store: FolderStore, digest: str, **facts: object) -> None:
    number = promotions.next_number(store, "prod")
    promotions.record(store, "prod", receipt("promote:prod", digest, number=number, **facts))


def test_numbers_never_move_and_the_tag_does(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    promote(store, first)
    promote(store, second)
    assert [store.resolve(tag) for tag in ("prod-000001", "prod-000002", "prod")] == [first, second, second]
    assert [(p.number, p.digest) for p in promotions.history(store, "prod")] == [(1, first), (2, second)]
    assert all(p.receipt for p in promotions.history(store, "prod"))


def test_recording_twice_changes_nothing(store: FolderStore) -> None:
    done = receipt("promote:prod", image(store, "a"), number=1)
    promotions.record(store, "prod", done)
    before = (store.root / "index.json").read_bytes()
    promotions.record(store, "prod", done)
    assert (store.root / "index.json").read_bytes() == before


def test_another_environment_with_a_longer_name_is_another_history(store: FolderStore) -> None:
    promote(store, image(store, "a"))
    store.put_manifest(store.get_manifest("prod").raw, store.get_manifest("prod").media_type, tag="prod-eu-000001")
    assert promotions.numbers(store, "prod") == [1]


def test_a_rollback_goes_back_again_and_again(store: FolderStore) -> None:
    first, second, third = (image(store, name) for name in "abc")
    for digest in (first, second, third):
        promote(store, digest)
    target = promotions.before(store, "prod")
    assert target and target.digest == second
    promote(store, second, restores=target.number)
    target = promotions.before(store, "prod")
    assert target and target.digest == first
    promote(store, first, restores=target.number)
    assert promotions.before(store, "prod") is None


def test_what_was_taken_back_is_no_place_to_go_back_to(store: FolderStore) -> None:
    first, bad, third = (image(store, name) for name in "abc")
    promote(store, first)
    promote(store, bad)
    taken = receipt("deploy:prod", bad, "rolled-back")
    results.attach(store, taken, store.get_manifest(bad).descriptor)
    promote(store, first, restores=1)
    promote(store, third)
    target = promotions.before(store, "prod")
    assert target and target.digest == first


def test_nothing_is_before_the_first(store: FolderStore) -> None:
    assert promotions.before(store, "prod") is None
    promote(store, image(store, "a"))
    assert promotions.before(store, "prod") is None
