"""`image.repository`: the image and what is said of it live in a registry, and nothing else is needed of a machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mlci.evidence import results
from mlci.image import unpack
from mlci.store import INDEX, FolderStore, canonical, copy, open_store
from mlci.store.registry import RegistryStore
from tests.conftest import TinyProject
from tests.registrykit import Exchange, Proxy, RunningRegistry
from tests.unit.image.bases import base_of


def in_registry(tiny: TinyProject, repository: str) -> TinyProject:
    """The project with its images there."""
    tiny.edit("mlci.yaml", "image:\n", f"image:\n  repository: {repository}\n")
    return tiny


def only_image(tiny: TinyProject) -> TinyProject:
    """Without gate and environments."""
    text = (tiny.root / "mlci.yaml").read_text()
    keep = text[: text.index("gate:")] + text[text.index("image:") : text.index("environments:")]
    (tiny.root / "mlci.yaml").write_text(keep)
    return tiny


def only_staging(tiny: TinyProject) -> TinyProject:
    text = (tiny.root / "mlci.yaml").read_text()
    text = text[: text.index("  production:\n")].replace("champion: production", "champion: staging")
    (tiny.root / "mlci.yaml").write_text(text)
    return tiny


def elsewhere(tiny: TinyProject, root: Path) -> TinyProject:
    """A checkout on another machine: the project without what it keeps."""
    shutil.copytree(tiny.root, root, ignore=shutil.ignore_patterns(".mlci", "build"))
    return TinyProject(root)


def ok(tiny: TinyProject, *arguments: str, **env: str) -> dict:
    done = tiny.mlci(*arguments, "--json", **env)
    assert done.code == 0, done.err
    return done.json


def built(run: dict) -> str:
    return next(s for s in run["steps"] if s["name"] == "build")["receipt"]["predicate"]["facts"]["digest"]


def killed_at(tiny: TinyProject, proxy: Proxy, place: str, *arguments: str) -> None:
    """Start mlci and kill it in the middle of such a request."""
    fault = proxy.misbehave(place, Exchange.hang, times=1)
    process = tiny.start(*arguments)
    until = time.monotonic() + 60
    while not fault.hits and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _, err = process.communicate()
    assert fault.hits == 1, (place, err)


def test_the_image_and_its_evidence_are_in_the_registry_and_only_there(tiny, proxy: Proxy) -> None:
    in_registry(tiny, proxy.repository())
    name = (tiny.root / "mlci.yaml").read_text().split("repository: ")[1].split()[0]
    digest = built(ok(tiny, "run"))
    there, here = RegistryStore(name), FolderStore(tiny.root / ".mlci/store")
    assert there.resolve("latest") == digest and here.resolve("latest") is None
    assert {r.step for r in results.on(there, digest)} == {
        "validate:train",
        "validate:holdout",
        "train",
        "gate",
        "build",
    }
    kinds = {found.artifact_type for found in there.referrers(digest)}
    assert "application/vnd.cyclonedx+json" in kinds
    assert here.referrers(digest) == [] and here.verify() == []
    layers = [layer["digest"] for layer in json.loads(there.get_manifest(digest).raw)["layers"]]
    sent = [one.path.partition("digest=")[2].replace("%3A", ":") for one in proxy.requests("^PUT .*/uploads/")]
    assert all(sent.count(layer) == 1 for layer in layers)
    evidence = ok(tiny, "verify")["evidence"]
    assert evidence and not any(piece["state"] == "bad" for piece in evidence)


def test_nothing_changed_asks_five_things_and_reads_no_weights(tiny, proxy: Proxy) -> None:
    in_registry(tiny, proxy.repository())
    ok(tiny, "run")
    shutil.rmtree(tiny.root / ".mlci/trees", ignore_errors=True)
    for command in (("build",), ("run",)):
        proxy.seen.clear()
        run = ok(tiny, *command)
        assert {s["reused"] for s in run["steps"]} == {True}
        assert len(proxy.seen) <= 5, "\n".join(f"{one.method} {one.path}" for one in proxy.seen)
        assert {one.method for one in proxy.seen} <= {"GET", "HEAD"}
    assert not (tiny.root / ".mlci/trees").exists()
    ok(only_image(tiny), "build")
    proxy.seen.clear()
    ok(tiny, "build")
    assert len(proxy.seen) <= 3, [f"{one.method} {one.path}" for one in proxy.seen]


def test_promoted_deployed_rolled_back_and_taken_over_by_a_second_checkout(tiny, registry, tmp_path: Path) -> None:
    name = registry.repository()
    only_staging(in_registry(tiny, name))
    first = built(ok(tiny, "run", "--to", "staging"))
    assert {s["reused"] for s in ok(tiny, "run", "--to", "staging")["steps"]} == {True}
    second = built(ok(tiny, "run", "--to", "staging", "--set", "train.params.bins=30"))
    store = RegistryStore(name)
    assert [store.resolve(tag) for tag in ("staging-000001", "staging-000002", "staging")] == [first, second, second]
    ok(tiny, "rollback", "staging")
    assert [entry["digest"] for entry in ok(tiny, "history", "staging")] == [first, second, first]

    other = elsewhere(tiny, tmp_path / "elsewhere")
    try:
        assert ok(other, "status")["environments"][0]["promoted"] == first
        assert ok(other, "verify", first)["ok"]
        ok(other, "promote", "staging", "--from", second)
        deployed = ok(other, "deploy", "staging")
        assert deployed["steps"][0]["receipt"]["predicate"]["facts"]["digest"] == second
        assert not FolderStore(other.root / ".mlci/store").has_blob(second)
        assert [entry["digest"] for entry in ok(tiny, "history", "staging")] == [first, second, first, second]
        assert ok(tiny, "status")["environments"][0]["number"] == 4
    finally:
        assert other.mlci("stop").code == 0


def test_a_promotion_that_is_done_asks_little(tiny, proxy: Proxy) -> None:
    only_staging(in_registry(tiny, proxy.repository()))
    tiny.edit("mlci.yaml", "    deploy: {strategy: blue-green}\n", "")
    ok(tiny, "run", "--to", "staging")
    proxy.seen.clear()
    assert ok(tiny, "promote", "staging")["steps"][0]["reused"]
    assert len(proxy.seen) <= 8, [f"{one.method} {one.path}" for one in proxy.seen]
    assert {one.method for one in proxy.seen} <= {"GET", "HEAD"}


def test_a_promotion_killed_at_any_write_is_gone_on_with(tiny, proxy: Proxy) -> None:
    only_staging(in_registry(tiny, proxy.repository()))
    tiny.edit("mlci.yaml", "    deploy: {strategy: blue-green}\n", "")
    name = (tiny.root / "mlci.yaml").read_text().split("repository: ")[1].split()[0]
    digest = built(ok(tiny, "run"))
    for place in (r"/manifests/staging\.log$", "/manifests/staging-000001", "/manifests/staging$"):
        killed_at(tiny, proxy, f"^PUT .*{place}", "promote", "staging", "--from", "latest")
        assert RegistryStore(name).resolve("staging") is None
    killed_at(tiny, proxy, "^PUT .*/manifests/sha256-", "promote", "staging", "--from", "latest")
    assert tiny.mlci("audit", "staging").code == 1
    ok(tiny, "promote", "staging")
    store = RegistryStore(name)
    assert store.tags("staging") == ["staging", "staging-000001", "staging.log"]
    assert ok(tiny, "audit", "staging")["problems"] == []
    assert store.resolve("staging") == store.resolve("staging-000001") == digest
    assert [entry["why"] for entry in ok(tiny, "history", "staging")] == ["promoted"]


def test_a_build_that_is_stopped_does_not_wait_for_what_hangs(tiny, proxy: Proxy) -> None:
    only_image(in_registry(tiny, proxy.repository()))
    ok(tiny, "train")
    fault = proxy.misbehave("^PUT .*/uploads/", Exchange.hang)
    process = tiny.start("build")
    until = time.monotonic() + 60
    while not fault.hits and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)  # silence is borne for 60 s
    assert process.returncode == 130, err
    assert "stopped while layers were sent" in err
    proxy.faults.clear()
    ok(tiny, "build")


def test_several_platforms_and_a_signer_go_there_too(tiny, proxy: Proxy, tmp_path: Path) -> None:
    only_image(in_registry(tiny, proxy.repository()))
    bases = FolderStore(tmp_path / "bases")
    entries = [
        {**base_of(bases, one).to_json(), "platform": {"os": "linux", "architecture": one}}
        for one in ("amd64", "arm64")
    ]
    bases.put_manifest(canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}), INDEX, tag="slim")
    base = "  base: oci:../bases:slim\n  platforms: [linux/amd64, linux/arm64]\n"
    tiny.edit("mlci.yaml", "  requirements: requirements.lock\n", base)
    made = tiny.mlci("key", "new", str(tmp_path / "ci"))
    assert made.code == 0, made.err
    with (tiny.root / "mlci.yaml").open("a") as out:
        out.write("signing: {key: env:CI_KEY, signers: {ci: {public_key: ../ci.pub}}}\n")
    key = {"CI_KEY": (tmp_path / "ci").read_text()}
    digest = built(ok(tiny, "build", **key))
    name = (tiny.root / "mlci.yaml").read_text().split("repository: ")[1].split()[0]
    children = json.loads(RegistryStore(name).get_manifest(digest).raw)["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    proxy.seen.clear()
    assert ok(tiny, "build", **key)["steps"][-1]["reused"]
    assert {one.method for one in proxy.seen} <= {"GET", "HEAD"} and len(proxy.seen) <= 5
    shown = ok(elsewhere(tiny, tmp_path / "elsewhere"), "verify")
    assert shown["image"] == digest and {piece["state"] for piece in shown["evidence"]} == {"signed"}


def test_the_base_is_mounted_and_never_downloaded(
    tiny, registry: RunningRegistry, proxy: Proxy, tmp_path: Path
) -> None:
    only_image(in_registry(tiny, registry.repository()))
    bases = FolderStore(tmp_path / "bases")
    base = base_of(bases, "amd64")
    there = registry.repository("base")
    copy(bases, open_store(there), base.digest, tag="slim")
    tiny.edit("mlci.yaml", "  requirements: requirements.lock\n", f"  base: {there}:slim\n  platforms: [linux/amd64]\n")
    run = tiny.mlci("build")
    assert run.code == 0, run.err
    assert "1 mounted" in run.err
    (layer,) = json.loads(bases.get_manifest(base.digest).raw)["layers"]
    name = (tiny.root / "mlci.yaml").read_text().split("repository: ")[1].split()[0]
    assert RegistryStore(name).has_blob(layer["digest"])
    digest = RegistryStore(name).resolve("latest") or ""
    through = RegistryStore(name.replace(registry.host, proxy.host))
    unpack(through, digest, tmp_path / "image", base=False)
    assert (tmp_path / "image/app/serve.py").is_file() and any((tmp_path / "image/models").iterdir())
    assert not proxy.requests(f"GET .*{layer['digest']}")
    assert not FolderStore(tiny.root / ".mlci/store").has_blob(layer["digest"])


def test_an_image_that_was_removed_is_sent_again(tiny, registry: RunningRegistry) -> None:
    name = registry.repository()
    only_image(in_registry(tiny, name))
    digest = built(ok(tiny, "build"))
    RegistryStore(name)._client.ask("DELETE", f"/v2/{name.partition('/')[2]}/manifests/{digest}", (), ok=(202,))
    assert RegistryStore(name).resolve("latest") is None
    assert tiny.statuses(tiny.mlci("build", "--json"))["build"] == "pass"
    assert RegistryStore(name).resolve("latest") == digest


def test_a_kill_leaves_no_tag_on_what_is_not_whole(tiny, proxy: Proxy) -> None:
    name = proxy.repository()
    only_image(in_registry(tiny, name))
    places = ["^PUT .*/uploads/", "^PUT .*/manifests/sha256:", "^PUT .*/manifests/sha256-", "^PUT .*/manifests/latest"]
    for place in places:
        killed_at(tiny, proxy, place, "build")
        assert RegistryStore(name).resolve("latest") is None
    proxy.seen.clear()
    digest = built(ok(tiny, "build"))
    assert RegistryStore(name).resolve("latest") == digest
    steps = {r.step for r in results.on(RegistryStore(name), digest)}
    assert steps == {"validate:train", "validate:holdout", "train", "build"}
    assert not proxy.requests("^PUT .*/uploads/.*digest=.*" + "0" * 64)


def test_two_builds_at_once_lose_nothing_of_what_is_said(tiny, registry: RunningRegistry, tmp_path: Path) -> None:
    name = registry.repository()
    only_image(in_registry(tiny, name))
    other = elsewhere(tiny, tmp_path / "elsewhere")
    both = [project.start("build", "--json") for project in (tiny, other)]
    digests = {built(json.loads(process.communicate(timeout=120)[0])) for process in both}
    assert len(digests) == 1
    (digest,) = digests
    steps = sorted(r.step for r in results.on(RegistryStore(name), digest))
    assert steps == sorted(2 * ["validate:train", "validate:holdout", "train", "build"])
    assert RegistryStore(name).resolve("latest") == digest


@pytest.mark.parametrize(
    ("status", "words"), [(401, "log in"), (403, "it needs the right"), (404, "NAME_UNKNOWN"), (None, "docker")]
)
def test_a_registry_that_says_no_is_an_error_with_a_way_out(tiny, proxy: Proxy, status: int | None, words: str) -> None:
    only_image(in_registry(tiny, proxy.repository()))
    body = json.dumps({"errors": [{"code": "NAME_UNKNOWN" if status == 404 else "DENIED", "message": "no"}]}).encode()
    if status:
        proxy.misbehave("^(POST|PUT|HEAD) ", lambda seen: seen.answer(status, body))
    else:
        tiny.edit("mlci.yaml", proxy.host, "127.0.0.1:1")
        words = "127.0.0.1:1"
    done = tiny.mlci("build")
    assert done.code == 3, done.err
    assert "asking image.repository" in done.err and words in done.err
    assert "Traceback" not in done.err


def test_what_was_built_runs_under_docker_and_skopeo_reads_it(tiny, engine, registry: RunningRegistry) -> None:
    name = registry.repository("runs")
    only_image(in_registry(tiny, name))
    tiny.edit(
        "mlci.yaml", "  requirements: requirements.lock\n", "  base: oci:../bases:box\n  platforms: [linux/amd64]\n"
    )
    tiny.edit("mlci.yaml", "command: [python, serve.py]", "command: [/bin/busybox, ls, -R, /models]")
    busybox(tiny.root.parent / "bases")
    digest = built(ok(tiny, "build"))
    engine.docker("pull", f"{name}@{digest}")
    printed = engine.docker("run", "--rm", "--network", "none", f"{name}@{digest}")
    assert "rates.json" in printed
    seen = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}:latest"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(seen.stdout)["Digest"] == digest


def busybox(root: Path) -> None:
    """An image with a shell, as a folder to build on."""
    import io
    import tarfile

    from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, canonical

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("bin/busybox")
        content = Path(shutil.which("busybox") or "").read_bytes()
        info.size, info.mode = len(content), 0o755
        archive.addfile(info, io.BytesIO(content))
    store = FolderStore(root)
    digest, size = store.put_blob(iter([raw.getvalue()]))
    config = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest]}}
    pointer = Descriptor(CONFIG, *store.put_blob(iter([canonical(config)])))
    layer = Descriptor(LAYER_TAR, digest, size)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": pointer.to_json(),
        "layers": [layer.to_json()],
    }
    store.put_manifest(canonical(document), MANIFEST, tag="box")
