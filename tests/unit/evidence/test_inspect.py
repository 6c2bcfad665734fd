"""All evidence on an image, read and judged piece by piece."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlci.evidence import results, signing
from mlci.evidence.inspect import Piece, holds, inspect
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing import Trusted, generate, load_private
from mlci.evidence.signing.bundle import key_bundle, pae
from mlci.evidence.signing.signers import Signer
from mlci.evidence.slsa import provenance
from mlci.evidence.statement import MEDIA_TYPE, statement
from mlci.store import INDEX, CorruptBlob, Descriptor, FolderStore, NotFound, attach, copy, put_artifact
from mlci.store.index import referrers_index

RECEIPT = Receipt("train", "a" * 64, "pass", "", {"model": "sha256:" + "3" * 64}, finished="2026-01-01T00:00:00Z")
BOM = b'{"bomFormat":"CycloneDX","components":[]}'
CYCLONEDX = "application/vnd.cyclonedx+json"


class Image:
    """An image in a store, to which things are attached."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "store")
        self.folder = folder
        self.descriptor = put_artifact(self.store, "application/vnd.example", [])
        self.digest = self.descriptor.digest
        self.build = replace(RECEIPT, step="build", subjects={"image": self.digest})
        self.key = generate(folder / "key")

    def put(self, raw: bytes, media_type: str, **annotations: str) -> Descriptor:
        digest, size = self.store.put_blob(iter([raw]))
        layer = Descriptor(media_type, digest, size)
        return put_artifact(self.store, media_type, [layer], subject=self.descriptor, annotations=annotations)

    def sign(self, *said: bytes, key: str = "key") -> None:
        private = load_private(self.folder / key)
        hint = private.public.hint
        signer = Signer(hint, lambda raws: [key_bundle(raw, private.sign(pae(raw)), hint) for raw in raws])
        signing.attach(self.store, said, self.descriptor, signer)

    def attach_all(self) -> None:
        for receipt in (RECEIPT, self.build):
            results.attach(self.store, receipt, self.descriptor)
        self.put(provenance(self.build), MEDIA_TYPE)
        self.put(BOM, CYCLONEDX)

    def sign_all(self) -> None:
        said = [results.signable(receipt, self.digest) for receipt in (RECEIPT, self.build)]
        bom = statement("https://cyclonedx.org/bom", json.loads(BOM), {"image": self.digest})
        self.sign(*said, provenance(self.build), bom)

    def look(self, *names: str) -> list[Piece]:
        return inspect(self.store, self.digest, Trusted(dict.fromkeys(names, self.key)))

    def states(self, *names: str) -> dict[str, str]:
        return {f"{piece.kind} {piece.name}": piece.state for piece in self.look(*names)}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def test_everything_that_is_said_is_listed_with_who_signed_it(image: Image) -> None:
    image.attach_all()
    image.sign_all()
    said = {
        "receipt train",
        "receipt build",
        "provenance https://slsa.dev/provenance/v1",
        "sbom https://cyclonedx.org/bom",
    }
    signatures = {f"signature of {name.partition(' ')[2]}" for name in said}
    assert image.states("ci") == dict.fromkeys(said | signatures, "signed")
    assert {piece.signers for piece in image.look("ci")} == {("ci",)}
    assert holds(image.look("ci"), Trusted({"ci": image.key}))


def test_what_is_not_signed_holds_only_where_nobody_asks_for_it(image: Image) -> None:
    image.attach_all()
    assert set(image.states().values()) == {"unsigned"}
    assert holds(image.look(), Trusted({}))
    assert not holds(image.look("ci"), Trusted({"ci": image.key}))


def test_one_unsigned_receipt_among_signed_ones_is_seen(image: Image) -> None:
    image.attach_all()
    image.sign_all()
    results.attach(image.store, replace(RECEIPT, step="gate"), image.descriptor)
    assert image.states("ci")["receipt gate"] == "unsigned"
    assert not holds(image.look("ci"), Trusted({"ci": image.key}))


def test_what_was_attached_before_the_first_signature_does_no_harm(image: Image) -> None:
    results.attach(image.store, replace(RECEIPT, summary="before"), image.descriptor)
    image.put(BOM.replace(b"[]", b"[7]"), CYCLONEDX)
    image.attach_all()
    image.sign_all()
    pieces = image.look("ci")
    assert [p.state for p in pieces if p.kind == "sbom"] == ["unsigned", "signed"]
    assert holds(pieces, Trusted({"ci": image.key}))


def test_nothing_at_all_is_not_signed(image: Image) -> None:
    assert image.look("ci") == []
    assert not holds([], Trusted({"ci": image.key}))


def test_a_receipt_that_says_something_else_than_the_signed_one_is_not_signed(image: Image) -> None:
    image.attach_all()
    image.sign(results.signable(replace(RECEIPT, verdict="fail"), image.digest))
    assert image.states("ci")["receipt train"] == "unsigned"


