"""Many writers at once on a registry that lists referrers by the fallback tag only; and registries with the API."""

from __future__ import annotations

import threading

import pytest

from mlci.store import INDEX, Descriptor, put_artifact
from mlci.store.index import referrers_index
from mlci.store.registry import RegistryStore
from tests.registrykit import Exchange, Proxy, RunningRegistry
from tests.unit.store.stores import blob, image

TYPE = "application/vnd.test.note.v1"
WRITERS = 16


@pytest.mark.parametrize("one_store", [True, False])
def test_of_many_threads_that_attach_at_once_none_is_lost(registry: RunningRegistry, one_store: bool) -> None:
    store = RegistryStore(registry.repository())
    for number in range(2):
        subject = image(store, f"subject {number}")
        stores = [store if one_store else RegistryStore(store.reference) for _ in range(WRITERS)]
        start = threading.Barrier(WRITERS)

        def attach(mine: RegistryStore, who: str, subject: Descriptor = subject, start=start) -> None:
            start.wait()
            put_artifact(mine, TYPE, [], subject=subject, annotations={"who": who})

        threads = [threading.Thread(target=attach, args=(mine, str(n))) for n, mine in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.referrers(subject.digest)) == WRITERS


def test_a_list_that_is_overwritten_is_written_again(proxy: Proxy, registry: RunningRegistry) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    other = RegistryStore(f"{registry.host}/{store.repository}")
    theirs = Descriptor(TYPE, put_artifact(other, TYPE, []).digest, 300, TYPE)
    tag = subject.digest.replace(":", "-")

    def overwritten(exchange: Exchange) -> None:
        exchange.forward()
        other.put_manifest(referrers_index([theirs]), INDEX, tag=tag)

    proxy.misbehave(f"^PUT .*{tag}", overwritten, times=2)
    mine = put_artifact(store, TYPE, [], subject=subject)
    assert {entry.digest for entry in other.referrers(subject.digest)} == {mine.digest, theirs.digest}


def test_a_registry_that_lists_referrers_itself_gets_no_fallback(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    proxy.misbehave("^PUT .*manifests", lambda x: x.forward(headers={"OCI-Subject": subject.digest}))
    put_artifact(store, TYPE, [], subject=subject)
    assert proxy.requests("manifests/sha256-") == []


def test_the_api_of_a_repository_that_is_not_there_yet_is_found_later(proxy: Proxy) -> None:
    """Some registries that list referrers answer 404 for a repository, or a manifest, that they do not know."""
    store = RegistryStore(proxy.repository())
    listed: list[Descriptor] = []
    subjects: list[str] = []
    unknown = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}'

    def api(exchange: Exchange) -> None:
        if subjects and exchange.path.endswith(subjects[0]):
            return exchange.answer(200, referrers_index(listed), Content_Type=INDEX)
        return exchange.answer(404, unknown)

    proxy.misbehave("/referrers/", api)
    assert store.referrers("sha256:" + "0" * 64) == []
    subject = image(store, "subject")
    subjects.append(subject.digest)
    proxy.misbehave("^PUT .*manifests", lambda x: x.forward(headers={"OCI-Subject": subject.digest}))
    listed.append(put_artifact(store, TYPE, [], subject=subject))
    assert [found.digest for found in store.referrers(subject.digest)] == [listed[0].digest]


def test_what_the_api_and_the_fallback_list_is_merged(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    old = put_artifact(store, TYPE, [], subject=subject)
    new = Descriptor(old.media_type, blob(store, b"new").digest, 3, TYPE)
    last = Descriptor(old.media_type, blob(store, b"last").digest, 4, "application/vnd.other")
    more = f'</v2/{store.repository}/referrers/{subject.digest}?page=2>; rel="next"'
    proxy.misbehave("referrers/.*page=2", lambda x: x.answer(200, referrers_index([last, new]), Content_Type=INDEX))
    proxy.misbehave(
        "referrers/sha256",
        lambda x: x.answer(200, referrers_index([new]), Content_Type=f"{INDEX}; charset=utf-8", Link=more),
    )
    assert [d.digest for d in store.referrers(subject.digest)] == [old.digest, new.digest, last.digest]
    assert [d.digest for d in store.referrers(subject.digest, TYPE)] == [old.digest, new.digest]


def test_a_page_that_is_no_list_is_no_api(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    note = put_artifact(store, TYPE, [], subject=subject)
    proxy.misbehave("referrers/sha256", lambda x: x.answer(200, b"<html>", Content_Type="text/html"))
    assert [d.digest for d in store.referrers(subject.digest)] == [note.digest]


def test_the_type_of_a_referrer_is_what_its_manifest_says(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store, "subject")
    note = put_artifact(store, TYPE, [], subject=subject, annotations={"a": "b"})
    listed = Descriptor(note.media_type, note.digest, note.size, "application/vnd.oci.empty.v1+json")
    store.put_manifest(referrers_index([listed]), INDEX, tag=subject.digest.replace(":", "-"))
    found = store.referrers(subject.digest, TYPE)
    assert [(d.artifact_type, d.annotations) for d in found] == [(TYPE, {"a": "b"})]
