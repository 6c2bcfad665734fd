"""A folder knows blobs that a registry has: they come when they are read, once, whole, and are checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.store import Descriptor, FolderStore, NotFound, Tally, copy_blobs
from mlci.store.registry import RegistryStore
from tests.registrykit import Proxy

KIND = "application/octet-stream"


def there(repository: str, content: bytes) -> Descriptor:
    digest, size = RegistryStore(repository).put_blob(iter([content]))
    return Descriptor(KIND, digest, size)


def absent(content: bytes) -> Descriptor:
    return Descriptor(KIND, "sha256:" + hashlib.sha256(content).hexdigest(), len(content))


def test_a_blob_comes_when_it_is_read_and_stays(proxy: Proxy, tmp_path: Path) -> None:
    repository = proxy.repository()
    blob = there(repository, b"weights" * 100_000)
    store = FolderStore(tmp_path)
    store.is_elsewhere([blob], repository)
    proxy.seen.clear()
    assert store.has_blob(blob.digest)
    assert FolderStore(tmp_path).verify() == []
    assert proxy.seen == []
    for _ in range(2):
        with FolderStore(tmp_path).open_blob(blob.digest) as stream:
            assert stream.read() == b"weights" * 100_000
    assert len(proxy.requests("^GET .*/blobs/")) == 1
    assert FolderStore(tmp_path).verify() == []


def test_many_come_at_once_each_once(proxy: Proxy, tmp_path: Path) -> None:
    repository = proxy.repository()
    blobs = [there(repository, f"part {n}".encode()) for n in range(20)]
    store = FolderStore(tmp_path)
    store.is_elsewhere(blobs, repository)
    proxy.seen.clear()
    store.bring(blobs)
    store.bring(blobs)
    assert len(proxy.requests("^GET .*/blobs/")) == 20
    assert not list((tmp_path / ".elsewhere").iterdir())


def test_what_is_here_is_not_noted_and_what_is_nowhere_is_not_found(proxy: Proxy, tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    digest, size = store.put_blob(iter([b"here"]))
    store.is_elsewhere([Descriptor(KIND, digest, size)], proxy.repository())
    assert not list((tmp_path / ".elsewhere").iterdir())
    with pytest.raises(NotFound):
        store.open_blob(absent(b"nowhere").digest)
    assert proxy.seen == []


def test_what_is_gone_changed_or_too_long_is_an_error_and_leaves_nothing(proxy: Proxy, tmp_path: Path) -> None:
    repository = proxy.repository()
    gone, whole = absent(b"gone"), there(repository, b"whole")
    short = Descriptor(KIND, whole.digest, 3)
    store = FolderStore(tmp_path)
    store.is_elsewhere([gone], repository)
    with pytest.raises(WorldError, match="does not have it any more") as error:
        store.open_blob(gone.digest)
    assert not isinstance(error.value, NotFound)  # what is named is not simply not there
    store.is_elsewhere([short], repository)
    with pytest.raises(WorldError, match="more than the 3 bytes"):
        store.open_blob(whole.digest)
    store.is_elsewhere([whole], repository)
    proxy.misbehave(
        f"^GET .*/blobs/{whole.digest}", lambda e: e.forward(change=lambda body: body[:-1] + b"x"), times=20
    )
    with pytest.raises(WorldError, match="cannot be fetched"):
        store.open_blob(whole.digest)
    assert not (tmp_path / "blobs" / "sha256" / whole.digest[7:]).exists()
    proxy.faults.clear()
    with store.open_blob(whole.digest) as stream:
        assert stream.read() == b"whole"


def test_a_note_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    store, blob = FolderStore(tmp_path), absent(b"x")
    store.is_elsewhere([blob], "localhost:1/x")
    (tmp_path / ".elsewhere" / blob.digest[7:]).write_text("{")
    with pytest.raises(WorldError, match="cannot be read"):
        store.open_blob(blob.digest)


def test_what_is_elsewhere_in_the_registry_that_it_is_copied_to_does_not_pass_through_here(
    proxy: Proxy, tmp_path: Path
) -> None:
    cache, images = proxy.repository(), proxy.repository()
    blob = there(cache, b"weights" * 100_000)
    store, tally = FolderStore(tmp_path), Tally()
    store.is_elsewhere([blob], cache)
    proxy.seen.clear()
    copy_blobs(store, RegistryStore(images), [blob], tally=tally)
    assert (tally.mounted, tally.sent) == (1, 0)
    assert sum(one.downloaded + one.uploaded for one in proxy.requests("/blobs/")) < 1000
    copy_blobs(store, RegistryStore(cache), [blob], tally=tally)
    assert (tally.there, tally.sent) == (1, 0)
    assert RegistryStore(images).has_blob(blob.digest)
    copy_blobs(store, FolderStore(tmp_path / "other"), [blob])
    assert (tmp_path / "other" / "blobs" / "sha256" / blob.digest[7:]).exists()
