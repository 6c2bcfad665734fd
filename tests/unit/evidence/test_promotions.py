"""An environment's history: what was there, and where a rollback goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.evidence import log, promotions, results
from mlci.evidence.receipt import MEDIA_TYPE
from mlci.store import FolderStore
from tests.logkit import deploy, image, move, receipt


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_numbers_never_move_and_the_tag_does(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    move(store, first)
    move(store, second)
    assert [store.resolve(tag) for tag in ("prod-000001", "prod-000002", "prod")] == [first, second, second]
    past = promotions.history(store, "prod")
    assert [(entry.number, entry.digest) for entry in past] == [(1, first), (2, second)]
    assert [entry.facts["before"] for entry in past] == [None, past[0].statement]
    assert [entry.facts["previous"] for entry in past] == [None, first]
    for entry in past:
        (listed,) = store.referrers(str(entry.digest), MEDIA_TYPE)
        assert results.on(store, str(entry.digest)) == [entry.receipt], listed


def test_recording_twice_changes_nothing(store: FolderStore) -> None:
    done = receipt(store, image(store, "a"))
    promotions.record(store, "prod", done)
    before = (store.root / "index.json").read_bytes()
    promotions.record(store, "prod", done)
    assert (store.root / "index.json").read_bytes() == before
    move(store, image(store, "b"))
    promotions.record(store, "prod", done)  # long done, and no reason to go back to it
    assert [entry.number for entry in promotions.history(store, "prod")] == [1, 2]


def test_who_was_slower_is_told_who_was_faster_and_changes_nothing(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    slow = receipt(store, first)
    move(store, second, why="it was urgent")
    for _ in range(2):
        with pytest.raises(log.Lost, match=r"number 1 \(ann@laptop: it was urgent\)"):
            promotions.record(store, "prod", slow)
    assert store.resolve("prod") == store.resolve("prod-000001") == second
    assert store.referrers(first) == []
    assert len(promotions.history(store, "prod")) == 1


def test_another_environment_with_a_longer_name_is_another_history(store: FolderStore) -> None:
    move(store, image(store, "a"))
    store.put_manifest(store.get_manifest("prod").raw, store.get_manifest("prod").media_type, tag="prod-eu-000001")
    assert promotions.numbers(store, "prod") == [1]


def test_a_number_whose_tag_somebody_else_has_set_is_left_out(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    move(store, first)
    store.put_manifest(store.get_manifest(first).raw, store.get_manifest(first).media_type, tag="prod-000002")
    move(store, second)
    assert [entry.number for entry in promotions.history(store, "prod")] == [1, 3]
    assert store.resolve("prod-000002") == first
    late = receipt(store, first)
    store.put_manifest(store.get_manifest(second).raw, store.get_manifest(second).media_type, tag="prod-000004")
    with pytest.raises(WorldError, match="prod-000004 is taken"):
        promotions.record(store, "prod", late)
    assert store.resolve("prod-000004") == second


def test_the_next_one_does_what_a_kill_left_undone(store: FolderStore) -> None:
    first, second = image(store, "a"), image(store, "b")
    done = receipt(store, first)
    log.append(store, "prod", log.end(store, "prod"), log.line(done, None))
    assert store.resolve("prod") is None
    newest = promotions.head(store, "prod")
    assert newest and not promotions.carried_out(store, "prod", newest)
    move(store, second)
    assert [store.resolve(tag) for tag in ("prod-000001", "prod-000002", "prod")] == [first, second, second]
    assert results.on(store, first) == [done]


def test_a_log_that_is_gone_is_not_begun_anew_in_silence(store: FolderStore) -> None:
    move(store, image(store, "a"))
    store.untag("prod.log")
    with pytest.raises(WorldError, match=r"no prod\.log any more"):
        promotions.head(store, "prod")


def test_segments_are_put_together_and_nothing_is_lost(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_TOGETHER", 4)
    monkeypatch.setattr(log, "_MOST_RECORDS", 16)
    digests = [image(store, name) for name in "ab"]
    for turn in range(39):
        line = log.line(receipt(store, digests[turn % 2]), None)
        log.append(store, "prod", log.end(store, "prod"), line)
    counts = [int(segment.annotations[log.COUNT]) for segment in log.end(store, "prod").segments]
    assert counts == [16, 16, 4, 1, 1, 1]
    read = log.read(store, "prod")
    assert [entry.number for entry in read.entries] == list(range(1, 40))
    assert read.problems == ()


def test_a_rollback_goes_back_again_and_again(store: FolderStore) -> None:
    first, second, third = (image(store, name) for name in "abc")
    for digest in (first, second, third):
        move(store, digest)
    target = promotions.before(store, "prod", deploys=False)
    assert target and target.digest == second
    move(store, second, kind="rollback", restores=target.number)
    target = promotions.before(store, "prod", deploys=False)
    assert target and target.digest == first
    move(store, first, kind="rollback", restores=target.number)
    assert promotions.before(store, "prod", deploys=False) is None


@pytest.mark.parametrize("ended", ["rolled-back", None])
def test_what_did_not_serve_well_is_neither_a_way_back_nor_a_champion(store: FolderStore, ended: str | None) -> None:
    first, bad, third = (image(store, name) for name in "abc")
    move(store, first)
    deploy(store, first)
    move(store, bad)
    if ended:
        deploy(store, bad, ended)
    assert promotions.serving(store, "prod", deploys=True) == first
    assert promotions.serving(store, "prod", deploys=False) == bad
    move(store, third)
    deploy(store, third)
    target = promotions.before(store, "prod", deploys=True)
    assert target and target.digest == first
    assert promotions.serving(store, "prod", deploys=True) == third


def test_nothing_is_before_the_first(store: FolderStore) -> None:
    assert promotions.before(store, "prod", deploys=False) is None
    move(store, image(store, "a"))
    assert promotions.before(store, "prod", deploys=False) is None


def test_what_was_withdrawn_leaves_nothing_there_and_is_a_record_like_others(store: FolderStore) -> None:
    first, bad = image(store, "a"), image(store, "b")
    move(store, bad)
    move(store, None, about=bad, kind="withdrawn")
    assert store.resolve("prod") is None and promotions.current(store, "prod") is None
    assert [(e.number, e.digest) for e in promotions.history(store, "prod")] == [(1, bad), (2, None)]
    assert len(results.on(store, bad)) == 2
    move(store, first)
    assert promotions.current(store, "prod") == first
