"""Copies from, to and inside real registries; what is counted is what a proxy in front has seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.store import (
    INDEX,
    CorruptBlob,
    Descriptor,
    FolderStore,
    Store,
    Tally,
    canonical,
    copy,
    crew,
    open_store,
    put_artifact,
    sha256,
)
from mlci.store.registry import Patience, RegistryStore
from mlci.store.registry.dialects import SELF_HOSTED
from tests.registrykit import Proxy
from tests.unit.store.stores import blob, image

TYPE = "application/vnd.test.note.v1"
HASTE = Patience(connect=5, silence=5, total=20, tries=4, pause=0.01)


def graph(store: Store) -> tuple[Descriptor, set[str]]:
    """An index of two images; notes on the index and on one image, and a note on a note."""
    images = [image(store, name) for name in ("amd64", "arm64")]
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [i.to_json() for i in images]})
    root = store.put_manifest(raw, INDEX, tag="v1")
    note = put_artifact(store, TYPE, [blob(store, b"note")], subject=root)
    signature = put_artifact(store, TYPE, [blob(store, b"signature")], subject=note)
    bill = put_artifact(store, TYPE, [blob(store, b"bill of materials")], subject=images[1])
    return root, {d.digest for d in (root, *images, note, signature, bill)}


def big_image(store: Store, sizes: list[int], tag: str = "v1") -> Descriptor:
    """An image whose layers have these sizes in bytes."""
    layers = [blob(store, os.urandom(size)).to_json() for size in sizes]
    return image(store, f"big {sizes}", tag=tag, layers=layers)


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "folder")


@pytest.fixture
def repository(proxy: Proxy) -> RegistryStore:
    return RegistryStore(proxy.repository(), patience=HASTE)


def test_everything_comes_along_into_a_registry_and_back(
    folder: FolderStore, repository: RegistryStore, tmp_path: Path
) -> None:
    root, manifests = graph(folder)
    assert copy(folder, repository, "v1", tag="production") == root
    assert repository.resolve("production") == root.digest
    back = FolderStore(tmp_path / "back")
    assert copy(repository, back, "production", tag="v1") == root
    assert back.verify() == []
    for digest in manifests:
        assert back.get_manifest(digest) == repository.get_manifest(digest) == folder.get_manifest(digest)
        listed = [sorted(d.digest for d in store.referrers(digest)) for store in (folder, repository, back)]
        assert listed[0] == listed[1] == listed[2]


def test_inside_a_repository_it_is_three_requests_and_one_write(repository: RegistryStore, proxy: Proxy) -> None:
    made = image(repository, "x", tag="v1")
    proxy.seen.clear()
    again = RegistryStore(repository.reference)
    assert copy(again, RegistryStore(repository.reference), "v1", tag="production") == made
    assert [one.method for one in proxy.seen] == ["GET", "PUT", "HEAD"]
    assert repository.resolve("production") == made.digest


def test_inside_a_registry_no_byte_of_a_blob_moves(repository: RegistryStore, proxy: Proxy) -> None:
    root, manifests = graph(repository)
    big_image(repository, [1 << 20], "big")
    target = RegistryStore(proxy.repository())
    proxy.seen.clear()
    assert copy(repository, target, "v1", tag="v1") == root
    copy(repository, target, "big", tag="big")
    assert proxy.uploaded() == 0
    assert proxy.requests("^GET .*/blobs/sha256") == []
    for digest in manifests:
        assert len(target.referrers(digest)) == len(repository.referrers(digest))


def test_a_second_time_sends_no_blob_and_keeps_the_lists(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy
) -> None:
    graph(folder)
    copy(folder, repository, "v1", tag="v1")
    proxy.seen.clear()
    tally = Tally()
    copy(folder, repository, "v1", tag="v1", tally=tally)
    assert (tally.sent, tally.there) == (0, tally.blobs)
    assert proxy.requests(r"^(POST|PATCH|PUT .*/sha256-)") == []


def test_a_blob_that_many_manifests_share_moves_once(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy
) -> None:
    layer = blob(folder, os.urandom(300_000))
    images = [image(folder, name, layers=[layer.to_json()] * 2) for name in "abcd"]
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [i.to_json() for i in images]})
    folder.put_manifest(raw, INDEX, tag="v1")
    copy(folder, repository, "v1", tag="v1")
    assert [one.uploaded for one in proxy.requests("^PUT .*/uploads/") if one.uploaded > 1000] == [300_000]


def test_the_tag_is_written_last(folder: FolderStore, repository: RegistryStore, proxy: Proxy) -> None:
    graph(folder)
    copy(folder, repository, "v1", tag="v1")
    writes = [one.path for one in proxy.requests("^(PUT|POST|PATCH)")]
    assert writes[-1].endswith("/manifests/v1")
    first_manifest = next(i for i, path in enumerate(writes) if "/manifests/" in path)
    assert not any("/blobs/" in path for path in writes[first_manifest:])


def test_a_large_blob_goes_in_parts(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlci.store.registry.store.dialect_of", lambda _: replace(SELF_HOSTED, part=1 << 20))
    small = RegistryStore(repository.reference, patience=HASTE)
    made = big_image(folder, [(5 << 20) + 3])
    copy(folder, small, "v1", tag="v1")
    assert [one.uploaded for one in proxy.requests("^PATCH")] == [1 << 20] * 5 + [3]
    assert repository.resolve("v1") == made.digest


def test_a_damaged_source_tags_nothing(folder: FolderStore, repository: RegistryStore) -> None:
    big_image(folder, [500_000])
    layer = next(p for p in (folder.root / "blobs/sha256").iterdir() if p.stat().st_size == 500_000)
    layer.chmod(0o644)
    layer.write_bytes(os.urandom(500_000))
    with pytest.raises(CorruptBlob):
        copy(folder, repository, "v1", tag="v1")
    assert repository.tags() == []
    assert not repository.has_blob("sha256:" + layer.name)


def test_a_list_that_lies_about_referrers_is_not_believed(folder: FolderStore, repository: RegistryStore) -> None:
    root = image(repository, "x", tag="v1")
    stranger = image(repository, "stranger")
    gone = Descriptor(stranger.media_type, sha256(b"gone"), 4)
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [stranger.to_json()]})
    repository.put_manifest(raw, INDEX, tag=root.digest.replace(":", "-"))
    copy(repository, folder, "v1", tag="v1")
    assert not folder.has_blob(stranger.digest)
    assert not folder.has_blob(gone.digest)


KILLED = """
import sys
from mlci.store import copy, open_store
copy(open_store(sys.argv[1]), open_store(sys.argv[2]), "v1", tag="v1", workers=1)
"""


def test_a_killed_copy_goes_on_without_sending_a_finished_blob_again(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy
) -> None:
    sizes = [400_000 + n for n in range(6)]
    made = big_image(folder, sizes)
    proxy.misbehave(r"^PUT .*/uploads/", lambda exchange: exchange.hang(), skip=4)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder.root), repository.name])
    deadline = time.monotonic() + 60
    while not proxy.faults[0].hits and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert repository.tags() == []
    finished = {one.uploaded for one in proxy.requests("^PUT .*/uploads/") if one.status == 201}
    assert len(finished) == 4
    proxy.faults.clear()
    proxy.seen.clear()
    assert copy(folder, repository, "v1", tag="v1") == made
    sent = [one.uploaded for one in proxy.requests("^PUT .*/uploads/")]
    assert not finished & set(sent)
    assert repository.resolve("v1") == made.digest


def test_an_error_stops_the_other_transfers(folder: FolderStore, repository: RegistryStore, proxy: Proxy) -> None:
    big_image(folder, [200_000 + n for n in range(10)])
    proxy.misbehave("^POST", lambda exchange: exchange.answer(403))
    with pytest.raises(WorldError, match="403"):
        copy(folder, repository, "v1", tag="v1")
    assert proxy.uploaded() == 0
    assert proxy.requests("^PUT") == []


def test_a_person_who_has_had_enough_does_not_wait_for_what_hangs(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy
) -> None:
    big_image(folder, [200_000 + n for n in range(10)])
    fault = proxy.misbehave("^(PUT|PATCH) .*/uploads/", lambda exchange: exchange.hang())
    command = [sys.executable, "-m", "mlci", "copy", f"oci:{folder.root}:v1", repository.name]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while fault.hits < 8 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)  # silence is borne for 60 s
    assert (process.returncode, err.strip()) == (130, "")
    assert repository.tags() == []


def test_an_error_does_not_wait_for_what_hangs(
    folder: FolderStore, repository: RegistryStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "GRACE_S", 0.1)
    big_image(folder, [200_000 + n for n in range(3)])
    proxy.misbehave("^PUT .*/uploads/", lambda exchange: exchange.answer(403), times=1)
    proxy.misbehave("^PUT .*/uploads/", lambda exchange: exchange.hang())
    with pytest.raises(WorldError, match="403"):
        copy(folder, repository, "v1", tag="v1")
    assert not proxy.ended.is_set()
    assert all(one.status in (0, 403) for one in proxy.requests("^PUT .*/uploads/"))


def mlci(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mlci", *arguments], capture_output=True, text=True, check=False)


def test_the_command_copies_and_says_what_it_did(folder: FolderStore, repository: RegistryStore) -> None:
    made, _ = graph(folder)
    done = mlci("copy", f"oci:{folder.root}:v1", repository.name, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["digest"], facts["tag"], facts["manifests"]) == (made.digest, "v1", 6)
    assert facts["blobs"] == {"all": 8, "there": 0, "mounted": 0, "sent": 8}
    done = mlci("copy", f"{repository.name}@{made.digest}", f"{repository.name}:production")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{made.digest} (production): tagged in ")
    assert repository.resolve("production") == made.digest
    back = FolderStore(folder.root.with_name("back"))
    assert mlci("copy", f"{repository.name}:v1@{made.digest}", f"oci:{back.root}").returncode == 0
    assert back.tags("v") == ["v1"]


def test_the_command_can_leave_referrers_behind(folder: FolderStore, repository: RegistryStore) -> None:
    made, _ = graph(folder)
    assert mlci("copy", f"oci:{folder.root}:v1", f"{repository.name}:v2", "--no-referrers").returncode == 0
    assert repository.tags() == ["v2"]
    assert repository.referrers(made.digest) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "x"), "neither a registry nor a folder"),
        (("ghcr.io/UPPER/case", "./x"), "not the name of an image"),
        (("./x:v1", "./y:a", "--tag", "b"), "'a' and 'b'"),
        (("./x:v1", "oci:"), "oci: names no folder"),
        (("./x:v1", f"./y@sha256:{'0' * 64}"), "the digest that it has"),
    ],
)
def test_the_command_explains_what_it_cannot_read(arguments: tuple[str, ...], said: str) -> None:
    done = mlci("copy", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_store_is_opened_by_a_text_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for where in ("oci:here", "./here", "here", tmp_path / "here"):
        store = open_store(where)
        assert isinstance(store, FolderStore)
        assert store.root.resolve() == tmp_path / "here"
    registry = open_store("ghcr.io/acme/model:v1")
    assert isinstance(registry, RegistryStore)
    assert registry.name == "ghcr.io/acme/model"
