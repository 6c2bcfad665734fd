"""Whoever can write to the tags alone, or to the log alone, is found out, and it is said where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlci.evidence import log, promotions, signing
from mlci.evidence.audit import audit
from mlci.evidence.signing.signers import key_signer
from mlci.store import Descriptor, FolderStore, put_artifact
from tests.logkit import image, move, receipt


@pytest.fixture
def signer(tmp_path: Path) -> signing.Signer:
    signing.generate(tmp_path / "ci")
    return key_signer(signing.load_private(tmp_path / "ci"))


@pytest.fixture
def trusted(signer: signing.Signer, tmp_path: Path) -> signing.Trusted:
    assert signer.name
    return signing.Trusted({"ci": signing.load_public(tmp_path / "ci.pub")})


@pytest.fixture
def store(tmp_path: Path, signer: signing.Signer) -> FolderStore:
    """Four signed promotions of three images, then nothing there, then the first again."""
    store = FolderStore(tmp_path / "store")
    digests = [image(store, name) for name in "abc"]
    for digest in (*digests, digests[0]):
        move(store, digest, signer)
    move(store, None, signer, about=digests[0], kind="withdrawn")
    move(store, digests[0], signer)
    return store


def lines(store: FolderStore) -> list[bytes]:
    return [entry.line for entry in log.read(store, "prod").entries]


def rewrite(store: FolderStore, content: list[bytes]) -> None:
    """What somebody who can write to the log alone would do."""
    digest, size = store.put_blob(iter([b"".join(line + b"\n" for line in content)]))
    put_artifact(store, log.LOG, [Descriptor(log.SEGMENT, digest, size)], tag="prod.log")


def tagged(store: FolderStore, tag: str, digest: str) -> None:
    manifest = store.get_manifest(digest)
    store.put_manifest(manifest.raw, manifest.media_type, tag=tag)


def wrong(store: FolderStore, trusted: signing.Trusted) -> dict[str, str]:
    found = audit(store, "prod", trusted)
    assert found.holds == (not found.flaws)
    return {flaw.where: flaw.what for flaw in found.flaws}


def test_a_history_that_holds(store: FolderStore, trusted: signing.Trusted) -> None:
    found = audit(store, "prod", trusted)
    assert found.flaws == ()
    assert {entry.signer for entry in found.entries} == {"ci"}
    assert (len(found.entries), found.tags, found.images) == (6, 5, 3)
    assert audit(store, "prod", signing.Trusted({})).flaws == ()
    assert audit(store, "elsewhere", trusted).flaws == ()


def test_a_log_that_was_cut_off(store: FolderStore, trusted: signing.Trusted) -> None:
    rewrite(store, lines(store)[:-1])
    found = wrong(store, trusted)
    assert "the log ends with 5" in found["tag prod-000006"]
    assert "says that nothing is there" in found["tag prod"]
    rewrite(store, lines(store)[:1])
    found = wrong(store, trusted)
    assert {"tag prod-000002", "tag prod-000004"} < set(found)
    assert any("is not in the log" in what for where, what in found.items() if where.startswith("image"))
    store.untag("prod.log")
    assert "no prod.log any more" in wrong(store, trusted)["log"]


def test_an_unsigned_record_that_was_put_at_the_end(store: FolderStore, trusted: signing.Trusted) -> None:
    evil = image(store, "evil")
    rewrite(store, [*lines(store), receipt(store, evil).to_bytes()])
    found = wrong(store, trusted)
    assert found["record 7"] in ("nobody has signed it", f"it is not on its image, {evil}")
    assert {flaw.what for flaw in audit(store, "prod", trusted).flaws} >= {"nobody has signed it"}
    promotions.mended(store, "prod", trusted)
    assert store.resolve("prod") != evil


@pytest.mark.parametrize(
    ("attack", "where"),
    [
        (lambda old: [*old[:2], *old[3:]], "record 4"),  # one taken out
        (lambda old: [old[1], old[0], *old[2:]], "record 2"),  # two in another order
        (lambda old: [*old[:3], old[2], *old[3:]], "record 3"),  # one twice
        (lambda old: [*old[:2], old[2].replace(b'"sig":"', b'"sig":"AAAA'), *old[3:]], "record 3"),
        (lambda old: [*old, b"{}"], "line 7 of the log"),
        (lambda old: [*old, b"\xff\x00"], "line 7 of the log"),
        (lambda old: [*old, b"[" * 100_000], "line 7 of the log"),
    ],
)
def test_a_log_whose_lines_were_changed(
    store: FolderStore, trusted: signing.Trusted, attack: Callable[[list[bytes]], list[bytes]], where: str
) -> None:
    rewrite(store, attack(lines(store)))
    assert where in wrong(store, trusted)


def test_a_record_that_was_written_anew_with_another_digest(store: FolderStore, trusted: signing.Trusted) -> None:
    old, evil = lines(store), image(store, "evil")
    bare = [entry.receipt.to_bytes() for entry in log.read(store, "prod").entries]
    first = log.read(store, "prod").entries[0].digest
    forged = bare[0].replace(str(first)[7:].encode(), evil[7:].encode())
    rewrite(store, [forged, *old[1:]])
    whats = [f"{flaw.where}: {flaw.what}" for flaw in audit(store, "prod", trusted).flaws]
    assert "record 1: nobody has signed it" in whats
    assert any(what.startswith("record 2: it follows") for what in whats)
    assert any(what.startswith("tag prod-000001: it is") for what in whats)


def test_another_environments_log(store: FolderStore, trusted: signing.Trusted, signer: signing.Signer) -> None:
    other = promotions.record(store, "dev", receipt(store, image(store, "a"), environment="dev"), signer)
    rewrite(store, [*lines(store), other.line])
    assert "record of 'dev'" in wrong(store, trusted)["line 7 of the log"]


def test_tags_that_were_moved_taken_away_or_added(store: FolderStore, trusted: signing.Trusted) -> None:
    evil = image(store, "evil")
    for tag in ("prod", "prod-000002", "prod-000005", "prod-000017"):
        tagged(store, tag, evil)
    store.untag("prod-000003")
    found = wrong(store, trusted)
    assert set(found) == {"tag prod", "tag prod-000002", "tag prod-000005", "tag prod-000017", "record 3"}
    assert evil in found["tag prod"] and evil in found["tag prod-000002"]
    assert "it was taken away" in found["record 3"]


def test_a_record_that_is_not_on_its_image(store: FolderStore, trusted: signing.Trusted) -> None:
    line = log.line(receipt(store, image(store, "d")), None)
    log.append(store, "prod", log.end(store, "prod"), line)
    found = audit(store, "prod", signing.Trusted({}))
    whats = " ".join(f"{flaw.where}: {flaw.what}" for flaw in found.flaws)
    assert "record 7: it has no tag prod-000007; a kill may have left it so" in whats
    assert "record 7: it is not on its image" in whats
    promotions.mended(store, "prod")
    assert audit(store, "prod", signing.Trusted({})).holds
    assert "record 7" in wrong(store, trusted)


def test_keys_that_nobody_trusts_count_as_no_signature(store: FolderStore, tmp_path: Path) -> None:
    signing.generate(tmp_path / "other")
    other = signing.Trusted({"other": signing.load_public(tmp_path / "other.pub")})
    found = wrong(store, other)
    assert set(found) == {f"record {number}" for number in range(1, 7)}
    assert "its signature does not count" in found["record 1"]
