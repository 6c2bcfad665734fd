"""From one store to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.store import INDEX, CorruptBlob, Descriptor, FolderStore, canonical, copy, put_artifact
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