def test_the_signature_of_a_stranger_is_not_bad_and_counts_for_nothing(image: Image) -> None:
    image.attach_all()
    generate(image.folder / "stranger")
    image.sign(provenance(image.build), key="stranger")
    states = image.states("ci")
    assert states["signature of something"] == "unknown signer"
    assert states["provenance https://slsa.dev/provenance/v1"] == "unsigned"


def test_a_signature_about_another_image_is_bad(image: Image) -> None:
    image.sign(statement("https://example.org", {}, {"image": "sha256:" + "7" * 64}))
    (piece,) = image.look("ci")
    assert piece.state == "bad"
    assert piece.detail.startswith("subject: ")
    assert not holds([piece], Trusted({}))


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"{}", MEDIA_TYPE),
        (b"\xff", MEDIA_TYPE),
        (b"{", CYCLONEDX),
        (b"{}", signing.BUNDLE),
        (statement("https://mlci.dev/receipt/v1", {}, {"image": "sha256:" + "1" * 64}), MEDIA_TYPE),
        (statement("https://slsa.dev/provenance/v1", {}, {"image": "sha256:" + "1" * 64}), MEDIA_TYPE),
    ],
)
def test_what_is_not_what_it_claims_is_bad(image: Image, raw: bytes, media_type: str) -> None:
    image.put(raw, media_type)
    (piece,) = image.look("ci")
    assert piece.state == "bad"
    assert piece.detail


def test_what_is_nested_beyond_measure_is_bad(image: Image) -> None:
    deep = json.loads("[" * 700 + "]" * 700)
    document = json.loads(image.build.to_bytes())
    document["predicate"]["facts"] = {"deep": deep}
    image.put(json.dumps(document).encode(), MEDIA_TYPE)
    assert [(piece.state, piece.kind) for piece in image.look()] == [("bad", "other")]


def test_who_reads_receipts_is_not_stopped_by_what_others_call_one(image: Image) -> None:
    deep = json.loads(image.build.to_bytes())
    deep["predicate"]["facts"] = {"deep": json.loads("[" * 700 + "]" * 700)}
    for raw in (b"{", b"[]", b'{"_type": 1}', json.dumps(deep).encode()):
        image.put(raw, MEDIA_TYPE, **{"dev.mlci.step": "gate"})
    other = put_artifact(image.store, "application/vnd.other", [])
    stranger = results.document(replace(RECEIPT, step="gate"))
    attach(image.store, [stranger], other)
    image.store.put_manifest(
        referrers_index([*image.store.referrers(image.digest), *image.store.referrers(other.digest)]),
        INDEX,
        tag=image.digest.replace(":", "-"),
    )
    image.attach_all()
    assert [receipt.step for receipt in results.on(image.store, image.digest)] == ["train", "build"]


def test_bytes_that_are_not_the_digests_are_bad(image: Image) -> None:
    listed = image.put(BOM, CYCLONEDX)
    blob = json.loads(image.store.get_manifest(listed.digest).raw)["layers"][0]["digest"]
    file = image.folder / "store" / "blobs" / "sha256" / blob[7:]
    file.chmod(0o644)
    file.write_bytes(BOM.replace(b"[]", b"{}"))
    (piece,) = image.look()
    assert piece.state == "bad"
    assert "is not that of" in piece.detail
    file.unlink()
    assert image.look()[0].state == "bad"


def test_a_referrer_of_another_manifest_in_the_list_is_bad(image: Image, monkeypatch: Any) -> None:
    other = put_artifact(image.store, "application/vnd.other", [])
    digest, size = image.store.put_blob(iter([BOM]))
    layer = Descriptor(CYCLONEDX, digest, size)
    stray = put_artifact(image.store, CYCLONEDX, [layer], subject=other)
    listed = image.store.referrers(other.digest)
    assert [entry.digest for entry in listed] == [stray.digest]
    monkeypatch.setattr(image.store, "referrers", lambda digest: listed)  # as a registry that lies
    (piece,) = image.look()
    assert (piece.state, piece.detail) == ("bad", "it is listed here, and is about another manifest")


def test_what_others_attach_is_listed_and_asks_for_no_signature(image: Image) -> None:
    image.attach_all()
    image.sign_all()
    put_artifact(image.store, "application/vnd.scan", [], subject=image.descriptor)
    pieces = image.look("ci")
    assert ("other", "application/vnd.scan", "unsigned") in [(p.kind, p.name, p.state) for p in pieces]
    assert holds(pieces, Trusted({"ci": image.key}))


def test_evidence_and_signatures_go_where_the_image_goes(image: Image) -> None:
    image.attach_all()
    image.sign_all()
    elsewhere = FolderStore(image.folder / "elsewhere")
    copy(image.store, elsewhere, image.digest, tag="flights")
    there = inspect(elsewhere, image.digest, Trusted({"ci": image.key}))
    assert sorted(map(str, there)) == sorted(map(str, image.look("ci")))


def test_an_image_that_is_not_there_or_not_whole_is_an_error(image: Image) -> None:
    with pytest.raises(NotFound):
        inspect(image.store, "sha256:" + "0" * 64, Trusted({}))
    file = image.folder / "store" / "blobs" / "sha256" / image.digest[7:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(CorruptBlob):
        image.look()
