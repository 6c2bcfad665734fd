"""Evidence with its signers: what is believed of what a store lists, and how little is asked of a registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlci.evidence import claims, results, signing
from mlci.evidence.receipt import MEDIA_TYPE, STEP, Receipt
from mlci.evidence.signing import PublicKey, Signer, Trusted
from mlci.evidence.signing.bundle import key_bundle, pae
from mlci.evidence.signing.keys import generate, load_private
from mlci.store import Descriptor, Document, FolderStore, Store, attach, put_artifact
from mlci.store.registry import Remembered
from tests.registrykit import Proxy


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Signer, PublicKey]]:
    """Who signs: `ci`, and `mallory`."""
    made = {}
    for name in ("ci", "mallory"):
        file = tmp_path_factory.mktemp("keys") / name
        generate(file)
        key = load_private(file)

        def bundle(raws: list[bytes], key=key) -> list[bytes]:
            return [key_bundle(raw, key.sign(pae(raw)), key.public.hint) for raw in raws]

        made[name] = (Signer(key.public.hint, bundle), key.public)
    return made


@pytest.fixture
def trusted(keys) -> Trusted:
    return Trusted({"ci": keys["ci"][1]})


def image(store: Store, name: str = "a") -> Descriptor:
    return put_artifact(store, f"application/vnd.test.{name}", [])


def receipt(step: str, of: Descriptor, number: int = 0) -> Receipt:
    finished = f"2026-01-01T00:00:00.{number:06}Z"
    return Receipt(step, "k", "pass", "as said", {"image": of.digest}, finished=finished)


def sign(store: Store, signer: Signer, of: Descriptor, *receipts: Receipt) -> None:
    signing.attach(store, [results.signable(one, of.digest) for one in receipts], of, signer)


def read(store: Store, of: Descriptor, trusted: Trusted, signed=("gate",), unsigned=()) -> list[tuple]:
    found = claims.read(store, of.digest, trusted, signed=set(signed), unsigned=set(unsigned))
    return sorted(((one.receipt.step, one.signer) for one in found), key=str)


def test_what_is_asked_for_is_read_with_who_signed_it(tmp_path: Path, keys, trusted) -> None:
    store = FolderStore(tmp_path)
    a = image(store)
    for name in ("gate", "train"):
        results.attach(store, receipt(name, a), a)
        sign(store, keys["ci"][0], a, receipt(name, a))
    sign(store, keys["mallory"][0], a, receipt("gate", a, 1))
    assert read(store, a, trusted) == [("gate", "ci")]
    assert read(store, a, trusted, unsigned=("gate",)) == [("gate", "ci"), ("gate", None)]
    assert read(store, a, trusted, signed=(), unsigned=("gate", "train")) == [("gate", None), ("train", None)]
    assert read(store, a, Trusted({"ci": keys["ci"][1], "m": keys["mallory"][1]})) == [("gate", "ci"), ("gate", "m")]
    assert read(store, a, Trusted({})) == []


class Bare(FolderStore):
    """A store whose lists have no annotations, as those of some registries."""

    def referrers(self, digest: str, artifact_type: str | None = None) -> list[Descriptor]:
        return [replace(one, annotations={}) for one in super().referrers(digest, artifact_type)]


def test_a_list_without_annotations_costs_more_and_says_the_same(tmp_path: Path, keys, trusted) -> None:
    store = Bare(tmp_path)
    a = image(store)
    results.attach(store, receipt("gate", a), a)
    sign(store, keys["ci"][0], a, receipt("gate", a), receipt("train", a))
    assert read(store, a, trusted) == [("gate", "ci")]
    assert read(store, a, trusted, signed=(), unsigned=("gate", "train")) == [("gate", None)]


def test_what_is_listed_is_believed_for_its_signature_alone(tmp_path: Path, keys, trusted) -> None:
    store = FolderStore(tmp_path)
    a, b = image(store, "a"), image(store, "b")
    raw = results.signable(receipt("gate", b), b.digest)
    (bundle,) = keys["ci"][0].sign([raw])
    other = signing.kept(bundle)
    wrong = replace(other, annotations={**other.annotations, STEP: "gate"})
    junk = [Document(signing.BUNDLE, text, {STEP: "gate"}) for text in (b"", b"{}", b"\xff", b"[" * 100_000)]
    junk += [Document(MEDIA_TYPE, text, {STEP: "gate"}) for text in (b"", b"{}", bundle)]
    renamed = results.signable(receipt("train", a), a.digest)
    (mine,) = keys["ci"][0].sign([renamed])
    junk.append(Document(signing.BUNDLE, mine, {STEP: "gate"}))
    attach(store, [wrong, *junk], a)
    assert len(store.referrers(a.digest)) == 9
    assert read(store, a, trusted, unsigned=("gate",)) == []
    blob = store.root / "blobs" / "sha256"
    sign(store, keys["ci"][0], a, receipt("gate", a))
    assert read(store, a, trusted) == [("gate", "ci")]
    for listed in store.referrers(a.digest):
        file = blob / listed.annotations["dev.mlci.blob"].removeprefix("sha256:")
        file.unlink(missing_ok=True)
    assert read(store, a, trusted, unsigned=("gate",)) == []


def test_a_time_that_is_none_does_not_count(tmp_path: Path, keys, trusted) -> None:
    store = FolderStore(tmp_path)
    a = image(store)
    for finished in ("", "soon", "2026-01-01", "2026-01-01T00:00:00"):
        sign(store, keys["ci"][0], a, replace(receipt("gate", a), finished=finished))
    assert read(store, a, trusted) == []


def test_a_registry_is_asked_once_for_each_record_that_can_count(tmp_path: Path, proxy: Proxy, keys, trusted) -> None:
    name = proxy.repository()
    store = Remembered(name, tmp_path / "home", FolderStore(tmp_path / "near"))
    a = image(store)
    signing.attach(
        store,
        [receipt(step, a, n).to_bytes() for n in range(12) for step in ("gate", "train")],
        a,
        keys["ci"][0],
    )
    fresh = Remembered(name, tmp_path / "other", FolderStore(tmp_path / "none"))
    proxy.seen.clear()
    assert read(fresh, a, trusted) == [("gate", "ci")] * 12
    assert len(proxy.requests("^GET .*/blobs/")) == 12
    assert len(proxy.requests()) <= 12 + 3
    proxy.seen.clear()
    again = Remembered(name, tmp_path / "other", FolderStore(tmp_path / "none"))
    assert read(again, a, trusted) == [("gate", "ci")] * 12
    assert not proxy.requests("^GET .*/blobs/")
