"""A repository that is remembered: little is asked, nothing of one's own is missed, nothing is believed for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.store import CorruptBlob, Descriptor, Document, FolderStore, attach, put_artifact, read_layers
from mlci.store.registry import RegistryStore, Remembered, remembered
from tests.registrykit import Proxy

NOTE = "application/vnd.test.note"


def opened(name: str, root: Path) -> Remembered:
    return Remembered(name, root / "registry", FolderStore(root / "store"))


def read(store: RegistryStore, listed: Descriptor) -> bytes:
    (layer,) = read_layers(store.get_manifest(listed.digest))
    with store.open_blob(layer.digest) as stream:
        return stream.read()


def test_what_never_changes_is_read_once_by_all_commands(proxy: Proxy, tmp_path: Path) -> None:
    name = proxy.repository()
    image = put_artifact(RegistryStore(name), NOTE, [])
    attach(RegistryStore(name), [Document(NOTE, b"said")], image)
    for _ in range(2):
        store = opened(name, tmp_path)
        assert [read(store, listed) for listed in store.referrers(image.digest)] == [b"said"]
    assert len(proxy.requests("^GET .*/blobs/")) == 1
    (kept,) = (path for path in (tmp_path / "registry").rglob("sha256/*") if path.read_bytes() == b"said")
    kept.chmod(0o644)
    kept.write_bytes(b"tampered with")
    (listed,) = opened(name, tmp_path).referrers(image.digest)
    assert read(opened(name, tmp_path), listed) == b"said"


def test_other_bytes_are_refused_however_many_they_are(proxy: Proxy, tmp_path: Path) -> None:
    name = proxy.repository()
    image = put_artifact(RegistryStore(name), NOTE, [])
    attach(RegistryStore(name), [Document(NOTE, b"said")], image)
    store = opened(name, tmp_path)
    (listed,) = store.referrers(image.digest)
    for size in (4, 1 << 20, 2 << 20):  # what is remembered is read up to a bound, which is no end
        forged = b"forged".ljust(size)[:size]
        proxy.misbehave("^GET .*/blobs/", lambda x, forged=forged: x.answer(200, forged), times=1)
        with pytest.raises(CorruptBlob):
            read(store, listed)
    assert read(store, listed) == b"said"


def test_questions_are_asked_once_in_a_moment_and_again_after_a_write(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = proxy.repository()
    store, other = opened(name, tmp_path), RegistryStore(name)
    first, second = put_artifact(other, NOTE, [], tag="v"), put_artifact(other, f"{NOTE}2", [])
    proxy.seen.clear()
    for _ in range(3):
        assert (store.resolve("v"), store.tags(), store.referrers(first.digest)) == (first.digest, ["v"], [])
        assert store.resolve("nothing") is None  # the list of tags says so
    assert len(proxy.seen) == 4
    manifest = store.get_manifest(second.digest)
    store.put_manifest(manifest.raw, manifest.media_type, tag="v")
    assert store.resolve("v") == second.digest
    attach(store, [Document(NOTE, b"said")], first)
    assert len(store.referrers(first.digest)) == 1
    store.put_manifest(manifest.raw, manifest.media_type, tag="w")
    assert store.tags() == [f"sha256-{first.digest[7:]}", "v", "w"]
    monkeypatch.setattr(remembered, "MOMENT_S", 0.0)
    other.put_manifest(other.get_manifest(first.digest).raw, first.media_type, tag="v")
    assert store.resolve("v") == first.digest
