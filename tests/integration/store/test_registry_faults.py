"""A registry that misbehaves: a clear error or a correct retry, nothing leaked, nothing half-tagged."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.evidence.inspect import inspect
from mlci.evidence.signing import Trusted
from mlci.store import CorruptBlob, Cut, Document, FolderStore, NotFound, attach, canonical, copy, put_artifact, sha256
from mlci.store.protocol import MANIFEST
from mlci.store.registry import Patience, RegistryStore
from mlci.store.registry.dialects import SELF_HOSTED
from tests.registrykit import Exchange, Proxy, RunningRegistry
from tests.unit.store.stores import blob, image

HASTE = Patience(connect=5, silence=5, total=30, tries=3, pause=0.01)
TYPE = "application/vnd.test.note.v1"


@pytest.fixture
def store(proxy: Proxy) -> RegistryStore:
    return RegistryStore(proxy.repository(), patience=HASTE)


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "folder")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long we have waited between tries; nobody really waits."""
    asked: list[float] = []
    monkeypatch.setattr("mlci.store.registry.client.time.sleep", asked.append)
    return asked


def large(store: FolderStore, size: int = 600_000) -> None:
    image(store, "large", tag="v1", layers=[blob(store, os.urandom(size)).to_json()])


def direct(store: RegistryStore, registry: RunningRegistry) -> RegistryStore:
    """The same repository, past the proxy."""
    return RegistryStore(f"{registry.host}/{store.repository}")


def test_denied_is_said_with_the_way_out(store: RegistryStore, proxy: Proxy) -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "not yours"}]}'
    proxy.misbehave("manifests", lambda x: x.answer(403, body))
    with pytest.raises(WorldError, match=r"answers 403 to GET /v2/.*: DENIED: not yours") as caught:
        store.get_manifest("v1")
    assert "docker login" in caught.value.help
    assert len(proxy.seen) == 1


def test_a_challenge_that_cannot_be_met_is_asked_once(store: RegistryStore, proxy: Proxy) -> None:
    proxy.misbehave("manifests", lambda x: x.answer(401, WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(WorldError, match="401") as caught:
        store.get_manifest("v1")
    assert "no login was found" in caught.value.help
    assert len(proxy.seen) == 1


def test_too_many_requests_waits_as_long_as_it_is_told(store: RegistryStore, proxy: Proxy, waits: list[float]) -> None:
    made = image(store, "x", tag="v1")
    proxy.misbehave("GET .*manifests", lambda x: x.answer(429, Retry_After="7"), times=2)
    assert store.get_manifest("v1").digest == made.digest
    assert waits == [7.0, 7.0]


def test_a_date_to_wait_for_is_understood(store: RegistryStore, proxy: Proxy, waits: list[float]) -> None:
    image(store, "x", tag="v1")
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 20))
    proxy.misbehave("GET .*manifests", lambda x: x.answer(503, Retry_After=when), times=1)
    store.get_manifest("v1")
    assert len(waits) == 1
    assert 10 < waits[0] <= 20


def test_a_wait_that_is_too_long_is_an_error(store: RegistryStore, proxy: Proxy, waits: list[float]) -> None:
    proxy.misbehave("manifests", lambda x: x.answer(429, Retry_After="3600"))
    with pytest.raises(WorldError, match="429") as caught:
        store.get_manifest("v1")
    assert (waits, len(proxy.seen)) == ([], 1)
    assert "log in" in caught.value.help


def test_a_failing_server_is_asked_a_few_times(store: RegistryStore, proxy: Proxy) -> None:
    proxy.misbehave("manifests", lambda x: x.answer(500))
    with pytest.raises(WorldError, match="500"):
        store.get_manifest("v1")
    assert len(proxy.seen) == HASTE.tries


def test_silence_ends_in_an_error(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository(), patience=replace(HASTE, silence=0.2, tries=2))
    proxy.misbehave("", Exchange.hang)
    with pytest.raises(Cut, match="does not answer"):
        store.get_manifest("v1")
    assert len(proxy.seen) == 2


def test_an_upload_into_silence_ends_in_an_error(folder: FolderStore, proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository(), patience=replace(HASTE, silence=0.2, tries=2))
    large(folder)
    proxy.misbehave("^PUT .*uploads", Exchange.hang)
    with pytest.raises(Cut):
        copy(folder, store, "v1", tag="v1")
    assert proxy.requests("^PUT .*manifests") == []


def test_a_host_that_is_not_there_is_named() -> None:
    store = RegistryStore("127.0.0.1:9/nobody", patience=replace(HASTE, tries=1))
    with pytest.raises(WorldError, match=r"cannot reach 127\.0\.0\.1:9"):
        store.get_manifest("v1")


