"""The folder store as a store, as an OCI image layout, and against damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import UsageError, WorldError
from mlci.store import INDEX, MANIFEST, CorruptBlob, Descriptor, FolderStore, NotFound, canonical, put_artifact, sha256
from mlci.store.digest import digest_of
from tests.unit.store.stores import blob, image

TYPE = "application/vnd.test.note.v1"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_a_blob_comes_back_as_it_was(store: FolderStore) -> None:
    digest, size = store.put_blob(iter([b"one ", b"two"]))
    assert (digest, size) == (sha256(b"one two"), 7)
    assert store.has_blob(digest)
    with store.open_blob(digest) as stream:
        assert (stream.read(3), stream.read()) == (b"one", b" two")


def test_an_empty_blob_is_a_blob(store: FolderStore) -> None:
    digest, size = store.put_blob(iter([]))
    with store.open_blob(digest) as stream:
        assert (stream.read(), size) == (b"", 0)


def test_a_blob_that_is_not_the_expected_one_is_not_kept(store: FolderStore) -> None:
    with pytest.raises(CorruptBlob, match="expected"):
        store.put_blob(iter([b"other"]), expected=sha256(b"this"))
    assert not store.has_blob(sha256(b"other"))
    assert list((store.root / ".tmp").iterdir()) == []


def test_nothing_is_made_by_reading(store: FolderStore) -> None:
    assert store.resolve("x") is None
    assert store.tags() == []
    assert store.referrers(sha256(b"")) == []
    assert store.verify() == []
    assert not store.has_blob(sha256(b""))
    with pytest.raises(NotFound):
        store.get_manifest("x")
    assert not store.root.exists()


def test_blobs_can_only_be_read(store: FolderStore) -> None:
    digest = blob(store, b"x").digest
    assert (store.root / "blobs/sha256" / digest[7:]).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../index.json", "sha256:", "sha256:" + "A" * 64, "md5:" + "0" * 32, "sha256:" + "0" * 64 + "\n"],
)
def test_what_is_not_a_digest_never_becomes_a_path(store: FolderStore, digest: str) -> None:
    blob(store, b"x")
    for act in (store.has_blob, store.open_blob, store.get_manifest):
        with pytest.raises(NotFound):
            act(digest)


@pytest.mark.parametrize("damage", [b"", b"content of a blob that changed", b"content of a bloc"])
def test_damage_is_found_before_the_last_byte_is_given(store: FolderStore, damage: bytes) -> None:
    digest = blob(store, b"content of a blob").digest
    path = store.root / "blobs/sha256" / digest[7:]
    path.chmod(0o644)
    path.write_bytes(damage)
    with store.open_blob(digest) as stream, pytest.raises(CorruptBlob) as caught:
        stream.read(max(len(damage), 1))
    assert "delete that file" in caught.value.help
    assert store.verify() == [f"{digest}: {caught.value.message} (not named by anything)"]


def test_a_damaged_blob_of_another_size_is_healed_by_writing_it_again(store: FolderStore) -> None:
    digest = blob(store, b"content").digest
    path = store.root / "blobs/sha256" / digest[7:]
    path.chmod(0o644)
    path.write_bytes(b"con")
    blob(store, b"content")
    assert store.verify() == []


def test_manifests_are_kept_to_the_byte(store: FolderStore) -> None:
    config = blob(store, b"{}")
    raw = json.dumps({"layers": [], "schemaVersion": 2, "config": config.to_json(), "mediaType": MANIFEST}, indent=3)
    written = store.put_manifest(raw.encode(), MANIFEST, tag="odd")
    for reference in ("odd", written.digest):
        found = store.get_manifest(reference)
        assert (found.raw, found.media_type, found.descriptor) == (raw.encode(), MANIFEST, written)


def test_a_manifest_without_media_type_keeps_the_one_it_came_with(store: FolderStore) -> None:
    child = image(store, "child")
    raw = canonical({"schemaVersion": 2, "manifests": [child.to_json()]})
    written = store.put_manifest(raw, INDEX, tag="old")
    assert store.get_manifest("old").media_type == store.get_manifest(written.digest).media_type == INDEX


def test_a_manifest_whose_parts_are_missing_is_refused(store: FolderStore) -> None:
    for document in (
        {"config": Descriptor("x", sha256(b"no"), 2).to_json(), "layers": []},
        {"manifests": [Descriptor(MANIFEST, sha256(b"no"), 2).to_json()]},
    ):
        with pytest.raises(NotFound, match="names sha256"):
            store.put_manifest(
                canonical({"schemaVersion": 2, **document}), INDEX if "manifests" in document else MANIFEST
            )


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b'{"manifests": [1]}', b'{"config": {}}', b"[" * 100_000])
def test_what_is_not_a_manifest_is_refused_without_a_traceback(store: FolderStore, raw: bytes) -> None:
    with pytest.raises(WorldError, match="not a manifest"):
        store.put_manifest(raw, MANIFEST, tag="x")
    digest = blob(store, raw).digest
    with pytest.raises(NotFound, match="not a manifest"):
        store.get_manifest(digest)


def test_a_manifest_that_no_registry_takes_is_refused(store: FolderStore) -> None:
    layer = blob(store, b"x")
    with pytest.raises(WorldError, match="larger than any registry takes"):
        put_artifact(store, TYPE, [layer] * 40_000)


def test_tags_move_and_go(store: FolderStore) -> None:
    first, second = image(store, "1", tag="env"), image(store, "2", tag="env-000001")
    assert (store.resolve("env"), store.tags("env-"), store.tags()) == (
        first.digest,
        ["env-000001"],
        ["env", "env-000001"],
    )
    store.put_manifest(store.get_manifest(second.digest).raw, MANIFEST, tag="env")
    assert store.resolve("env") == second.digest
    store.untag("env")
    store.untag("env")
    assert store.resolve("env") is None
    assert store.get_manifest(first.digest).digest == first.digest


@pytest.mark.parametrize("tag", ["", "-x", ".x", "a b", "a/b", "a" * 129, "ä", "x\n"])
def test_a_tag_that_a_registry_would_refuse_is_refused(store: FolderStore, tag: str) -> None:
    with pytest.raises(UsageError, match="cannot be a tag"):
        image(store, "1", tag=tag)


def test_referrers_are_listed_oldest_first_with_type_and_annotations(store: FolderStore) -> None:
    subject = image(store, "subject", tag="v1")
    notes = [
        put_artifact(store, TYPE, [blob(store, b"%d" % i)], subject=subject, annotations={"n": str(i)})
        for i in range(3)
    ]
    plain = image(store, "by config type", subject=subject)
    found = store.referrers(subject.digest)
    assert [d.digest for d in found] == [d.digest for d in (*notes, plain)]
    assert found[1] == Descriptor(MANIFEST, notes[1].digest, notes[1].size, TYPE, {"n": "1"})
    assert found[3].artifact_type == "application/vnd.oci.image.config.v1+json"
    assert [d.annotations["n"] for d in store.referrers(subject.digest, TYPE)] == ["0", "1", "2"]


def test_the_subject_may_come_later(store: FolderStore) -> None:
    absent = Descriptor(MANIFEST, sha256(b"not yet"), 7)
    note = put_artifact(store, TYPE, [], subject=absent)
    assert [d.digest for d in store.referrers(absent.digest)] == [note.digest]


def test_referrers_follow_the_tag_schema_of_the_distribution_spec(store: FolderStore) -> None:
    subject = image(store, "subject")
    put_artifact(store, TYPE, [], subject=subject)
    index = json.loads(store.get_manifest("sha256-" + subject.digest[7:]).raw)
    assert (index["mediaType"], index["manifests"][0]["artifactType"]) == (INDEX, TYPE)


def test_doing_it_again_changes_no_byte(store: FolderStore) -> None:
    def write() -> None:
        put_artifact(store, TYPE, [], subject=image(store, "subject", tag="v1"), tag="note")

    def content() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in store.root.rglob("*") if p.is_file()}

    write()
    before = content()
    write()
    assert content() == before


def test_another_process_sees_a_change_at_once(store: FolderStore) -> None:
    other = FolderStore(store.root)
    for name in "abcabc":
        written = image(store, name, tag="v")
        assert other.resolve("v") == written.digest


def test_entries_of_others_in_the_index_are_left_alone(store: FolderStore) -> None:
    unnamed = image(store, "unnamed")
    entry = {**unnamed.to_json(), "platform": {"os": "linux", "architecture": "arm64"}}
    (store.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    image(store, "named", tag="v1")
    assert json.loads((store.root / "index.json").read_bytes())["manifests"][0] == entry
    assert store.verify() == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"manifests": {}}', '{"manifests": [{"digest": 1}]}'])
def test_a_damaged_index_is_reported_with_the_way_out(store: FolderStore, content: str) -> None:
    image(store, "1", tag="v1")
    (store.root / "index.json").write_text(content)
    for act in (store.tags, store.verify, lambda: image(store, "2", tag="v2")):
        with pytest.raises(CorruptBlob, match=r"index\.json cannot be read") as caught:
            act()
        assert "delete" in caught.value.help


def test_verify_names_what_is_missing_or_has_another_size(store: FolderStore) -> None:
    written = image(store, "1", tag="v1")
    document = json.loads(store.get_manifest("v1").raw)
    document["layers"][0]["size"] += 1
    wrong = store.put_manifest(canonical(document), MANIFEST, tag="v2")
    layer = document["layers"][0]["digest"]
    assert store.verify() == [f"{layer} has 10 bytes instead of 11 (named by {wrong.digest})"]
    (store.root / "blobs/sha256" / layer[7:]).unlink()
    assert store.verify() == [f"{layer} is missing (named by {written.digest})"]


def test_what_killed_writers_left_is_removed_after_an_hour(store: FolderStore) -> None:
    blob(store, b"x")
    old, young = store.root / ".tmp/old", store.root / ".tmp/young"
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 3700,) * 2)
    blob(FolderStore(store.root), b"y")
    assert (old.exists(), young.exists()) == (False, True)


def test_a_folder_that_cannot_be_written_is_a_broken_world(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorldError, match="cannot write"):
        blob(FolderStore(tmp_path / "file"), b"x")


def test_a_thousand_tags_stay_fast_because_the_index_is_parsed_once_a_change(store: FolderStore) -> None:
    target = image(store, "1")
    many = [{**target.to_json(), "annotations": {"org.opencontainers.image.ref.name": f"t{i}"}} for i in range(1000)]
    (store.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": many}))
    first = store._tags()
    assert len(store.tags("t")) == 1000
    assert store.resolve("t999") == target.digest
    assert store._tags() is first


def test_a_large_blob_takes_no_memory(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from mlci.store import FolderStore, chunks_of
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before = peak()
store = FolderStore(Path(sys.argv[1]))
digest, size = store.put_blob(bytes(1 << 20) for _ in range(256))
assert size == 256 << 20
with store.open_blob(digest) as stream:
    assert sum(map(len, chunks_of(stream))) == size
assert peak() - before < 32 << 20
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_skopeo_reads_it(store: FolderStore, tmp_path: Path) -> None:
    written = image(store, "real", tag="v1")
    put_artifact(store, TYPE, [], subject=written)
    where = f"oci:{store.root}:v1"
    seen = json.loads(_skopeo("inspect", where))
    assert seen["Digest"] == written.digest
    assert json.loads(_skopeo("inspect", "--config", where))["architecture"] == "amd64"
    _skopeo("copy", "--preserve-digests", where, f"oci:{tmp_path}/other:v2")
    other = FolderStore(tmp_path / "other")
    assert other.resolve("v2") == written.digest
    assert other.verify() == []


def test_it_goes_on_in_a_layout_that_skopeo_made(store: FolderStore, tmp_path: Path) -> None:
    written = image(store, "real", tag="v1")
    _skopeo("copy", "--preserve-digests", f"oci:{store.root}:v1", f"oci:{tmp_path}/other:v1")
    other = FolderStore(tmp_path / "other")
    note = put_artifact(other, TYPE, [], subject=written)
    image(other, "next", tag="v2")
    assert [d.digest for d in other.referrers(written.digest)] == [note.digest]
    assert json.loads(_skopeo("inspect", f"oci:{other.root}:v1"))["Digest"] == written.digest


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_the_digest_does_not_depend_on_how_the_bytes_come(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert digest_of(iter(chunks)) == digest_of([whole]) == (sha256(whole), len(whole))


def _skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
