"""A shared result that is not what it is said to be is not used, and the reason names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.evidence import receipt as receipts
from mlci.evidence import results, shared, signing
from mlci.evidence.receipt import Receipt
from mlci.store import INDEX, MANIFEST, Descriptor, FolderStore, Tally, canonical, put_artifact

KEY, TAG = "a" * 64, "result-train-" + "a" * 64
DIGEST = "sha256:" + "0" * 64


def receipt(**more) -> Receipt:
    given = Receipt("train", KEY, "pass", "fine", {"model": DIGEST}, builder={"user": "anna", "host": "box"})
    return replace(given, **more)


@pytest.fixture
def stores(tmp_path: Path) -> tuple[FolderStore, FolderStore]:
    """Ours, and the one that is shared: `Store` is all that is asked of it."""
    return FolderStore(tmp_path / "ours"), FolderStore(tmp_path / "shared")


def made(store: FolderStore, *, of: Receipt | None = None) -> Receipt:
    """A result with an output of one blob."""
    digest, size = store.put_blob(iter([b"weights"]))
    output = put_artifact(store, "application/x.model", [Descriptor("application/x", digest, size)])
    found = of or receipt(subjects={"model": output.digest})
    results.save(store, found, [output])
    return found


def give(stores: tuple[FolderStore, FolderStore], given: Receipt, **more) -> bool:
    options = {"signer": None, "again": False, "going": lambda _: None, **more}
    return shared.give(stores[0], stores[1], given, TAG, **options)


def look(store: FolderStore, trusted: signing.Trusted | None = None) -> shared.Found | None:
    return shared.find(store, TAG, "train", KEY, trusted, "there")


def signer_of(key) -> signing.Signer:
    from mlci.evidence.signing.signers import key_signer

    return key_signer(key)


def keys(tmp_path: Path, name: str) -> tuple[signing.Signer, signing.Trusted]:
    public = signing.generate(tmp_path / name, "ecdsa-p256")
    return signer_of(signing.load_private(tmp_path / name, {})), signing.Trusted({name: public})


def test_what_is_given_is_found_and_the_first_stays(stores: tuple[FolderStore, FolderStore]) -> None:
    assert look(stores[1]) is None
    given = made(stores[0])
    assert give(stores, given)
    found = look(stores[1])
    assert found
    assert found.receipt == given
    assert found.said == "run by anna on box"
    later = made(stores[0], of=replace(given, summary="another"))
    assert not give(stores, later)
    assert look(stores[1]).receipt == given
    assert give(stores, later, again=True)
    assert look(stores[1]).receipt == later


def test_a_stop_leaves_no_tag(stores: tuple[FolderStore, FolderStore]) -> None:
    def stop(tally: Tally) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give(stores, made(stores[0]), going=stop)
    assert stores[1].tags("result-") == []


def test_only_the_signature_of_somebody_trusted_on_this_very_result_counts(
    stores: tuple[FolderStore, FolderStore], tmp_path: Path
) -> None:
    ci, trusted = keys(tmp_path, "ci")
    stranger, _ = keys(tmp_path, "stranger")
    given = made(stores[0])
    give(stores, given)
    with pytest.raises(shared.Distrusted, match="not signed by ci: nobody signed it"):
        look(stores[1], trusted)
    give(stores, given, signer=stranger, again=True)
    with pytest.raises(shared.Distrusted, match="a key that nobody trusts here"):
        look(stores[1], trusted)
    index = stores[1].get_manifest(TAG).descriptor
    signing.attach(stores[1], [results.signable(replace(given, summary="other"), index.digest)], index, ci)
    with pytest.raises(shared.Distrusted, match="ci signed something else about it"):
        look(stores[1], trusted)
    give(stores, given, signer=ci, again=True)
    assert look(stores[1], trusted).signer == "ci"
    other = made(stores[0], of=replace(given, facts={"metrics": {"auc": 1.0}}))
    give(stores, other, again=True)  # the signature of the one before does not come along
    with pytest.raises(shared.Distrusted, match="nobody signed it"):
        look(stores[1], trusted)


def test_a_signature_that_cannot_be_read_does_not_hide_another(
    stores: tuple[FolderStore, FolderStore], tmp_path: Path
) -> None:
    stranger, _ = keys(tmp_path, "stranger")
    ci, trusted = keys(tmp_path, "ci")
    given = made(stores[0])
    give(stores, given, signer=stranger)
    (listed,) = stores[1].referrers(stores[1].resolve(TAG))
    (stores[1].root / "blobs/sha256" / listed.digest.removeprefix("sha256:")).unlink()
    give(stores, given, signer=ci, again=True)
    assert len(stores[1].referrers(stores[1].resolve(TAG))) == 2
    assert look(stores[1], trusted).signer == "ci"


def index_of(store: FolderStore, entries: list[Descriptor], **more) -> None:
    document = {"schemaVersion": 2, "mediaType": INDEX, "artifactType": results.RESULT}
    document["manifests"] = [entry.to_json() for entry in entries]
    store.put_manifest(canonical({**document, **more}), INDEX, tag=TAG)


def statement(store: FolderStore, raw: bytes, media_type: str = receipts.MEDIA_TYPE) -> Descriptor:
    digest, size = store.put_blob(iter([raw]))
    return put_artifact(store, receipts.MEDIA_TYPE, [Descriptor(media_type, digest, size)])


def changed(**more) -> Callable[[FolderStore], None]:
    def make(store: FolderStore) -> None:
        document = json.loads(receipt().to_bytes())
        document["predicate"].update(more)
        index_of(store, [statement(store, canonical(document))])

    return make


def lacking(store: FolderStore) -> None:
    there = statement(store, receipt().to_bytes())
    index_of(store, [there])
    (store.root / "blobs" / "sha256" / there.digest[7:]).unlink()


def broken(store: FolderStore) -> None:
    digest, _ = store.put_blob(iter([receipt().to_bytes()]))
    index_of(store, [statement(store, receipt().to_bytes())])
    file = store.root / "blobs" / "sha256" / digest[7:]
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b"anna", b"otto"))


def mistyped(store: FolderStore) -> None:
    there = statement(store, receipt().to_bytes())
    index_of(store, [replace(there, size=there.size + 1)])


def statement_as_result(store: FolderStore) -> None:
    there = store.get_manifest(statement(store, receipt().to_bytes()).digest)
    store.put_manifest(there.raw, MANIFEST, tag=TAG)


def without_end(store: FolderStore) -> None:
    index_of(store, [statement(store, receipt().to_bytes())] * 1001)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (changed(key="b" * 64), "its receipt is of train with the key bbbb"),
        (changed(step="gate"), "its receipt is of gate"),
        (changed(verdict="rolled-back"), "its verdict is 'rolled-back'"),
        (changed(more=1), "its receipt cannot be read: TypeError"),
        (changed(builder=[]), "a part of the receipt is of another kind"),
        (changed(facts="x"), "a part of the receipt is of another kind"),
        (changed(materials=[{"name": "x", "digest": {}, "via": ""}]), "its receipt cannot be read: ValueError"),
        (changed(facts={"deep": json.loads("[" * 700 + "]" * 700)}), "its receipt cannot be read: RecursionError"),
        (changed(materials=3), "its receipt cannot be read: TypeError"),
        (lambda store: index_of(store, []), "it has no receipt"),
        (lambda store: index_of(store, [], artifactType="other"), "it is no result of a step"),
        (lambda store: index_of(store, [statement(store, b"[]")]), "its receipt cannot be read"),
        (lambda store: index_of(store, [statement(store, b"{")]), "its receipt cannot be read"),
        (lambda store: index_of(store, [statement(store, b"[" * 9999)]), "its receipt cannot be read: RecursionError"),
        (lambda store: index_of(store, [statement(store, b"x", "text/plain")]), "its first part is no receipt"),
        (statement_as_result, "it is no result of a step"),
        (lacking, "it is not whole"),
        (broken, "it is not whole"),
        (mistyped, "is not of the type and size"),
        (without_end, "it has more than 1,000 manifests"),
    ],
)
def test_a_result_that_is_not_what_it_is_said_to_be_is_not_used(
    stores: tuple[FolderStore, FolderStore], make: Callable[[FolderStore], None], why: str
) -> None:
    make(stores[1])
    with pytest.raises(shared.Distrusted) as error:
        look(stores[1])
    assert why in error.value.message
