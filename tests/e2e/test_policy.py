"""The rules of an environment through the command line: each denies with its reason, and allows when it is met."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlci.config import load
from mlci.evidence import results, signing
from mlci.evidence.receipt import Receipt
from mlci.store import FolderStore
from tests.conftest import Done, TinyProject

PEOPLE = ("ci", "ann", "bob")
ALWAYS = "{start: 2020-01-01, end: 2999-01-01, why: the fair}"


@pytest.fixture(scope="module")
def built(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an image whose evidence `ci` has signed; the keys lie beside it."""
    tiny = TinyProject(tmp_path_factory.mktemp("built") / "tiny")
    shutil.copytree(tiny_source, tiny.root)
    (tiny.root / "keys").mkdir()
    for name in (*PEOPLE, "mallory"):
        assert tiny.mlci("key", "new", f"../{name}").code == 0
        shutil.copy(tiny.root.parent / f"{name}.pub", tiny.root / "keys")
    policy(tiny, "{staging: {}, production: {}}")
    done = tiny.mlci("run", CI_KEY=(tiny.root.parent / "ci").read_text())
    assert done.code == 0, done.err
    return tiny.root


@pytest.fixture
def ours(built: Path, tmp_path: Path) -> TinyProject:
    """A copy of it."""
    for name in (*PEOPLE, "mallory"):
        for file in (name, f"{name}.pub"):
            shutil.copy(built.parent / file, tmp_path)
    shutil.copytree(built, tmp_path / "tiny", symlinks=True)
    return TinyProject(tmp_path / "tiny")


def policy(tiny: TinyProject, environments: str, people: tuple[str, ...] = PEOPLE) -> None:
    """Write the environments and the signers into mlci.yaml."""
    text = (tiny.root / "mlci.yaml").read_text().partition("\nenvironments:")[0].replace("  champion: production\n", "")
    signers = ", ".join(f"{name}: {{public_key: keys/{name}.pub}}" for name in people)
    text += f"\nenvironments: {environments}\nsigning: {{key: 'env:CI_KEY', signers: {{{signers}}}}}\n"
    (tiny.root / "mlci.yaml").write_text(text)


def promote(tiny: TinyProject, environment: str, *more: str) -> Done:
    return tiny.mlci("promote", environment, *more, CI_KEY=(tiny.root.parent / "ci").read_text())


def denied(tiny: TinyProject, why: str, *more: str) -> None:
    """The promotion says so, and nothing has moved."""
    done = promote(tiny, "production", "--from", "latest", *more)
    assert done.code == 1 and why in done.out + done.err, done.out + done.err
    assert store(tiny).resolve("production") is None


def allowed(tiny: TinyProject, *more: str) -> dict:
    """The promotion is there; gives its facts."""
    done = promote(tiny, "production", "--from", "latest", "--json", *more)
    assert done.code == 0, done.out + done.err
    assert store(tiny).resolve("production") == store(tiny).resolve("latest")
    return done.json["steps"][0]["receipt"]["predicate"]["facts"]


def store(tiny: TinyProject) -> FolderStore:
    return FolderStore(tiny.root / ".mlci" / "store")


