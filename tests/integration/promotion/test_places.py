"""Promotions in one repository, to another one, to another registry: the digest stays, its evidence comes along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci.evidence import results
from mlci.store import FolderStore, Store, gather
from mlci.store.registry import RegistryStore
from tests.conftest import Done
from tests.promotekit import KINDS, image, note, project, say
from tests.registrykit import Exchange, Proxy, RunningRegistry, running_registry


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A second registry."""
    with running_registry(tmp_path_factory.mktemp("other")) as running:
        yield running


def ok(done: Done) -> dict:
    assert done.code == 0, done.err + done.out
    return done.json


def along(store: Store, reference: str) -> set[str]:
    """The digests of all that belongs to it."""
    return {manifest.digest for manifest in gather(store, store.get_manifest(reference)).manifests}


@pytest.mark.parametrize("evidence", [True, False], ids=["with evidence", "alone"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_the_same_wherever_it_is_promoted_to(
    registry: RunningRegistry, other: RunningRegistry, tmp_path: Path, kind: str, evidence: bool
) -> None:
    name, near, far = registry.repository(), registry.repository("near"), other.repository("far")
    source = RegistryStore(name)
    built = image(source, kind=kind, name=f"{kind} {evidence}")
    raw = source.get_manifest("latest").raw
    notes: set[str] = set()
    if evidence:
        inside = gather(source, source.get_manifest("latest"), referrers=False).manifests[0].descriptor
        signature = note(source, built, "signature")
        notes = {note(source, inside, "sbom").digest, signature.digest, note(source, signature, "of that").digest}
    places = ["one: {}", f"two: {{repository: {near}}}", f"three: {{repository: {far}}}"]
    tiny = project(tmp_path / "project", name, places)
    for environment, place in (("one", name), ("two", near), ("three", far)):
        ok(tiny.mlci("promote", environment, "--json"))
        there = RegistryStore(place).get_manifest(environment)
        assert (there.digest, there.raw, there.media_type) == (built.digest, raw, built.media_type)
        assert notes <= along(RegistryStore(place), environment)


def test_a_promotion_inside_a_registry_moves_no_byte_and_its_plan_names_every_request(
    proxy: Proxy, tmp_path: Path
) -> None:
    name, target = proxy.repository(), proxy.repository("target")
    store = RegistryStore(name)
    built = image(store, kind="OCI index", layers=3)
    say(store, built, "gate")
    note(store, built, "signature")
    tiny = project(tmp_path / "project", name, [f"production: {{requires: [gate], repository: {target}}}"])
    before = len(proxy.seen)
    plan = ok(tiny.mlci("promote", "production", "--plan", "plan.json", "--json"))
    assert {one.method for one in proxy.seen[before:]} <= {"GET", "HEAD"}
    assert plan == json.loads((tiny.root / "plan.json").read_text())
    assert (plan["digest"], plan["previous"], plan["moved"], plan["allowed"]) == (built.digest, None, 0, True)
    assert (len(plan["manifests"]), len(plan["evidence"])) == (5, 2)

    before = len(proxy.seen)
    ok(tiny.mlci("promote", "production", "--apply", "plan.json", "--json"))
    said = {(one["method"], one["path"]) for one in plan["requests"]}
    done = {(one.method, one.path) for one in proxy.seen[before:] if one.method not in ("GET", "HEAD")}
    assert said <= done
    blobs = {what for what in done - said if "/blobs/" in what[1]}
    assert len([what for what in blobs if what[0] == "PUT"]) <= 2  # the record itself is not known before
    assert RegistryStore(target).resolve("production") == built.digest
    sent = [one.uploaded for one in proxy.seen[before:] if one.method in ("PUT", "PATCH") and "/blobs/" in one.path]
    assert len(sent) <= 2


def test_a_plan_is_carried_out_only_in_the_world_that_it_was_made_for(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    name, target = registry.repository(), registry.repository("target")
    store = RegistryStore(name)
    first, second = image(store, name="first", tag="first"), image(store, name="second", tag="second")
    gone = note(store, first, "signature")
    tiny = project(tmp_path / "project", name, [f"production: {{repository: {target}}}"])
    ok(tiny.mlci("promote", "production", "--from", "first", "--plan", "plan.json", "--json"))
    note(store, first, "later")
    ok(tiny.mlci("promote", "production", "--from", "second", "--json"))
    done = tiny.mlci("promote", "production", "--apply", "plan.json")
    assert (done.code, RegistryStore(target).resolve("production")) == (2, second.digest)
    assert f"what it replaces was nothing and is {second.digest} now" in done.err

    ok(tiny.mlci("promote", "production", "--from", "first", "--plan", "plan.json", "--json"))
    note(store, first, "later still")
    ok(tiny.mlci("promote", "production", "--apply", "plan.json", "--json"))
    there = along(RegistryStore(target), "production")
    assert gone.digest in there
    texts = {layer for layer in map(_text_of(RegistryStore(target)), there) if layer}
    assert {"signature", "later"} <= texts
    assert "later still" not in texts  # it is not in the plan


def _text_of(store: Store):
    def text(digest: str) -> str:
        from mlci.store import read_layers

        layers = [layer for layer in read_layers(store.get_manifest(digest)) if layer.media_type.endswith("note.v1")]
        if not layers:
            return ""
        with store.open_blob(layers[0].digest) as stream:
            return stream.read().decode()

    return text


def test_what_is_no_plan_or_another_environments_is_refused(registry: RunningRegistry, tmp_path: Path) -> None:
    name = registry.repository()
    image(RegistryStore(name))
    tiny = project(tmp_path / "project", name, ["one: {}", "two: {}"])
    ok(tiny.mlci("promote", "one", "--plan", "plan.json", "--json"))
    for arguments, words in (
        (("two", "--apply", "plan.json"), "is a plan for one"),
        (("one", "--apply", "mlci.yaml"), "this is no plan"),
        (("one", "--apply", "nowhere.json"), "cannot be read"),
        (("one", "--apply", "plan.json", "--from", "latest"), "leave out --from"),
    ):
        done = tiny.mlci("promote", *arguments)
        assert done.code == 2, done.out
        assert words in done.err


def test_a_plan_that_the_policy_denies_says_so_and_asks_for_nothing(registry: RunningRegistry, tmp_path: Path) -> None:
    name = registry.repository()
    image(RegistryStore(name))
    tiny = project(tmp_path / "project", name, ["production: {requires: [gate]}"])
    done = tiny.mlci("promote", "production", "--plan", "--json")
    assert (done.code, done.json["allowed"], done.json["requests"]) == (1, False, [])
    assert not (tiny.root / "--json").exists()


def test_already_promoted_is_one_look_at_the_tag(proxy: Proxy, tmp_path: Path) -> None:
    name = proxy.repository()
    store = RegistryStore(name)
    built = image(store)
    say(store, built, "gate")
    tiny = project(tmp_path / "project", name, ["production: {requires: [gate]}"])
    ok(tiny.mlci("promote", "production", "--from", built.digest, "--json"))
    before = len(proxy.seen)
    again = tiny.mlci("promote", "production", "--from", built.digest, "--json")
    assert tiny.statuses(again) == {"promote:production": "reused"}
    assert [(one.method, one.path.rpartition("/")[2]) for one in proxy.seen[before:]] == [("HEAD", "production")]


def test_evidence_of_every_place_counts_and_comes_along(registry: RunningRegistry, tmp_path: Path) -> None:
    name, staging, production = (registry.repository(what) for what in ("images", "staging", "production"))
    store = RegistryStore(name)
    built = image(store)
    say(store, built, "gate")
    tiny = project(
        tmp_path / "project",
        name,
        [f"staging: {{repository: {staging}}}", f"production: {{requires: [gate, staging], repository: {production}}}"],
    )
    ok(tiny.mlci("promote", "staging", "--json"))
    say(store, built, "validate:late")
    image(RegistryStore(staging), name="another", tag="latest")
    assert ok(tiny.mlci("promote", "production", "--from", "latest", "--plan", "--json"))["digest"] == built.digest
    ok(tiny.mlci("promote", "production", "--json"))
    steps = {receipt.step for receipt in results.on(RegistryStore(production), built.digest)}
    assert steps == {"gate", "validate:late", "promote:staging", "promote:production"}
    moves = ok(tiny.mlci("history", built.digest, "--json"))["environments"]
    assert [(one["environment"], one["number"]) for one in moves] == [("staging", 1), ("production", 1)]
    assert "production  number 1" in tiny.mlci("history", "sha256:" + built.digest[7:19]).out
    assert "<svg" in tiny.mlci("report", "production").out
    assert {entry["environment"]: entry["digest"] for entry in ok(tiny.mlci("history", "--json"))} == {
        "staging": built.digest,
        "production": built.digest,
    }


def test_a_folder_is_promoted_to_a_registry_and_rolled_back_there(registry: RunningRegistry, tmp_path: Path) -> None:
    target = registry.repository("production")
    tiny = project(tmp_path / "project", None, [f"production: {{repository: {target}}}"])
    local = FolderStore(tiny.root / ".mlci" / "store")
    first, second = image(local, name="first", tag="first"), image(local, name="second", tag="second")
    for tag in ("first", "second"):
        ok(tiny.mlci("promote", "production", "--from", tag, "--json"))
    there = RegistryStore(target)
    assert there.resolve("production") == second.digest
    assert local.resolve("production") is None
    ok(tiny.mlci("rollback", "production", "--json"))
    assert there.resolve("production") == first.digest
    assert there.get_manifest(first.digest).raw == local.get_manifest(first.digest).raw


def test_evidence_that_the_target_does_not_list_afterwards_is_an_error(
    registry: RunningRegistry, proxy: Proxy, tmp_path: Path
) -> None:
    name, target = registry.repository(), proxy.repository("target")
    store = RegistryStore(name)
    built = image(store)
    note(store, built, "signature")
    tiny = project(tmp_path / "project", name, [f"production: {{repository: {target}}}"])
    subject = built.digest

    def says_that_it_lists_it(exchange: Exchange) -> None:
        exchange.forward(headers={"OCI-Subject": subject})

    proxy.misbehave(r"^PUT .*/target-\d+/manifests/sha256:", says_that_it_lists_it)
    done = tiny.mlci("promote", "production")
    assert done.code == 3, done.out
    assert "does not list it as evidence" in done.err
    assert RegistryStore(target).resolve("production") is None


def test_a_repository_with_a_tag_is_a_mistake_that_is_located(tmp_path: Path) -> None:
    tiny = project(tmp_path / "project", None, ["production: {repository: 'localhost:1/x:latest'}"])
    done = tiny.mlci("run", "--to", "production")
    assert done.code == 2
    assert "environments.production.repository has a tag" in done.err
    assert "mlci.yaml:5" in done.err
