"""From one store to another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.errors import UsageError, WorldError
from mlci.store import INDEX, MANIFEST, CorruptBlob, Descriptor, FolderStore, canonical, copy, put_artifact, sha256
from mlci.store.index import referrers_index
from tests.unit.store.stores import blob, image

TYPE = "application/vnd.test.note.v1"


@pytest.fixture
def source(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "target")


def graph(store: FolderStore) -> tuple[Descriptor, set[str]]:
    """An index of two images; notes on the index and on one image, and a note on a note."""
    images = [image(store, name) for name in ("amd64", "arm64")]
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [i.to_json() for i in images]})
    root = store.put_manifest(raw, INDEX, tag="v1")
    note = put_artifact(store, TYPE, [blob(store, b"note")], subject=root)
    signature = put_artifact(store, TYPE, [blob(store, b"signature")], subject=note)
    bill = put_artifact(store, TYPE, [blob(store, b"bill of materials")], subject=images[1])
    return root, {d.digest for d in (root, *images, note, signature, bill)}


def blobs(store: FolderStore) -> set[str]:
    return {path.name for path in (store.root / "blobs/sha256").iterdir()}


def test_everything_that_belongs_to_it_comes_along(source: FolderStore, target: FolderStore) -> None:
    root, manifests = graph(source)
    other = image(source, "other", tag="other")
    assert copy(source, target, "v1", tag="production") == root
    assert target.resolve("production") == root.digest
    for digest in manifests:
        assert target.get_manifest(digest) == source.get_manifest(digest)
        assert target.referrers(digest) == source.referrers(digest)
    assert not target.has_blob(other.digest)
    assert target.verify() == []


def test_referrers_can_be_left_behind(source: FolderStore, target: FolderStore) -> None:
    root, _ = graph(source)
    copy(source, target, root.digest, referrers=False)
    assert target.referrers(root.digest) == []
    assert target.tags() == []
    assert target.get_manifest(root.digest).media_type == INDEX


def test_a_second_time_writes_nothing(source: FolderStore, target: FolderStore) -> None:
    graph(source)
    copy(source, target, "v1", tag="v1")
    before = {path: path.stat().st_mtime_ns for path in target.root.rglob("*") if path.is_file()}
    copy(source, target, "v1", tag="v1")
    assert {path: path.stat().st_mtime_ns for path in target.root.rglob("*") if path.is_file()} == before


def test_only_what_is_missing_is_read(source: FolderStore, target: FolderStore) -> None:
    graph(source)
    copy(source, target, "v1", tag="v1")
    for name in blobs(source):
        path = source.root / "blobs/sha256" / name
        if path.read_bytes().startswith(b"layer"):
            path.unlink()
    copy(source, target, "v1", tag="v2")
    assert target.resolve("v2") == target.resolve("v1")


def test_evidence_that_came_later_follows(source: FolderStore, target: FolderStore) -> None:
    root, _ = graph(source)
    copy(source, target, "v1", tag="v1")
    late = put_artifact(source, TYPE, [blob(source, b"late")], subject=root)
    copy(source, target, "v1", tag="v1")
    assert late.digest in {d.digest for d in target.referrers(root.digest)}


def test_a_damaged_source_tags_nothing(source: FolderStore, target: FolderStore) -> None:
    image(source, "x", tag="v1")
    layer = next(p for p in (source.root / "blobs/sha256").iterdir() if p.read_bytes().startswith(b"layer"))
    layer.chmod(0o644)
    layer.write_bytes(b"Layer of x")
    with pytest.raises(CorruptBlob):
        copy(source, target, "v1", tag="v1")
    assert target.tags() == []
    assert target.verify() == []


def test_an_interrupted_copy_goes_on_where_it_stopped(source: FolderStore, target: FolderStore) -> None:
    root, _ = graph(source)
    copy(source, target, root.digest, referrers=False)
    copy(source, target, "v1", tag="v1")
    assert len(target.referrers(root.digest)) == 1
    assert target.verify() == []


def test_a_subject_that_is_no_digest_sets_no_tag(source: FolderStore, target: FolderStore) -> None:
    """The tag of a list of referrers is made of the subject: `prod:000001` would be the tag `prod-000001`."""
    ours = image(target, "ours", tag="prod-000001")
    foreign = Descriptor(ours.media_type, "prod:000001", ours.size)
    with pytest.raises(WorldError, match="its subject 'prod:000001'"):
        put_artifact(source, TYPE, [], subject=foreign, tag="v1")
    raw = canonical({**json.loads(source_note(source)), "subject": foreign.to_json()})
    digest, size = source.put_blob(iter([raw]))
    listed = Descriptor(MANIFEST, digest, size, annotations={"org.opencontainers.image.ref.name": "v1"})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed.to_json()]}
    (source.root / "index.json").write_bytes(canonical(index))
    with pytest.raises(WorldError, match="its subject 'prod:000001'"):
        copy(source, target, "v1")
    assert target.resolve("prod-000001") == ours.digest


def source_note(store: FolderStore) -> bytes:
    return store.get_manifest(put_artifact(store, TYPE, []).digest).raw


def test_a_child_that_a_list_of_referrers_names_too_comes_along(source: FolderStore, target: FolderStore) -> None:
    root, _ = graph(source)
    child = Descriptor.from_json(json.loads(source.get_manifest("v1").raw)["manifests"][0])
    source.put_manifest(referrers_index([child]), INDEX, tag=root.digest.replace(":", "-"))
    copy(source, target, "v1", tag="v1")
    assert target.verify() == []


def test_a_bad_tag_is_said_before_anything_is_copied(source: FolderStore, target: FolderStore) -> None:
    graph(source)
    with pytest.raises(UsageError, match="cannot be a tag"):
        copy(source, target, "v1", tag="not a tag")
    assert not target.root.exists()


def test_a_list_without_end_is_not_read_to_its_end(source: FolderStore, target: FolderStore) -> None:
    image(source, "x", tag="v1")
    entries = [Descriptor(MANIFEST, sha256(str(n).encode()), 300, TYPE) for n in range(10_001)]
    source.referrers = lambda digest, artifact_type=None: entries
    source.get_manifest = once_then_fail(source.get_manifest)
    with pytest.raises(WorldError, match="more than 10,000 manifests"):
        copy(source, target, "v1")


def once_then_fail(get):
    """Only the image itself is to be read."""
    return lambda reference: get(reference) if reference == "v1" else pytest.fail(f"{reference} was read")
