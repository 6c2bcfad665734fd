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
    number = promotions.number_for(store, "prod", digest)
    promotions.record(store, "prod", receipt("promote:prod", digest, number=number, **facts))


def deploy(store: FolderStore, digest: str, verdict: str = "pass") -> None:
    results.attach(store, receipt("deploy:prod", digest, verdict), store.get_manifest(digest).descriptor)


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


def test_a_number_that_a_kill_left_half_done_is_used_again(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    promote(store, first)
    store.put_manifest(store.get_manifest(second).raw, store.get_manifest(second).media_type, tag="prod-000002")
    assert promotions.number_for(store, "prod", second) == 2
    promote(store, second)
    assert promotions.numbers(store, "prod") == [1, 2]


def test_a_rollback_goes_back_again_and_again(store: FolderStore) -> None:
    first, second, third = (image(store, name) for name in "abc")
    for digest in (first, second, third):
        promote(store, digest)
    target = promotions.before(store, "prod", deploys=False)
    assert target and target.digest == second
    promote(store, second, restores=target.number)
    target = promotions.before(store, "prod", deploys=False)
    assert target and target.digest == first
    promote(store, first, restores=target.number)
    assert promotions.before(store, "prod", deploys=False) is None


@pytest.mark.parametrize("ended", ["rolled-back", None])
def test_what_did_not_serve_well_is_neither_a_way_back_nor_a_champion(store: FolderStore, ended: str | None) -> None:
    first, bad, third = (image(store, name) for name in "abc")
    promote(store, first)
    deploy(store, first)
    promote(store, bad)
    if ended:
        deploy(store, bad, ended)
    assert promotions.serving(store, "prod", deploys=True) == first
    assert promotions.serving(store, "prod", deploys=False) == bad
    promote(store, third)
    deploy(store, third)
    target = promotions.before(store, "prod", deploys=True)
    assert target and target.digest == first
    assert promotions.serving(store, "prod", deploys=True) == third


def test_nothing_is_before_the_first(store: FolderStore) -> None:
    assert promotions.before(store, "prod", deploys=False) is None
    promote(store, image(store, "a"))
    assert promotions.before(store, "prod", deploys=False) is None


def test_a_stay_ends_when_something_else_comes(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    promote(store, first)
    since = promotions.stands_since(store, "prod", first)
    assert since is not None
    promote(store, second)
    assert promotions.stands_since(store, "prod", first) is None
    promote(store, first)
    again = promotions.stands_since(store, "prod", first)
    assert again and again > since


def test_a_rollback_by_a_person_is_remembered_until_it_is_promoted_again(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    promote(store, first)
    promote(store, second)
    assert promotions.rolled_back_by(store, "prod", second) is None
    promote(store, first, kind="rollback", restores=1)
    assert promotions.rolled_back_by(store, "prod", second) is not None
    promote(store, second)
    assert promotions.rolled_back_by(store, "prod", second) is None


def test_a_receipt_without_its_tag_is_no_promotion(store: FolderStore) -> None:
    digest = image(store, "a")
    planned = receipt("promote:prod", digest, number=1)
    assert not promotions.carried_out(store, planned)
    promotions.record(store, "prod", planned)
    assert promotions.carried_out(store, planned)
