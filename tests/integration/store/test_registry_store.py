"""A registry as a store: a real docker-registry, and skopeo beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from mlci.errors import UsageError, WorldError
from mlci.store import INDEX, MANIFEST, CorruptBlob, Descriptor, FolderStore, NotFound, canonical, put_artifact, sha256
from mlci.store.registry import RegistryStore
from mlci.store.registry.store import DOCKER_LIST, DOCKER_MANIFEST
from tests.registrykit import Proxy, RunningRegistry
from tests.unit.store.stores import blob, image

TYPE = "application/vnd.test.note.v1"


@pytest.fixture
def store(registry: RunningRegistry) -> RegistryStore:
    return RegistryStore(registry.repository())


def skopeo(*arguments: str) -> bytes:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout


def test_a_blob_comes_back_as_it_was(store: RegistryStore) -> None:
    digest, size = store.put_blob(iter([b"one ", b"", b"two"]))
    assert (digest, size) == (sha256(b"one two"), 7)
    assert store.has_blob(digest)
    with store.open_blob(digest) as stream:
        assert (stream.read(3), stream.read()) == (b"one", b" two")


def test_an_empty_blob_is_a_blob(store: RegistryStore) -> None:
    digest, size = store.put_blob(iter([]))
    with store.open_blob(digest) as stream:
        assert (stream.read(), size) == (b"", 0)


def test_a_large_blob_goes_in_windows_and_comes_back(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    content = os.urandom(40 << 20)
    pieces = (content[start : start + 1_000_003] for start in range(0, len(content), 1_000_003))
    assert store.put_blob(pieces) == (sha256(content), len(content))
    assert [one.uploaded for one in proxy.requests("^PATCH")] == [16 << 20, 16 << 20, 8 << 20]
    found = hashlib.sha256()
    with store.open_blob(sha256(content)) as stream:
        while chunk := stream.read(777_777):
            found.update(chunk)
    assert "sha256:" + found.hexdigest() == sha256(content)


def test_a_blob_that_is_there_is_not_sent(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    blob(store, b"content")
    before = proxy.uploaded()
    blob(store, b"content")
    assert (before, proxy.uploaded()) == (7, 7)


@pytest.mark.parametrize("size", [5, 20 << 20])
def test_a_blob_that_is_not_the_expected_one_is_not_kept(store: RegistryStore, size: int) -> None:
    content = b"x" * size
    with pytest.raises(CorruptBlob, match="expected"):
        store.put_blob(iter([content]), expected=sha256(b"this"))
    assert not store.has_blob(sha256(content))


def test_what_is_not_there_is_not_found(store: RegistryStore) -> None:
    assert not store.has_blob(sha256(b"no"))
    assert store.resolve("no") is None
    assert store.tags() == []
    assert store.referrers(sha256(b"no")) == []
    for act in (store.open_blob, store.get_manifest):
        with pytest.raises(NotFound):
            act(sha256(b"no"))


@pytest.mark.parametrize("reference", ["../blobs", "a/b", "", "sha256:12", "x?y", "é"])
def test_what_is_no_reference_never_becomes_a_path(proxy: Proxy, reference: str) -> None:
    store = RegistryStore(proxy.repository())
    for act in (store.has_blob, store.open_blob):
        with pytest.raises(NotFound):
            act(reference)
    with pytest.raises(NotFound):
        store.get_manifest(reference)
    with pytest.raises(UsageError):
        store.put_manifest(canonical({"manifests": [], "mediaType": INDEX}), INDEX, tag=reference)
    assert proxy.seen == []


def test_a_manifest_without_its_parts_is_not_taken(store: RegistryStore) -> None:
    absent = Descriptor("application/octet-stream", sha256(b"absent"), 6)
    with pytest.raises(NotFound, match="BLOB_UNKNOWN"):
        put_artifact(store, TYPE, [absent])


def test_a_manifest_keeps_its_bytes(store: RegistryStore) -> None:
    config = blob(store, b"{}")
    raw = json.dumps({"schemaVersion": 2, "config": config.to_json(), "layers": [], "mediaType": MANIFEST}, indent=3)
    put = store.put_manifest(raw.encode(), MANIFEST, tag="v1")
    for reference in ("v1", put.digest):
        found = store.get_manifest(reference)
        assert (found.raw, found.digest, found.media_type) == (raw.encode(), sha256(raw.encode()), MANIFEST)
    assert store.resolve("v1") == put.digest
    assert skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{store.name}:v1") == raw.encode()


@pytest.mark.parametrize(("index", "manifest"), [(INDEX, MANIFEST), (DOCKER_LIST, DOCKER_MANIFEST)])
def test_both_families_of_manifests_are_spoken(store: RegistryStore, index: str, manifest: str) -> None:
    config, layer = (Descriptor(f"{manifest}.part", d.digest, d.size) for d in (blob(store, b"{}"), blob(store, b"l")))
    if manifest == DOCKER_MANIFEST:
        config = Descriptor("application/vnd.docker.container.image.v1+json", config.digest, config.size)
        layer = Descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer.digest, layer.size)
    document = {"schemaVersion": 2, "mediaType": manifest, "config": config.to_json(), "layers": [layer.to_json()]}
    child = store.put_manifest(canonical(document), manifest)
    entry = {**child.to_json(), "platform": {"architecture": "amd64", "os": "linux"}}
    raw = canonical({"schemaVersion": 2, "mediaType": index, "manifests": [entry]})
    store.put_manifest(raw, index, tag="v1")
    assert (store.get_manifest("v1").raw, store.get_manifest("v1").media_type) == (raw, index)
    assert store.get_manifest(child.digest).media_type == manifest


def test_tags_are_listed_over_pages(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    more = f'</v2/{store.repository}/tags/list?n=2&last=v1>; rel="next"'
    proxy.misbehave("tags/list.n=1000", lambda x: x.answer(200, b'{"tags": ["v1", "v0"]}', Link=more))
    proxy.misbehave("last=v1", lambda x: x.answer(200, b'{"tags": ["v2", "other"]}'))
    assert store.tags() == ["other", "v0", "v1", "v2"]
    assert store.tags("v") == ["v0", "v1", "v2"]


def test_a_list_without_end_is_left(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    proxy.misbehave("tags/list", lambda x: x.answer(200, b'{"tags": null}', Link='<?again>; rel="next"'))
    with pytest.raises(WorldError, match="has no end"):
        store.tags()


def test_all_tags_are_listed(store: RegistryStore) -> None:
    for tag in ("v1", "v0", "other"):
        image(store, "x", tag=tag)
    assert store.tags() == ["other", "v0", "v1"]


def test_a_tag_that_cannot_be_removed_alone_says_so(store: RegistryStore) -> None:
    image(store, "x", tag="v1")
    with pytest.raises(UsageError, match="cannot remove the tag 'v1'"):
        store.untag("v1")
    assert store.resolve("v1") is not None


def test_referrers_are_listed_by_the_fallback_tag(store: RegistryStore) -> None:
    subject = image(store, "subject", tag="v1")
    note = put_artifact(store, TYPE, [blob(store, b"note")], subject=subject, annotations={"by": "me"})
    other = put_artifact(store, "application/vnd.other", [blob(store, b"other")], subject=subject)
    listed = store.referrers(subject.digest)
    assert [entry.digest for entry in listed] == [note.digest, other.digest]
    assert (listed[0].artifact_type, listed[0].annotations) == (TYPE, {"by": "me"})
    assert [entry.digest for entry in store.referrers(subject.digest, TYPE)] == [note.digest]
    document = json.loads(store.get_manifest(subject.digest.replace(":", "-")).raw)
    assert [entry["digest"] for entry in document["manifests"]] == [note.digest, other.digest]


def test_a_referrer_that_is_listed_is_not_written_again(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    put_artifact(store, TYPE, [], subject=subject)
    before = len(proxy.requests("^PUT .*/sha256-"))
    put_artifact(store, TYPE, [], subject=subject)
    assert (before, len(proxy.requests("^PUT .*/sha256-"))) == (1, 1)


def test_a_blob_is_mounted_from_another_repository(proxy: Proxy) -> None:
    source, target = RegistryStore(proxy.repository()), RegistryStore(proxy.repository())
    digest = blob(source, b"content").digest
    sent = proxy.uploaded()
    assert target.mount(digest, source.repository)
    assert target.has_blob(digest)
    assert proxy.uploaded() == sent


def test_a_mount_that_fails_leaves_no_session_open(registry: RunningRegistry, proxy: Proxy) -> None:
    source, target = RegistryStore(proxy.repository()), RegistryStore(proxy.repository())
    image(source, "x", tag="v1")
    assert not target.mount(sha256(b"absent"), source.repository)
    assert [one.status for one in proxy.requests(r"^(POST|DELETE) .*" + target.repository)] == [202, 204]


def test_what_skopeo_wrote_is_read_and_the_other_way_round(store: RegistryStore, tmp_path: Path) -> None:
    folder = FolderStore(tmp_path / "layout")
    made = image(folder, "by mlci", tag="v1")
    skopeo(
        "copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{folder.root}:v1", f"docker://{store.name}:v1"
    )
    assert store.get_manifest("v1").raw == folder.get_manifest("v1").raw
    again = image(store, "by mlci", tag="v2")
    skopeo(
        "copy",
        "--src-tls-verify=false",
        "--preserve-digests",
        f"docker://{store.name}:v2",
        f"oci:{tmp_path / 'back'}:v2",
    )
    assert again == made
    assert FolderStore(tmp_path / "back").resolve("v2") == made.digest


def test_the_registry_has_what_we_say_that_it_has(store: RegistryStore) -> None:
    made = image(store, "x", tag="v1")
    request = urllib.request.Request(
        f"http://{store.registry.host}/v2/{store.repository}/manifests/v1", headers={"Accept": MANIFEST}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Docker-Content-Digest"] == made.digest