@pytest.mark.parametrize(
    ("no", "why", "yes"),
    [
        ("not_before: 2999-01-01", "not_before: 2999-01-01T00:00:00Z", "not_before: 2020-01-01"),
        (f"freeze: [{ALWAYS}]", "the fair", "freeze: [{start: 2020-01-01, end: 2020-02-01}]"),
        ("requires: [gate], max_age: 1ms", "gate: gate passed at", "requires: [gate], max_age: 1d"),
        (
            "requires: [validate, gate], signed_by: ann",
            "gate: no receipt of gate signed by ann",
            "requires: [validate, gate], signed_by: [ann, ci]",
        ),
    ],
)
def test_a_rule_denies_with_its_reason_and_allows_when_it_is_met(
    ours: TinyProject, no: str, why: str, yes: str
) -> None:
    policy(ours, f"{{production: {{{no}}}}}")
    denied(ours, why)
    asked = ours.mlci("verify", "latest", "--env", "production", "--json")
    assert asked.code == 1 and not asked.json["allowed"]
    assert why in "; ".join(f"{r['rule']}: {r['detail']}" for r in asked.json["reasons"] if not r["ok"])
    policy(ours, f"{{production: {{{yes}}}}}")
    asked = ours.mlci("verify", "latest", "--env", "production")
    assert asked.code == 0 and "allowed in production" in asked.out
    facts = allowed(ours)
    assert facts["policy"]["from"] == "mlci.yaml of the working tree"
    assert all(reason["ok"] for reason in facts["reasons"])
    assert set(facts["evidence"]) == {word for word in ("validate", "gate") if word in yes}


def test_an_environment_before_has_to_have_had_it_long_enough_by_who_is_trusted(ours: TinyProject) -> None:
    rules = "{{staging: {{}}, production: {{requires: [staging], soak: {}, signed_by: {}}}}}"
    policy(ours, rules.format("1h", "ci"))
    denied(ours, "no record signed by ci says that it was in staging")
    assert promote(ours, "staging", "--from", "latest").code == 0
    denied(ours, "of 1 h without a break")
    policy(ours, rules.format("1ms", "ann"))
    denied(ours, "no record signed by ann says that it was in staging")
    policy(ours, rules.format("1ms", "ci"))
    allowed(ours)


def test_people_approve_each_once_with_a_key_of_their_own(ours: TinyProject) -> None:
    policy(ours, "{staging: {}, production: {approvals: {count: 2, by: [ann, bob]}, signed_by: ci}}")
    denied(ours, "0 of 2; `mlci approve production")
    for key, why in (("../mallory", "a key that nobody trusts"), ("../ci", "ann or bob"), (None, "nothing signs here")):
        refused = ours.mlci("approve", "production", "latest", *(["--key", key] if key else []))
        assert refused.code == 2 and why in refused.err
    assert ours.mlci("approve", "staging", "latest", "--key", "../ann").code == 2
    for _ in range(2):
        assert "approved by ann" in ours.mlci("approve", "production", "latest", "--key", "../ann").out
    denied(ours, "1 of 2 (ann); `mlci approve production")
    done = ours.mlci("approve", "production", "latest", "--why", "looks good", "--json", "--key", "../bob")
    assert done.json["by"] == "bob" and done.json["why"] == "looks good"
    assert "by ann, bob" in json.dumps(allowed(ours)["reasons"])


def test_a_digest_that_served_enough_requests_without_regression(ours: TinyProject) -> None:
    staging = "staging: {deploy: {}}"
    policy(ours, f"{{{staging}, production: {{requires: [staging], served: 1000, signed_by: ci}}}}")
    assert promote(ours, "staging", "--from", "latest").code == 0
    denied(ours, "no receipt of deploy:staging signed by ci")
    deployed(ours, 400)
    denied(ours, "400 of 1,000 in staging")
    deployed(ours, 600)
    allowed(ours)


def deployed(tiny: TinyProject, requests: int) -> None:
    """A deployment to staging that ci has signed, in which the digest answered so many requests."""
    images, project = store(tiny), load(tiny.root / "mlci.yaml")
    image = images.get_manifest("latest").descriptor
    now = f"2026-01-01T00:00:00.{requests:06}Z"
    facts = {"timeline": [{"canary": {"requests": requests, "errors": 0}}]}
    receipt = Receipt("deploy:staging", "k", "pass", "serves", {"image": image.digest}, facts=facts, finished=now)
    results.attach(images, receipt, image)
    signer = signing.signer(project, str, {"CI_KEY": (tiny.root.parent / "ci").read_text()})
    assert signer and signing.attach(images, [results.signable(receipt, image.digest)], image, signer) == 1


