"""What takes traffic or goes back: nothing that was revoked, and nothing that only somebody's tag or line says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlci.evidence import log, promotions, results, signing
from mlci.evidence.policy import Rule
from mlci.evidence.receipt import MEDIA_TYPE, Receipt
from mlci.evidence.signing.signers import key_signer
from mlci.steps.policy import _stays
from mlci.store import Descriptor, FolderStore, attach, put_artifact
from mlci.store.registry import RegistryStore
from tests.conftest import Done, TinyProject
from tests.logkit import move
from tests.logkit import receipt as moved
from tests.promotekit import image, project, say
from tests.registrykit import Proxy, RunningRegistry

SERVES = "production: {deploy: {}}"


def ok(done: Done) -> dict:
    assert done.code == 0, done.err + done.out
    return done.json


@pytest.fixture
def three(tmp_path: Path) -> tuple[TinyProject, FolderStore, list[str]]:
    """Three images, promoted one after the other; nobody signs."""
    tiny = project(tmp_path / "project", None, ["production: {}"])
    store = FolderStore(tiny.root / ".mlci" / "store")
    digests = [image(store, name=name, tag=name).digest for name in ("one", "two", "three")]
    for name in ("one", "two", "three"):
        ok(tiny.mlci("promote", "production", "--from", name, "--json"))
    return tiny, store, digests


def test_a_rollback_passes_over_what_was_revoked_and_goes_nowhere_else_when_that_is_named(three) -> None:
    tiny, store, digests = three
    assert tiny.mlci("revoke", "two", "--why", "it leaks").code == 0
    named = tiny.mlci("rollback", "production", "--to", "2")
    assert named.code == 2 and "it was revoked at" in named.err and "it leaks" in named.err
    assert store.resolve("production") == digests[2]
    ok(tiny.mlci("rollback", "production", "--json"))
    assert store.resolve("production") == digests[0]
    assert tiny.mlci("revoke", "one", "--why", "it leaks too").code == 0
    assert tiny.mlci("rollback", "production").code == 2  # nothing is left


def test_what_was_revoked_after_its_promotion_is_not_deployed(three) -> None:
    tiny, store, digests = three
    tiny.edit("mlci.yaml", "production: {}", SERVES)
    assert tiny.mlci("revoke", "production", "--why", "it leaks").code == 0
    done = tiny.mlci("deploy", "production", "--json")
    assert (done.code, done.json["steps"][0]["status"]) == (1, "fail")
    assert "was revoked at" in done.json["steps"][0]["summary"]
    assert not promotions.deployed_well(store, "production", digests[2])


def test_a_line_that_nobody_trusted_signed_a_cut_log_and_a_moved_tag_are_not_deployed(tmp_path: Path) -> None:
    tiny = project(tmp_path / "project", None, ["production: {signed_by: ci, deploy: {}}"])
    signing.generate(tiny.root / "ci")
    with (tiny.root / "mlci.yaml").open("a") as file:
        file.write("signing: {key: ci, signers: {ci: {public_key: ci.pub}}}\n")
    store = FolderStore(tiny.root / ".mlci" / "store")
    digests = [image(store, name=name, tag=name).digest for name in ("one", "two", "bad")]
    ok(tiny.mlci("promote", "production", "--from", "one", "--json"))
    early = store.get_manifest("production.log")
    ok(tiny.mlci("promote", "production", "--from", "two", "--json"))
    whole = store.get_manifest("production.log")

    store.put_manifest(early.raw, early.media_type, tag="production.log")
    cut = tiny.mlci("deploy", "production")
    assert cut.code == 3 and "ends with number 1, and there is a tag production-000002" in cut.err
    assert store.resolve("production") == digests[1]

    store.put_manifest(whole.raw, whole.media_type, tag="production.log")
    bad = store.get_manifest("one")
    store.put_manifest(bad.raw, bad.media_type, tag="production")
    ok(tiny.mlci("promote", "production", "--from", "two", "--json"))
    assert store.resolve("production") == digests[1]  # the log says so

    text = (tiny.root / "mlci.yaml").read_text()
    (tiny.root / "mlci.yaml").write_text(text.replace("{key: ci,", "{key: 'env:LATER',"))
    ok(tiny.mlci("promote", "production", "--from", "one", "--json"))
    assert "nobody who is trusted has signed that" in tiny.mlci("deploy", "production").err
    (tiny.root / "mlci.yaml").write_text(text)
    again = tiny.mlci("promote", "production", "--from", "one", "--json")
    assert tiny.statuses(again) == {"promote:production": "pass"}
    assert "nobody who is trusted" not in tiny.mlci("deploy", "production").err

    promotions.record(store, "production", moved(store, digests[2], environment="production"))
    forged = tiny.mlci("deploy", "production")
    assert forged.code == 3 and "nobody who is trusted has signed that" in forged.err


def test_a_revocation_is_put_wherever_the_digest_is(registry: RunningRegistry, tmp_path: Path) -> None:
    name, other = registry.repository(), registry.repository("other")
    built = image(RegistryStore(name))
    tiny = project(tmp_path / "project", name, [f"production: {{repository: {other}}}", "late: {}"])
    ok(tiny.mlci("promote", "production", "--from", "latest", "--json"))
    done = ok(tiny.mlci("revoke", "production", "--why", "it leaks", "--json"))
    assert done["is_in"] == ["production"]
    for place in (name, other):
        assert "revoke" in [one.step for one in results.on(RegistryStore(place), built.digest)]


def test_kubernetes_is_answered_for_an_environments_own_repository_and_for_what_nobody_has(
    registry: RunningRegistry, tmp_path: Path
) -> None:
    name, other = registry.repository(), registry.repository("other")
    built = image(RegistryStore(name))
    tiny = project(tmp_path / "project", name, [f"production: {{requires: [gate], repository: {other}}}"])

    def review(image: str) -> dict:
        asked = {"request": {"uid": "u", "object": {"spec": {"containers": [{"image": image}]}}}}
        command = [sys.executable, "-m", "mlci", "verify", "--env", "production", "--admission"]
        done = subprocess.run(
            command, input=json.dumps(asked), cwd=tiny.root, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)["response"]

    denied = review(f"{other}@{built.digest}")
    assert not denied["allowed"] and "no receipt of gate" in denied["status"]["message"]
    nowhere = review(f"{name}@sha256:{'0' * 64}")
    assert not nowhere["allowed"] and "there is no" in nowhere["status"]["message"]


def test_one_key_on_the_command_line_needs_none_of_the_project_s(three) -> None:
    tiny, _, _ = three
    signing.generate(tiny.root.parent / "mine")
    with (tiny.root / "mlci.yaml").open("a") as file:
        file.write("signing: {signers: {ci: {public_key: lost.pub}}}\n")
    assert tiny.mlci("verify", "one").code == 3
    done = tiny.mlci("verify", "one", "--key", "../mine.pub")
    assert "0 of 1 are signed by ../mine.pub" in done.out, done.err


def test_who_leads_back_ends_a_stay_when_the_policy_knows_the_name(tmp_path: Path) -> None:
    store, keys = FolderStore(tmp_path / "store"), {}
    for name in ("ci", "ann", "mallory"):
        signing.generate(tmp_path / name)
        keys[name] = signing.load_private(tmp_path / name)
    signers = {name: key_signer(key) for name, key in keys.items()}
    trusted = signing.Trusted({name: keys[name].public for name in ("ci", "ann")})
    first, second = (image(store, name=name, tag=name).digest for name in ("one", "two"))
    for digest in (first, second):
        move(store, digest, signers["ci"])
    rule = Rule("prod", signed_by=("ci",))
    move(store, first, signers["mallory"], kind="rollback")
    assert [one.until is None for one in _stays(store, "prod", rule, trusted)] == [False, True]
    move(store, second, signers["ann"])  # not who may put there
    assert [one.ended for one in _stays(store, "prod", rule, trusted)] == ["promotion", ""]
    move(store, first, signers["ann"], kind="rollback")
    stays = _stays(store, "prod", rule, trusted)
    assert [(one.digest, one.ended) for one in stays] == [(first, "promotion"), (second, "rollback")]


def test_receipts_and_lines_of_the_wrong_kind_are_passed_over(three) -> None:
    tiny, store, digests = three
    image = store.get_manifest(digests[2]).descriptor
    for part in ({"facts": []}, {"builder": "x"}, {"summary": 3}, {"finished": None}):
        document = json.loads(Receipt("train", "k", "pass", "", {"image": image.digest}).to_bytes())
        document["predicate"] |= part
        blob, size = store.put_blob(iter([json.dumps(document).encode()]))
        put_artifact(
            store,
            MEDIA_TYPE,
            [Descriptor(MEDIA_TYPE, blob, size)],
            subject=image,
            annotations={"dev.mlci.step": "train"},
        )
    assert tiny.mlci("history", digests[2]).code == 0
    with pytest.raises(ValueError, match="restores"):
        log.parse(moved(store, digests[0], restores=[]).to_bytes(), "prod")
    put_artifact(store, MEDIA_TYPE, [], subject=image, annotations={"dev.mlci.step": "promote:production"})
    assert [one.number for one in promotions.on_image(store, "production", image.digest)] == [3]


def test_what_is_attached_at_once_is_listed_at_once(proxy: Proxy) -> None:
    store = RegistryStore(proxy.repository())
    subject = image(store)
    say(store, subject, "gate")
    documents = [results.document(Receipt(f"s{n}", "k", "pass", "", {"image": subject.digest})) for n in range(9)]
    before = len(proxy.seen)
    assert attach(store, documents, subject) == 9
    lists = [one for one in proxy.seen[before:] if one.method == "PUT" and "/manifests/sha256-" in one.path]
    assert len(lists) == 1
    assert len(store.referrers(subject.digest)) == 10
    assert attach(store, documents, subject) == 0


def test_a_log_that_is_gone_is_put_together_again_only_from_the_whole_chain(three) -> None:
    tiny, store, _ = three
    ok(tiny.mlci("rollback", "production", "--json"))
    assert tiny.mlci("audit", "production", "--rebuild").code == 2  # there is one
    before = log.read(store, "production").entries
    store.untag("production.log")
    gone = tiny.mlci("audit", "production")
    assert gone.code == 1 and "there is no production.log any more" in gone.out
    moved = tiny.mlci("promote", "production", "--from", "three")
    assert moved.code == 3 and "--rebuild" in moved.err
    assert "4 records is there again" in ok_text(tiny.mlci("audit", "production", "--rebuild"))
    assert log.read(store, "production").entries == before
    ok(tiny.mlci("promote", "production", "--from", "three", "--json"))
    store.untag("production.log")
    store.untag("production-000001")
    lacking = tiny.mlci("audit", "production", "--rebuild")
    assert lacking.code == 3 and "record 2: it follows" in lacking.err
    assert store.resolve("production.log") is None


def ok_text(done: Done) -> str:
    assert done.code == 0, done.err + done.out
    return done.out + done.err