def test_after_a_cut_only_the_rest_is_asked_for(store: RegistryStore, proxy: Proxy) -> None:
    content = os.urandom(2_000_000)
    digest = store.put_blob(iter([content]))[0]
    proxy.misbehave("^GET .*blobs", lambda x: x.forward(give=700_000), times=2)
    with store.open_blob(digest) as stream:
        assert stream.read() == content
    gets = proxy.requests("^GET .*blobs")
    assert [one.status for one in gets] == [200, 206, 206]
    assert gets[1].headers["range"].startswith("bytes=")


def test_a_registry_without_ranges_is_read_from_the_beginning(store: RegistryStore, proxy: Proxy) -> None:
    content = os.urandom(2_000_000)
    digest = store.put_blob(iter([content]))[0]
    proxy.misbehave("^GET .*blobs", lambda x: x.forward(give=700_000), times=1)

    def whole(exchange: Exchange) -> None:
        del exchange.headers["Range"]
        exchange.forward()

    proxy.misbehave("^GET .*blobs", whole)
    with store.open_blob(digest) as stream:
        assert stream.read() == content
    assert [one.status for one in proxy.requests("^GET .*blobs")] == [200, 200]


def test_a_blob_that_is_cut_each_time_is_an_error(store: RegistryStore, proxy: Proxy, folder: FolderStore) -> None:
    large(folder)
    copy(folder, store, "v1", tag="v1")
    proxy.misbehave("^GET .*blobs", lambda x: x.forward(give=10))
    target = FolderStore(folder.root.parent / "target")
    with pytest.raises(Cut, match="was cut"):
        copy(store, target, "v1", tag="v1")
    assert target.tags() == []


def test_other_bytes_than_the_digest_are_never_kept(store: RegistryStore, proxy: Proxy, folder: FolderStore) -> None:
    large(folder)
    copy(folder, store, "v1", tag="v1")
    proxy.misbehave("^GET .*blobs", lambda x: x.forward(change=lambda body: body[:-1] + bytes([body[-1] ^ 1])))
    target = FolderStore(folder.root.parent / "target")
    with pytest.raises(CorruptBlob):
        copy(store, target, "v1", tag="v1")
    assert (target.tags(), target.verify()) == ([], [])


def test_the_last_byte_of_a_wrong_blob_is_not_given_out(store: RegistryStore, proxy: Proxy) -> None:
    digest = store.put_blob(iter([b"x" * 1_000_000]))[0]
    proxy.misbehave("^GET .*blobs", lambda x: x.forward(change=lambda body: b"y" + body[1:]))
    with store.open_blob(digest) as stream:
        assert len(stream.read(500_000)) == 500_000
        with pytest.raises(CorruptBlob):
            stream.read(500_000)


@pytest.mark.parametrize("headers", [{}, {"Docker-Content-Digest": None}])
def test_another_manifest_than_asked_for_is_refused(store: RegistryStore, proxy: Proxy, headers: dict) -> None:
    made = image(store, "x", tag="v1")
    proxy.misbehave(
        "^GET .*manifests", lambda x: x.forward(change=lambda body: body.replace(b"2", b"1"), headers=headers)
    )
    with pytest.raises(CorruptBlob, match=made.digest):
        store.get_manifest(made.digest)
    if not headers:
        with pytest.raises(CorruptBlob, match=made.digest):
            store.get_manifest("v1")


def test_a_registry_that_changes_manifests_is_found_out(store: RegistryStore, proxy: Proxy) -> None:
    wrong = sha256(b"another")
    proxy.misbehave("^PUT .*manifests", lambda x: x.forward(headers={"Docker-Content-Digest": wrong}))
    with pytest.raises(CorruptBlob, match=f"says that it has {wrong}"):
        image(store, "x", tag="v1")


def test_a_tag_that_somebody_else_moves_is_noticed(store: RegistryStore, proxy: Proxy) -> None:
    image(store, "x", tag="v1")
    theirs = sha256(b"theirs")
    proxy.misbehave("^HEAD .*manifests/production", lambda x: x.forward(headers={"Docker-Content-Digest": theirs}))
    with pytest.raises(WorldError, match=f"production is {theirs}"):
        copy(store, RegistryStore(store.reference), "v1", tag="production")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{" + b" " * (5 << 20) + b"}", "gives more than the 4,194,304 bytes"),
        (b"<html>", "this is not a manifest"),
        (b"[" * 100_000, "this is not a manifest"),
        (b'{"manifests": [{}]}', "not complete"),
        (b'{"manifests": [], "annotations": [1]}', "not complete"),
        (b'{"config": {"mediaType": "x", "digest": "y", "size": "many"}}', "not complete"),
    ],
)
def test_what_is_no_manifest_is_an_error(store: RegistryStore, proxy: Proxy, body: bytes, said: str) -> None:
    proxy.misbehave("^GET .*manifests", lambda x: x.answer(200, body, Content_Type=MANIFEST))
    with pytest.raises(WorldError, match=said):
        store.get_manifest("v1")


