"""Versions as containers of a real engine: what each may do, and that only the promoted bytes are ever started."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlci import deploy as delivery
from mlci.config.model import Container, Replay
from mlci.deploy.drivers import docker
from mlci.errors import WorldError
from mlci.store import Descriptor, FolderStore, copy, open_store
from tests.conftest import TinyProject
from tests.enginekit import Engine
from tests.integration.deploy.deploykit import Load, Site, answer, canary
from tests.integration.deploy.dockerkit import DockerSite, in_docker
from tests.pythonkit import image_of
from tests.registrykit import RunningRegistry


def test_a_version_runs_as_a_container_with_no_right_that_it_needs_not(docker_site: DockerSite) -> None:
    outcome = docker_site.deploy("one", in_docker(container=Container(memory=256 << 20, cpus=0.5), replicas=2))
    assert (outcome.outcome, outcome.driver) == ("deployed", "docker")
    assert answer(docker_site) == "one"
    assert docker_site.status().servers == {"stable": "2 of 2"}
    found = docker_site.containers()
    assert len(found) == 2
    manifest = json.loads(docker_site.store.get_manifest(outcome.digest).raw)
    for container in found:
        assert container["Image"] == manifest["config"]["digest"]
        host = container["HostConfig"]
        assert (host["Memory"], host["NanoCpus"], host["ReadonlyRootfs"]) == (256 << 20, 500_000_000, True)
        assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert [one["HostIp"] for one in host["PortBindings"]["8080/tcp"]] == ["127.0.0.1"]
        (network,) = container["NetworkSettings"]["Networks"]
        assert network.startswith("mlci-production-")


def test_what_runs_is_found_again_and_left_alone(docker_site: DockerSite) -> None:
    docker_site.deploy("one")
    before = [one["Id"] for one in docker_site.containers()]
    assert docker_site.deploy("one").outcome == "unchanged"
    assert docker_site.deploy("one", in_docker(replicas=2)).outcome == "deployed"
    assert len(docker_site.containers()) == 2
    assert before[0] not in [one["Id"] for one in docker_site.containers()]


def test_a_good_canary_takes_over_and_a_bad_one_is_taken_back(docker_site: DockerSite) -> None:
    docker_site.deploy("one")
    steps = {"steps": (0.2, 0.5), "replay": Replay(data="rows", rate=800), "analysis": canary().analysis}
    steps["repeatable"] = True
    good = docker_site.deploy("two", in_docker("canary", **steps))
    assert (good.outcome, answer(docker_site)) == ("deployed", "two")
    bad = docker_site.deploy("bad", in_docker("canary", **steps), BAD=0.3)
    assert bad.outcome == "rolled-back"
    assert bad.reason.startswith("errors: ")
    for outcome in (good, bad):
        assert outcome.traffic.sent == outcome.traffic.answered > 100
        assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)
    assert answer(docker_site) == "two"
    assert len(docker_site.containers()) == 1


CHILD = """
import sys, threading
from pathlib import Path
from tests.integration.deploy.dockerkit import DockerSite, in_docker
from mlci import deploy
from mlci.config.model import Replay
from mlci.store import Descriptor
folder, images, digest, size, name = sys.argv[1:]
base = Descriptor("application/vnd.oci.image.layer.v1.tar", digest, int(size))
site = DockerSite(Path(folder), Path(images), base=(base,))
request = site.request(name, in_docker("canary", steps=(0.2, 0.5), replay=Replay(data="rows", rate=20)))
deploy.deploy(request, folder=site.folder, report=lambda e: print(e, flush=True), stop=threading.Event())
"""


@pytest.mark.parametrize("text", ["r2 is sha256", "takes 20 %"])
def test_what_a_killed_mlci_left_is_found_by_its_labels(docker_site: DockerSite, text: str) -> None:
    docker_site.deploy("one")
    base = docker_site.base[0]
    argv = [docker_site.folder, docker_site.images, base.digest, base.size, "two"]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, argv)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert any(text in line for line in child.stdout)
    child.kill()
    child.communicate()
    assert docker_site.deploy("two").outcome == "deployed"
    assert answer(docker_site) == "two"
    assert len(docker_site.containers()) == 1


def test_a_container_that_ends_is_started_again_by_the_engine(docker_site: DockerSite) -> None:
    docker_site.deploy("one", DIE=30)
    with contextlib.suppress(OSError):
        for _ in range(31):
            answer(docker_site)
    deadline = time.monotonic() + 30
    while not (docker_site.containers()[0]["RestartCount"] and docker_site.status().healthy):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer(docker_site) == "one"


def test_a_container_that_somebody_removed_comes_again_with_its_image(docker_site: DockerSite) -> None:
    docker_site.deploy("one")
    (gone,) = docker_site.containers()
    docker_site.engine.docker("rm", "--force", gone["Id"])
    docker_site.engine.docker("rmi", gone["Image"])
    assert docker_site.deploy("one").outcome == "deployed"
    (again,) = docker_site.containers()
    assert again["Image"] == gone["Image"]
    assert answer(docker_site) == "one"


def test_another_image_under_our_labels_is_not_adopted(docker_site: DockerSite) -> None:
    docker_site.deploy("one")
    (ours,) = docker_site.containers()
    other = docker_site.engine.docker("commit", "--change", "ENV NAME=evil", ours["Id"]).strip()
    docker_site.engine.docker("rm", "--force", ours["Id"])
    labels = [part for k, v in ours["Config"]["Labels"].items() for part in ("--label", f"{k}={v}")]
    docker_site.engine.docker("run", "--detach", *labels, "--env", "HOST=0.0.0.0", "--env", "PORT=8080", other)
    assert docker_site.deploy("one").outcome == "deployed"
    (again,) = docker_site.containers()
    assert again["Image"] == ours["Image"] != other
    assert answer(docker_site) == "one"


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_bytes_that_are_not_those_of_the_digest_are_never_started(docker_site: DockerSite, part: str) -> None:
    docker_site.deploy("one")
    digest, _ = docker_site.built(f"tampered {part}")
    document = json.loads(docker_site.store.get_manifest(digest).raw)
    which = {"layer": document["layers"][1]["digest"], "config": document["config"]["digest"], "manifest": digest}
    blob = docker_site.images / "blobs" / which[part].replace(":", "/")
    before = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(before.replace(b"tampered", b"TAMPERED").replace(b"layers", b"LAYERS"))
    try:
        with pytest.raises(WorldError):
            docker_site.deploy(f"tampered {part}")
    finally:
        blob.write_bytes(before)
    assert answer(docker_site) == "one"
    assert len(docker_site.containers()) == 1


def test_an_image_that_cannot_start_is_taken_back_and_says_why(docker_site: DockerSite) -> None:
    docker_site.deploy("one")
    absent = docker_site.deploy("absent", cmd=["no-such-program"])
    assert absent.outcome == "rolled-back"
    assert "no-such-program" in absent.reason
    hungry = docker_site.deploy(
        "hungry",
        in_docker(container=Container(memory=32 << 20)),
        cmd=["python", "-c", "print('loading', flush=True); bytearray(200 << 20)"],
    )
    assert hungry.reason == (
        "it ended before it was ready: mlci: killed, for it needed more memory than container.memory allows"
    )
    writes = ["python", "-c", "open('/tmp/x', 'w'); open('/app/x', 'w')"]
    assert "Read-only file system: '/app/x'" in docker_site.deploy("writes", cmd=writes).reason
    assert answer(docker_site) == "one"
    lines = list(docker.logs(docker_site.folder / "revisions/3", 1, tail=10))
    assert lines == ["loading", "mlci: killed, for it needed more memory than container.memory allows"]


def test_gpus_where_the_engine_has_none_are_an_error_with_a_way_out(docker_site: DockerSite) -> None:
    with pytest.raises(WorldError, match="cannot give a container 1 GPUs") as caught:
        docker_site.deploy("one", in_docker(container=Container(gpus=1)))
    assert "Container Toolkit" in caught.value.help


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the package leaves its socket open
@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
def test_an_engine_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(WorldError, match="no Docker engine answers"):
        docker.observe(tmp_path)
    gc.collect()


def test_an_environment_moves_from_processes_to_containers_and_back(docker_site: DockerSite, tmp_path: Path) -> None:
    processes = Site(docker_site.folder, tmp_path / "unpacked")
    processes.deploy("one")
    with Load(docker_site, rate=100) as load:
        assert docker_site.deploy("two").outcome == "deployed"
        assert (answer(docker_site), len(docker_site.containers()), len(docker_site.processes())) == ("two", 1, 1)
        assert processes.deploy("three").outcome == "deployed"
    assert (load.counts.errors, load.counts.lost) == (0, 0)
    assert (answer(docker_site), docker_site.containers()) == ("three", [])


def test_an_image_of_a_registry_is_pulled_by_its_digest(docker_site: DockerSite, registry: RunningRegistry) -> None:
    request = docker_site.request("pulled")
    name = registry.repository("pulled")
    copy(docker_site.store, open_store(name), request.digest)
    request = replace(request, source=f"{name}@{request.digest}")
    outcome = delivery.deploy(request, folder=docker_site.folder, report=lambda _: None, stop=docker_site.stopper)
    assert (outcome.outcome, answer(docker_site)) == ("deployed", "pulled")
    (container,) = docker_site.containers()
    (image,) = json.loads(docker_site.engine.docker("image", "inspect", container["Image"]))
    assert image["RepoDigests"] == [request.source]


def test_a_project_is_deployed_to_containers_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tiny: TinyProject, engine: Engine, containers: tuple[Path, Descriptor]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    images, base = containers
    image_of(FolderStore(images), [base], {}, tag="python")
    tiny.edit("serve.py", "FAULT = os", "print('here I am', flush=True)\nFAULT = os")
    tiny.edit("mlci.yaml", "  requirements: requirements.lock\n", f"  base: oci:{images}:python\n")
    tiny.edit("mlci.yaml", "deploy: {strategy: blue-green}", "deploy: {driver: docker, replicas: 2}")
    done = tiny.mlci("run", "--to", "staging", "--json")
    assert done.code == 0, done.err
    (place, _) = tiny.mlci("status", "--json").json["environments"]
    assert (place["deployment"]["healthy"], place["deployment"]["servers"]) == (True, {"stable": "2 of 2"})
    assert tiny.mlci("logs", "staging").out.splitlines() == ["r1/1 | here I am", "r1/2 | here I am"]
    follows = tiny.start("logs", "staging", "--follow", "--json")
    assert follows.stdout is not None
    seen = {(line["server"], line["text"]) for line in (json.loads(follows.stdout.readline()) for _ in range(2))}
    assert seen == {(1, "here I am"), (2, "here I am")}
    follows.send_signal(signal.SIGINT)
    assert "Traceback" not in follows.communicate(timeout=20)[1]
    assert follows.returncode == 130
    assert tiny.statuses(tiny.mlci("run", "--to", "staging", "--json"))["deploy:staging"] == "reused"
    assert tiny.mlci("stop").code == 0
    assert tiny.mlci("logs", "staging").code == 3


def test_what_a_driver_cannot_do_is_a_mistake_at_its_place(tiny: TinyProject) -> None:
    tiny.edit("mlci.yaml", "deploy: {strategy: blue-green}", "deploy: {driver: docker}")
    tiny.edit("mlci.yaml", "      strategy: canary\n", "      strategy: canary\n      container: {memory: 1GB}\n")
    done = tiny.mlci("run", "--to", "production")
    assert done.code == 2
    assert "a container of it has no Python" in done.err
    assert "the driver `process` runs no container" in done.err