def test_what_is_revoked_comes_nowhere_again(ours: TinyProject) -> None:
    policy(ours, "{production: {}}")
    for key in ([], ["--key", "../mallory"]):
        assert ours.mlci("revoke", "latest", "--why", "it leaks", *key).code == 2
    done = ours.mlci("revoke", "latest", "--why", "it leaks", "--key", "../ann")
    assert done.code == 0 and "is revoked by ann" in done.out
    denied(ours, "by ann: it leaks")
    policy(ours, "{production: {}}", people=("bob",))
    allowed(ours)  # whom nobody trusts, nobody hears


def test_what_is_there_may_stay_there_in_a_freeze(ours: TinyProject) -> None:
    policy(ours, "{production: {}}")
    allowed(ours)
    policy(ours, f"{{production: {{freeze: [{ALWAYS}]}}}}")
    assert ours.mlci("verify", "production", "--env", "production").code == 0
    assert promote(ours, "production", "--from", "latest").code == 0


def test_kubernetes_asks_and_is_answered(ours: TinyProject) -> None:
    policy(ours, "{production: {requires: [gate], signed_by: ci}}")
    digest = store(ours).resolve("latest")

    def review(image: str, *more: str) -> dict:
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "m", "image": image}]}}
        asked = {"kind": "AdmissionReview", "request": {"uid": "u-1", "object": {"spec": {"template": pod}}}}
        argv = ["verify", "--env", "production", "--admission", *more]
        command = [sys.executable, "-m", "mlci", *argv]
        process = subprocess.run(
            command, input=json.dumps(asked), cwd=ours.root, capture_output=True, text=True, check=False
        )
        assert process.returncode in (0, 1), process.stderr
        answer = json.loads(process.stdout)
        assert (answer["apiVersion"], answer["response"]["uid"]) == ("admission.k8s.io/v1", "u-1")
        assert answer["response"]["allowed"] is (process.returncode == 0)
        return answer["response"]

    name = "ghcr.io/acme/tiny"
    assert review(f"{name}@{digest}")["allowed"]
    for tag in (f"{name}:v1", f"{name}@latest", f"{name}@{digest[:20]}"):
        assert "name it by its digest" in review(tag)["status"]["message"]
    other = review(f"docker.io/library/redis@{digest}", "--set", f"image.repository={name}")
    assert other["allowed"] and "is not judged: it is of another repository" in other["warnings"][0]
    policy(ours, "{production: {requires: [gate], signed_by: ann}}")
    assert "no receipt of gate signed by ann" in review(f"{name}@{digest}")["status"]["message"]


def test_a_folder_answers_without_the_project_s_store(ours: TinyProject) -> None:
    policy(ours, "{production: {requires: [validate, gate], signed_by: ci}}")
    assert ours.mlci("copy", "oci:.mlci/store:latest", "oci:../backup:v7").code == 0
    shutil.rmtree(ours.root / ".mlci")
    ask = ("verify", "oci:../backup:v7", "--env", "production")
    assert ours.mlci(*ask).code == 0
    policy(ours, "{production: {requires: [validate, gate], signed_by: ann}}")
    assert ours.mlci(*ask).code == 1


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def cloned(ours: TinyProject) -> TinyProject:
    """The project in git, with its policy on the default branch of its remote."""
    policy(ours, "{production: {requires: [gate], signed_by: ci, soak: null, approvals: {count: 1, by: ann}}}")
    origin = ours.root.parent / "origin.git"
    git(ours.root, "init", "-q")
    git(ours.root, "add", "-A", ".")
    git(ours.root, "commit", "-qm", "all")
    git(ours.root, "clone", "-q", "--bare", ".", str(origin))
    git(ours.root, "remote", "add", "origin", str(origin))
    git(ours.root, "fetch", "-q")
    git(ours.root, "remote", "set-head", "origin", "main")
    git(ours.root, "checkout", "-qb", "change")
    return ours