def test_an_endless_error_is_not_read(store: RegistryStore, proxy: Proxy) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.begin(403, {"Content-Length": str(1 << 40)})
        while True:
            exchange.write(b"x" * 65536)

    proxy.misbehave("manifests", endless)
    with pytest.raises(WorldError, match="403"):
        store.get_manifest("v1")
    assert proxy.seen[0].downloaded < 1 << 24


def test_redirects_that_never_end_are_left(store: RegistryStore, proxy: Proxy) -> None:
    proxy.misbehave("^GET", lambda x: x.answer(307, Location="/v2/again"))
    with pytest.raises(WorldError, match="without an end"):
        store.get_manifest("v1")
    assert len(proxy.seen) < 10


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1:99999/",
        "ftp://x/",
        "http://[",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/",
        "http://example.com/",
    ],
)
def test_a_redirect_to_no_good_place_is_refused(store: RegistryStore, proxy: Proxy, target: str) -> None:
    proxy.misbehave("^GET", lambda x: x.answer(307, Location=target))
    with pytest.raises(WorldError, match="which is refused"):
        store.get_manifest("v1")


def test_a_cut_upload_is_sent_again(folder: FolderStore, store: RegistryStore, proxy: Proxy) -> None:
    large(folder)
    fault = proxy.misbehave("^PUT .*uploads", lambda x: x.forward(take=100_000), times=2)
    made = copy(folder, store, "v1", tag="v1")
    assert fault.hits == 2
    assert store.resolve("v1") == made.digest


def test_an_upload_that_is_cut_each_time_tags_nothing(
    folder: FolderStore, store: RegistryStore, proxy: Proxy, registry: RunningRegistry
) -> None:
    large(folder)
    fault = proxy.misbehave("^PUT .*uploads", lambda x: x.forward(take=100_000))
    with pytest.raises(Cut, match="was cut"):
        copy(folder, store, "v1", tag="v1", workers=1)
    assert fault.hits >= HASTE.tries
    assert direct(store, registry).tags() == []


