"""Results that machines share: a second one makes nothing, downloads what it reads, and none of it can fail a run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from mlci.evidence import results
from mlci.store import FolderStore, read_layers
from mlci.store.registry import RegistryStore
from tests.conftest import Done, TinyProject
from tests.registrykit import Exchange, Proxy

LINE = ("validate:train", "validate:holdout", "train", "gate")
NEW, KNOWN = dict.fromkeys(LINE, "pass"), dict.fromkeys(LINE, "reused")


def share(tiny: TinyProject, repository: str, *, image: bool = False) -> str:
    """Let a project share its results there; without `image` it ends with the gate."""
    text = (tiny.root / "mlci.yaml").read_text()
    if not image:
        text = text.partition("\nimage:")[0].replace("  champion: production\n", "")
    (tiny.root / "mlci.yaml").write_text(f"{text}\nstore: {{remote: {repository}}}\n")
    return repository


def another(tiny: TinyProject, place: Path) -> TinyProject:
    """A checkout of the same project somewhere else, with nothing in its store."""
    other = TinyProject(place)
    shutil.copytree(tiny.root, other.root, ignore=shutil.ignore_patterns(".mlci", "__pycache__", "build"))
    return other


def run(tiny: TinyProject, **env: str) -> dict[str, str]:
    done = tiny.mlci("run", "--json", **env)
    assert done.code == 0, done.err
    return tiny.statuses(done)


def in_github(tmp_path: Path, event: str, ref: str, number: int | None = None) -> dict[str, str]:
    """The variables of a job."""
    payload = tmp_path / f"{event}.json"
    payload.write_text(json.dumps({"repository": {"default_branch": "main"}, "number": number}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_REF": ref,
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_STEP_SUMMARY": "",
    }


def notes(done: Done) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("note: ")]


def model_layers(tiny: TinyProject) -> list[Path]:
    """The files in which the local store has the model, or would have it."""
    store = FolderStore(tiny.root / ".mlci" / "store")
    receipt = results.last(store, "train")
    assert receipt
    layers = read_layers(store.get_manifest(receipt.subjects["model"]))
    return [store.root / "blobs" / "sha256" / layer.digest.removeprefix("sha256:") for layer in layers]


def test_a_second_machine_makes_nothing_and_downloads_what_it_reads(
    tiny: TinyProject, proxy: Proxy, tmp_path: Path
) -> None:
    repository = share(tiny, proxy.repository(), image=True)
    assert run(tiny) == {**NEW, "build": "pass"}
    proxy.seen.clear()
    again = tiny.mlci("run", "--json", PYTHONPROFILEIMPORTTIME="1")
    assert tiny.statuses(again) == {**KNOWN, "build": "reused"}
    assert proxy.seen == []  # what is known here asks nobody
    assert "urllib3" not in again.err
    assert "mlci.engine.sharing" in again.err
    other = another(tiny, tmp_path / "elsewhere" / "of somebody" / "else")
    for file in other.root.rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)
        os.utime(file, (1e9, 1e9))
    env = {"HOME": str(tmp_path), "LC_ALL": "C", "TZ": "Pacific/Kiritimati", "USER": "else", "LOGNAME": "else"}
    planned = other.mlci("plan", **env)
    assert planned.out.count(f"from {repository}, run by") == 5
    assert not (other.root / ".mlci" / "store").exists()
    proxy.seen.clear()
    done = other.mlci("run", "--json", **env)
    assert other.statuses(done) == {**KNOWN, "build": "reused"}
    assert {step["origin"] for step in done.json["steps"]} == {repository}
    assert not any(layer.exists() for layer in model_layers(other))
    assert sum(one.downloaded for one in proxy.requests()) < 100_000
    assert len(proxy.requests()) <= 30
    first, second = (sorted(machine.mlci("verify").out.splitlines()) for machine in (tiny, other))
    assert first == second
    assert not any(layer.exists() for layer in model_layers(other))
    assert not (other.root / "build").exists()
    proxy.seen.clear()
    assert run(other, **env) == {**KNOWN, "build": "reused"}
    assert proxy.seen == []
    other.edit("mlci.yaml", "{min: 0.70,", "{min: 0.71,")
    assert run(other, **env) == {**KNOWN, "gate": "pass", "build": "reused"}
    assert all(layer.exists() for layer in model_layers(other))
    sizes = sum(layer.stat().st_size for layer in model_layers(other))
    assert sum(one.downloaded for one in proxy.requests(r"^GET .*/blobs/")) == sizes


def test_what_a_pull_request_or_a_laptop_makes_is_never_what_main_reads(
    tiny: TinyProject, proxy: Proxy, tmp_path: Path
) -> None:
    store = RegistryStore(share(tiny, proxy.repository()))
    main = in_github(tmp_path, "push", "refs/heads/main")
    request = in_github(tmp_path, "pull_request_target", "refs/heads/main", 12)
    assert run(tiny) == NEW  # on a laptop
    assert run(another(tiny, tmp_path / "request"), **request) == NEW
    assert run(another(tiny, tmp_path / "request again"), **request) == KNOWN
    assert run(another(tiny, tmp_path / "main"), **main) == NEW
    assert run(another(tiny, tmp_path / "main again"), **main) == KNOWN
    assert {tag.partition("result-")[0] for tag in store.tags() if "result-" in tag} == {"", "dev.", "pr-12."}
    other = in_github(tmp_path, "pull_request", "refs/pull/13/merge", 13)
    assert run(another(tiny, tmp_path / "another request"), **other) == KNOWN  # from main
    assert not store.tags("pr-13.")


@pytest.mark.parametrize("fault", ["refused", "500", "403", "hang"])
def test_a_registry_that_is_away_is_said_once_and_the_run_goes_on(tiny: TinyProject, proxy: Proxy, fault: str) -> None:
    repository = proxy.repository()
    if fault == "refused":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            repository = f"127.0.0.1:{free.getsockname()[1]}/nobody"
    acts = {"500": lambda e: e.answer(500), "403": lambda e: e.answer(403), "hang": Exchange.hang}
    if fault in acts:
        proxy.misbehave(".", acts[fault])
    share(tiny, repository)
    done = tiny.mlci("run")
    assert done.code == 0
    (note,) = notes(done)
    assert repository in note


def test_who_may_only_read_uses_the_results_of_others(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    repository = share(tiny, proxy.repository())
    assert run(tiny) == NEW
    other = another(tiny, tmp_path / "other")
    other.edit("mlci.yaml", "train.parquet, contract: contract.yaml}", "train.parquet}")
    other.edit("mlci.yaml", "{min: 0.70,", "{min: 0.71,")
    proxy.misbehave("^(POST|PUT|PATCH) ", lambda e: e.answer(403))
    done = other.mlci("run", "--json")
    assert other.statuses(done) == {"validate:holdout": "reused", "train": "reused", "gate": "pass"}
    (note,) = notes(done)
    assert f"results are not given to {repository} in this run: " in note
    proxy.seen.clear()
    assert set(run(other).values()) == {"reused"}
    assert proxy.seen == []  # not asked again so soon
    other.edit("mlci.yaml", "train.parquet}", "train.parquet, contract: contract.yaml}")
    assert run(other) == KNOWN
    assert {one.method for one in proxy.requests()} == {"GET"}


def test_what_was_not_given_before_a_kill_is_given_by_the_next_run(
    tiny: TinyProject, proxy: Proxy, tmp_path: Path
) -> None:
    share(tiny, proxy.repository())
    proxy.misbehave(r"^PUT .*/blobs/uploads/", Exchange.hang, skip=3)
    process = tiny.start("run")
    deadline = time.monotonic() + 60
    while not proxy.faults[0].hits and time.monotonic() < deadline:
        time.sleep(0.05)
    assert proxy.faults[0].hits
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    proxy.faults.clear()
    run(tiny)
    assert run(tiny) == KNOWN
    assert run(another(tiny, tmp_path / "other")) == KNOWN
    arrived = [one for one in proxy.requests("^PUT .*/blobs/uploads/") if one.status == 201]
    digests = [one.path.partition("digest=")[2] for one in arrived]
    assert len(digests) == len(set(digests))  # nothing that had arrived is sent again


def test_only_what_somebody_trusted_has_signed_is_used(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    for name in ("ci", "stranger"):
        assert tiny.mlci("key", "new", name).code == 0
    pem = {name: (tiny.root / name).read_text() for name in ("ci", "stranger")}
    signers = "signers: {ci: {public_key: ci.pub}, stranger: {public_key: stranger.pub}}"
    share(tiny, proxy.repository())
    with (tiny.root / "mlci.yaml").open("a") as file:
        file.write(f"signing: {{key: env:KEY, {signers}}}\n")
    main = in_github(tmp_path, "push", "refs/heads/main")
    assert run(tiny, KEY=pem["stranger"], **main) == NEW
    trust = ("--set", "store.trust=[ci]")
    second = another(tiny, tmp_path / "second")
    refused = second.mlci("run", "--json", *trust, KEY=pem["ci"], **main)
    assert second.statuses(refused) == NEW
    said = [note for note in notes(refused) if "is not used: it is not signed by ci" in note]
    assert len(said) == 4
    third = another(tiny, tmp_path / "third")
    assert third.statuses(third.mlci("run", "--json", *trust, **main)) == KNOWN  # what ci signed has replaced it
    laptop = another(tiny, tmp_path / "laptop")
    laptop.edit("mlci.yaml", "bins: 20", "bins: 21")
    fresh = laptop.mlci("run", "--json", *trust, KEY=pem["ci"])
    assert laptop.statuses(fresh)["train"] == "pass"
    merged = another(laptop, tmp_path / "merged")
    assert merged.statuses(merged.mlci("run", "--json", *trust, **main)) == KNOWN  # a signature counts from anywhere


def test_force_asks_nobody_and_replaces(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    share(tiny, proxy.repository())
    assert run(tiny) == NEW
    other = another(tiny, tmp_path / "other")
    proxy.seen.clear()
    forced = other.mlci("run", "train", "--force", "--json")
    assert set(other.statuses(forced).values()) == {"pass"}
    assert not proxy.requests("^GET .*/manifests/dev.result-")
    third = another(tiny, tmp_path / "third")
    assert run(third) == KNOWN
    receipts = [
        next(s["receipt"] for s in d.json["steps"] if s["name"] == "train")
        for d in (forced, third.mlci("run", "--json"))
    ]
    assert receipts[0] == receipts[1]


def test_what_is_not_what_it_is_said_to_be_is_not_used_and_is_replaced(
    tiny: TinyProject, proxy: Proxy, tmp_path: Path
) -> None:
    store = RegistryStore(share(tiny, proxy.repository()))
    assert run(tiny) == NEW
    assert tiny.mlci("run", "--set", "train.params.bins=21").code == 0
    (train, other_train) = (tag for tag in store.tags() if "result-train-" in tag)
    (gate, other_gate) = (tag for tag in store.tags() if "result-gate-" in tag)
    ours, theirs = (store.get_manifest(tag) for tag in (train, other_train))
    mixed = json.loads(ours.raw)
    mixed["manifests"][1] = json.loads(theirs.raw)["manifests"][1]
    store.put_manifest(json.dumps(mixed).encode(), ours.media_type, tag=train)
    swapped = store.get_manifest(other_gate)
    store.put_manifest(store.get_manifest(gate).raw, swapped.media_type, tag=other_gate)
    store.put_manifest(swapped.raw, swapped.media_type, tag=gate)
    wrong = another(tiny, tmp_path / "wrong")
    done = [wrong.mlci("run", "--json", "--set", f"train.params.bins={bins}") for bins in (20, 21)]
    assert [one.code for one in done] == [0, 0]
    found = [wrong.statuses(one) for one in done]
    assert [(one["validate:train"], one["gate"]) for one in found] == [("reused", "pass")] * 2
    assert sorted(one["train"] for one in found) == ["pass", "reused"]
    said = "\n".join(note for one in done for note in notes(one))
    assert f"{train} is not used: its outputs are not the ones of its receipt" in said
    assert f"{gate} is not used: its receipt is of gate with the key {other_gate.rpartition('-')[2][:12]}" in said
    assert run(another(tiny, tmp_path / "again")) == KNOWN  # what was wrong is replaced


def test_two_machines_that_make_the_same_at_once_do_not_disturb_each_other(
    tiny: TinyProject, proxy: Proxy, tmp_path: Path
) -> None:
    share(tiny, proxy.repository())
    machines = [another(tiny, tmp_path / f"{n}") for n in range(3)]
    running = [machine.start("run", "--json") for machine in machines]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ended
    assert not any("note:" in err for _, err in ended)
    assert run(another(tiny, tmp_path / "last")) == KNOWN


def test_a_model_that_cannot_be_had_is_an_error_that_says_so(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    repository = share(tiny, proxy.repository())
    assert run(tiny) == NEW
    other = another(tiny, tmp_path / "other")
    assert run(other) == KNOWN
    other.edit("mlci.yaml", "{min: 0.70,", "{min: 0.71,")
    layers = [layer.name for layer in model_layers(other)]
    proxy.misbehave(f"^GET .*/blobs/sha256:{layers[0]}", lambda e: e.answer(404))
    failed = other.mlci("run")
    assert failed.code == 3
    assert f"was made elsewhere, and {repository} does not have it any more" in failed.err
    assert "--force" in failed.err
    proxy.faults.clear()
    size = model_layers(other)[0]
    proxy.misbehave(
        f"^GET .*/blobs/sha256:{layers[0]}", lambda e: e.forward(change=lambda body: body[:-1] + b"x"), times=9
    )
    changed = other.mlci("run")
    assert changed.code == 3
    assert not size.exists()
    proxy.faults.clear()
    assert run(other) == {**KNOWN, "gate": "pass"}


def test_a_store_is_copied_with_what_it_has_elsewhere(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    share(tiny, proxy.repository())
    assert run(tiny) == NEW
    other = another(tiny, tmp_path / "other")
    assert run(other) == KNOWN
    store = FolderStore(other.root / ".mlci" / "store")
    assert store.verify() == []
    copied = other.mlci("copy", "oci:.mlci/store:last-train", f"oci:{tmp_path}/copy", "--tag", "model")
    assert copied.code == 0, copied.err
    assert all(layer.exists() for layer in model_layers(other))
    assert FolderStore(tmp_path / "copy").verify() == []


def test_a_signed_image_comes_with_its_signed_sbom(tiny: TinyProject, proxy: Proxy, tmp_path: Path) -> None:
    assert tiny.mlci("key", "new", "ci").code == 0
    pem = (tiny.root / "ci").read_text()
    (tiny.root / "ci").unlink()
    repository = share(tiny, proxy.repository(), image=True)
    tiny.edit("mlci.yaml", "  requirements: requirements.lock\n", "")
    tiny.edit("mlci.yaml", f"{{remote: {repository}}}", f"{{remote: {repository}, trust: [ci]}}")
    with (tiny.root / "mlci.yaml").open("a") as file:
        file.write("signing: {key: env:KEY, signers: {ci: {public_key: ci.pub}}}\n")
    assert run(tiny, KEY=pem) == {**NEW, "build": "pass"}
    other = another(tiny, tmp_path / "other")
    proxy.seen.clear()
    assert run(other, KEY=pem) == {**KNOWN, "build": "reused"}
    verified = other.mlci("verify", "--signer", "ci", "--json")
    assert verified.code == 0
    assert "https://cyclonedx.org/bom" in {piece["name"] for piece in verified.json["evidence"]}
    image = json.loads(FolderStore(other.root / ".mlci" / "store").get_manifest("latest").raw)
    assert not [one for layer in image["layers"] for one in proxy.requests(f"^GET .*/blobs/{layer['digest']}")]
    unsigned = another(tiny, tmp_path / "unsigned")
    unsigned.edit("mlci.yaml", "bins: 20", "bins: 22")
    proxy.seen.clear()
    assert run(unsigned)["train"] == "pass"
    assert not proxy.requests("^(PUT|POST|PATCH) ")  # what nobody has signed, nobody would use