def test_a_change_cannot_loosen_the_policy_that_judges_it(cloned: TinyProject) -> None:
    policy(cloned, "{production: {}}", people=("mallory",))
    shutil.copy(cloned.root.parent / "mallory.pub", cloned.root / "keys" / "ann.pub")
    git(cloned.root, "commit", "-qam", "harmless")
    why = "0 of 1; `mlci approve production"
    denied(cloned, why)
    denied(cloned, why, "--set", "environments.production.approvals=0")
    assert cloned.mlci("approve", "production", "latest", "--key", "../mallory").code == 2
    asked = cloned.mlci("verify", "latest", "--env", "production", "--json")
    commit = git(cloned.root, "rev-parse", "origin/main")
    assert asked.json["policy"] == {"from": "origin/HEAD", "commit": commit, "file": "mlci.yaml"}
    told = promote(cloned, "production", "--from", "latest")
    assert f"judged by origin/HEAD ({commit[:12]}), which has other rules than mlci.yaml here" in told.out + told.err
    assert cloned.mlci("verify", "latest", "--env", "production", "--policy", "change").code == 0
    assert cloned.mlci("verify", "latest", "--env", "production", MLCI_POLICY="mlci.yaml").code == 0
    assert cloned.mlci("approve", "production", "latest", "--key", "../ann").code == 0
    assert allowed(cloned)["policy"]["commit"] == commit


def test_a_place_of_its_own_needs_the_policy_of_the_default_branch(cloned: TinyProject) -> None:
    policy(cloned, "{production: {requires: [gate]}, mine: {}}")
    done = promote(cloned, "mine", "--from", "latest")
    assert done.code == 1 and "has no environment mine; merge it there first" in done.out + done.err


def test_a_policy_that_cannot_be_read_is_an_error_and_never_a_weaker_one(cloned: TinyProject) -> None:
    event = cloned.root.parent / "event.json"
    event.write_text('{"repository": {"default_branch": "trunk"}}')
    ask = ("verify", "latest", "--env", "production")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": str(event)}
    shallow = cloned.mlci(*ask, **github)
    assert shallow.code == 3
    assert "git fetch origin +refs/heads/trunk:refs/remotes/origin/trunk" in shallow.err
    assert cloned.mlci(*ask, "--policy", "nothing").code == 2
    git(cloned.root, "push", "-q", "origin", "main:trunk")
    git(cloned.root, "fetch", "-q")
    assert cloned.mlci(*ask, **github).code == 1
    git(cloned.root, "remote", "set-head", "origin", "--delete")
    assert "git remote set-head origin --auto" in cloned.mlci(*ask).err
    (cloned.root / ".git" / "HEAD").write_text("broken")
    broken = cloned.mlci(*ask)
    assert broken.code == 3 and "not a git repository" in broken.err


def test_a_gate_that_a_change_has_altered_is_told_how_to_go_on(ours: TinyProject) -> None:
    policy(ours, "{production: {requires: [gate]}}")
    text = (ours.root / "mlci.yaml").read_text()
    (ours.root / "merged.yaml").write_text(text.replace("\ngate:\n", "\ngate:\n  confidence: 0.9\n"))
    done = ours.mlci("verify", "latest", "--env", "production", "--policy", "merged.yaml")
    assert done.code == 1
    assert "merge it first, or have it judge itself (`--policy HEAD`, `--policy mlci.yaml`)" in done.out


def test_a_change_cannot_name_the_signers_of_an_audit(cloned: TinyProject) -> None:
    assert cloned.mlci("approve", "production", "latest", "--key", "../ann").code == 0
    allowed(cloned)
    assert cloned.mlci("audit", "production").code == 0
    policy(cloned, "{production: {}}", people=("mallory",))
    assert cloned.mlci("audit", "production").code == 0
    assert cloned.mlci("audit", "production", "--policy", "mlci.yaml").code == 1