class HalfParts:
    """What distribution 3 does, and 2.8 does not: what came of a part before the cut is kept, and can be asked for."""

    def __init__(self, proxy: Proxy, times: int) -> None:
        self.kept: dict[str, str] = {}
        self.fault = proxy.misbehave("^PATCH", self.half, times=times, skip=1)
        self.asked = proxy.misbehave("^GET .*uploads", self.status)

    def half(self, exchange: Exchange) -> None:
        self.kept = exchange.forward_short(int(exchange.headers["Content-Length"]) // 2)
        raise ConnectionAbortedError

    def status(self, exchange: Exchange) -> None:
        exchange.answer(204, Location=self.kept["Location"], Range=self.kept["Range"])


def test_a_cut_part_goes_on_where_the_registry_is(
    folder: FolderStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlci.store.registry.store.dialect_of", lambda _: replace(SELF_HOSTED, part=1 << 20))
    store = RegistryStore(proxy.repository(), patience=HASTE)
    large(folder, 5 << 20)
    halves = HalfParts(proxy, times=2)
    made = copy(folder, store, "v1", tag="v1")
    assert (halves.fault.hits, halves.asked.hits) == (2, 2)
    assert store.resolve("v1") == made.digest
    assert len(proxy.requests("^POST")) == 2  # the layer and the config: no session was begun anew
    assert sum(one.uploaded for one in proxy.requests("^PATCH")) == 5 << 20


def test_a_session_that_is_lost_is_begun_anew(
    folder: FolderStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlci.store.registry.store.dialect_of", lambda _: replace(SELF_HOSTED, part=1 << 20))
    store = RegistryStore(proxy.repository(), patience=HASTE)
    large(folder, 3 << 20)
    proxy.misbehave("^PATCH", lambda x: x.forward(take=1000), times=1, skip=1)
    made = copy(folder, store, "v1", tag="v1")
    assert store.resolve("v1") == made.digest


def test_a_stream_that_comes_once_goes_on_after_a_cut(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlci.store.registry.store.dialect_of", lambda _: replace(SELF_HOSTED, window=1 << 20))
    store = RegistryStore(proxy.repository(), patience=HASTE)
    content = os.urandom((3 << 20) + 7)
    halves = HalfParts(proxy, times=2)
    assert store.put_blob(iter([content])) == (sha256(content), len(content))
    assert (halves.fault.hits, halves.asked.hits) == (2, 2)
    with store.open_blob(sha256(content)) as stream:
        assert stream.read() == content


def test_a_registry_that_takes_no_parts_gets_the_blob_whole(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlci.store.registry.store.dialect_of", lambda _: replace(SELF_HOSTED, window=None))
    store = RegistryStore(proxy.repository(), patience=HASTE)
    proxy.misbehave("^PATCH", lambda x: x.answer(405))
    proxy.misbehave("^PUT", lambda x: x.forward(take=1000), times=1)
    content = os.urandom(3 << 20)
    assert store.put_blob(iter([content[: 1 << 20], content[1 << 20 :]])) == (sha256(content), len(content))
    assert store.has_blob(sha256(content))


TRANSIENT: dict[str, Callable[[Exchange], None]] = {
    "500": lambda x: x.answer(500),
    "429": lambda x: x.answer(429, Retry_After="0"),
    "cut before": lambda x: x.forward(take=0),
    "cut after": lambda x: x.forward(give=0),
}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_one_fault_at_any_request_of_a_copy_is_mended(
    registry: RunningRegistry, proxy: Proxy, folder: FolderStore, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlci.store.registry.referrers.SETTLE_S", 0.01)
    large(folder, 100_000)
    subject = folder.get_manifest("v1").descriptor
    put_artifact(folder, TYPE, [blob(folder, b"note")], subject=subject)
    for skip in range(100):
        proxy.faults.clear()
        struck = proxy.misbehave("", TRANSIENT[fault], times=1, skip=skip)
        store = RegistryStore(proxy.repository(), patience=HASTE)
        copy(folder, store, "v1", tag="v1", workers=1)
        proxy.faults.clear()
        there = direct(store, registry)
        assert there.resolve("v1") == subject.digest
        assert len(there.referrers(subject.digest)) == 1
        if not struck.hits:
            break
    assert skip > 15


@pytest.mark.parametrize("fault", TRANSIENT)
def test_one_fault_at_any_request_to_a_source_is_mended(
    proxy: Proxy, folder: FolderStore, tmp_path: Path, fault: str
) -> None:
    large(folder, 300_000)
    store = RegistryStore(proxy.repository(), patience=HASTE)
    made = copy(folder, store, "v1", tag="v1")
    for skip in range(100):
        proxy.faults.clear()
        struck = proxy.misbehave("", TRANSIENT[fault], times=1, skip=skip)
        target = FolderStore(tmp_path / f"target-{skip}")
        copy(RegistryStore(store.reference, patience=HASTE), target, "v1", tag="v1", workers=1)
        assert target.resolve("v1") == made.digest
        assert target.verify() == []
        if not struck.hits:
            break
    assert skip > 4


def test_what_a_registry_says_cannot_write_to_a_terminal(store: RegistryStore, proxy: Proxy) -> None:
    proxy.misbehave("manifests", lambda x: x.answer(404, b'{"errors": [{"code": "A", "message": 7}]}'))
    with pytest.raises(NotFound, match="A: 7"):
        store.get_manifest("v1")


def test_an_index_under_the_fallback_tag_that_is_the_subject_lists_nothing(store: RegistryStore) -> None:
    child = image(store, "child")
    raw = canonical(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [child.to_json()]}
    )
    root = store.put_manifest(raw, "application/vnd.oci.image.index.v1+json", tag="v1")
    store.put_manifest(raw, root.media_type, tag=root.digest.replace(":", "-"))
    assert store.referrers(root.digest) == []


def test_evidence_that_cannot_be_asked_for_is_not_bad_evidence(store: RegistryStore, proxy: Proxy) -> None:
    note = Document("application/vnd.in-toto+json", b"{}")
    subject = image(store, "subject")
    attach(store, [note], subject)
    assert [piece.state for piece in inspect(store, subject.digest, Trusted({}))] == ["bad"]
    for status in (403, 503):
        proxy.misbehave("^GET .*/blobs/", lambda x, status=status: x.answer(status), times=HASTE.tries)
        with pytest.raises(WorldError, match=f"answers {status}"):
            inspect(store, subject.digest, Trusted({}))
        proxy.faults.clear()
