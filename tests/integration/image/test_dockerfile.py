"""Images from a Dockerfile: by a real engine, by BuildKit, by buildah; what comes out is an image like any other."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import threading
from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.evidence import results
from mlci.image import dockerfile, unpack
from mlci.store import FolderStore, copy, open_store
from tests.conftest import TinyProject
from tests.enginekit import Engine

DOCKERFILE = """
FROM scratch
ARG WHO=nobody
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "echo hello $WHO > /hello"]
COPY settings.txt /app/
WORKDIR /app
CMD ["/bin/busybox", "sh", "-c", "cat /hello settings.txt && ls /models"]
"""
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture
def project(tiny: TinyProject) -> TinyProject:
    """A project that trains and has a Dockerfile."""
    text = (tiny.root / "mlci.yaml").read_text()
    image = "image:\n  dockerfile: Dockerfile\n  copy: [busybox, settings.txt]\n  args: {WHO: you}\n"
    (tiny.root / "mlci.yaml").write_text(text[: text.index("gate:")] + image)
    shutil.copy(shutil.which("busybox") or "", tiny.root / "busybox")
    (tiny.root / "settings.txt").write_text("settings\n")
    (tiny.root / "Dockerfile").write_text(DOCKERFILE)
    return tiny


def build(project: TinyProject, *more: str, **env: str) -> tuple[dict, dict]:
    """The receipt's facts, and the image's manifest."""
    done = project.mlci("build", "--json", *more, **env)
    assert done.code == 0, done.err
    facts = done.json["steps"][-1]["receipt"]["predicate"]["facts"]
    store = FolderStore(project.root / ".mlci/store")
    return facts, json.loads(store.get_manifest(facts["digest"]).raw)


def log(project: TinyProject) -> str:
    file = project.root / ".mlci/logs/build.log"
    return file.read_text() if file.is_file() else ""


def test_an_engine_builds_it_and_it_carries_the_evidence_of_any_image(project: TinyProject, engine: Engine) -> None:
    facts, manifest = build(project, **engine.env)
    store = FolderStore(project.root / ".mlci/store")
    steps = {receipt.step for receipt in results.on(store, facts["digest"])}
    assert steps == {"validate:train", "validate:holdout", "train", "build"}
    assert [layer["role"] for layer in facts["layers"]][-1] == "model"
    assert manifest["annotations"]["org.opencontainers.image.base.name"] == "Dockerfile"
    root = unpack(store, facts["digest"], project.root.parent / "image").root
    assert (root / "hello").read_text() == "hello you\n"
    assert (root / "app/settings.txt").is_file() and any((root / "models").rglob("*"))


def test_a_new_model_or_nothing_new_does_not_build_the_dockerfile_again(project: TinyProject, engine: Engine) -> None:
    first, _ = build(project, **engine.env)
    (project.root / ".mlci/logs/build.log").unlink()
    assert project.statuses(project.mlci("build", "--json", **NO_ENGINE))["build"] == "reused"
    project.edit("mlci.yaml", "bins: 20", "bins: 10")
    second, _ = build(project, **NO_ENGINE)
    assert log(project) == ""
    roles = [(layer["role"], layer["reused"]) for layer in second["layers"]]
    assert ("base", True) in roles and ("base", False) not in roles and ("model", False) in roles
    assert first["digest"] != second["digest"]
    (project.root / "settings.txt").write_text("others\n")
    assert project.mlci("build", **{**NO_ENGINE, "PATH": str(project.root)}).code == 3


def test_what_was_built_runs_under_docker_with_its_digest(project: TinyProject, engine: Engine, registry) -> None:
    facts, _ = build(project, **engine.env)
    repository = registry.repository("runs")
    copy(FolderStore(project.root / ".mlci/store"), open_store(repository), facts["digest"], tag="v1")
    name = f"{repository}@{facts['digest']}"
    engine.docker("pull", name)
    (seen,) = json.loads(engine.docker("image", "inspect", name))
    assert seen["RepoDigests"] == [name]
    printed = engine.docker("run", "--rm", "--network", "none", name).splitlines()
    assert printed[:2] == ["hello you", "settings"]
    assert len(printed) > 2


def test_buildah_builds_it_where_there_is_no_engine(project: TinyProject) -> None:
    facts, _ = build(project, **NO_ENGINE)
    store = FolderStore(project.root / ".mlci/store")
    root = unpack(store, facts["digest"], project.root.parent / "image").root
    assert (root / "hello").read_text() == "hello you\n"
    assert "STEP 1" in log(project)


BUILDX = """#!/bin/sh
# The plugin's part of `docker buildx`, done by the BuildKit of an older client.
[ "$1" = docker-cli-plugin-metadata ] && exec echo '{"SchemaVersion": "0.1.0", "Vendor": "test", "Version": "1"}'
shift
case $1 in
  version) exec echo 1;;
  inspect) exec echo 'Driver:          docker';;
  build) shift; for a do shift; case $a in --provenance=*|--sbom=*|--load) ;; *) set -- "$@" "$a";; esac; done
    DOCKER_BUILDKIT=1 exec CLIENT build "$@";;
esac
exit 1
"""


def test_buildkit_builds_it_where_docker_has_buildx(project: TinyProject, engine: Engine, tmp_path: Path) -> None:
    plugin = tmp_path / "docker/cli-plugins/docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(BUILDX.replace("CLIENT", engine.client))
    plugin.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").symlink_to(engine.client)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    build(project, PATH=path, DOCKER_CONFIG=str(tmp_path / "docker"), **engine.env)
    assert "#1 [internal] load" in log(project)


def test_a_build_that_fails_shows_its_last_lines(project: TinyProject, engine: Engine) -> None:
    project.edit("Dockerfile", "echo hello $WHO > /hello", "echo it went wrong; exit 3")
    for env in (engine.env, NO_ENGINE):
        done = project.mlci("build", **env)
        assert done.code == 3
        assert "it went wrong" in done.err
    assert FolderStore(project.root / ".mlci/store").resolve("latest") is None


def test_a_file_that_dockerignore_leaves_out_is_no_input(project: TinyProject, engine: Engine) -> None:
    project.edit("mlci.yaml", "  copy: [busybox, settings.txt]\n", "")
    (project.root / ".dockerignore").write_text("# what the image does not need\n*\n!busybox\n!settings.txt\n")
    build(project, **engine.env)
    (project.root / "notes.md").write_text("new")
    assert project.statuses(project.mlci("build", "--json", **engine.env))["build"] == "reused"


def test_the_private_key_is_not_among_what_a_dockerfile_may_copy(project: TinyProject) -> None:
    assert project.mlci("key", "new", "ci.key").code == 0
    project.edit("mlci.yaml", "  copy: [busybox, settings.txt]\n", "")
    done = project.mlci("build", "--set", "signing.key=ci.key", **NO_ENGINE)
    assert done.code == 2
    assert "the private key would go into the image" in done.err
    (project.root / ".dockerignore").write_text("*.key\n")
    done = project.mlci("build", "--set", "signing.key=ci.key", PATH="/nowhere", **NO_ENGINE)
    assert "nothing here builds Dockerfiles" in done.err


def test_a_config_that_contradicts_itself_is_refused_at_its_place(project: TinyProject) -> None:
    project.edit("mlci.yaml", "  args: {WHO: you}\n", "  base: python:3.12\n  requirements: requirements.lock\n")
    done = project.mlci("build")
    assert done.code == 2
    assert "names its own base" in done.err and "installs its own requirements" in done.err


def archive(files: dict[str, bytes], link: tuple[str, str] | None = None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link[0])
            info.type, info.linkname = tarfile.SYMTYPE, link[1]
            out.addfile(info)
    return raw.getvalue()


CONFIG = json.dumps({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}).encode()
LISTED = json.dumps([{"Config": "c.json", "Layers": ["layer.tar"]}]).encode()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (archive({"../evil": b"x"}), "outside of it"),
        (archive({"/etc/evil": b"x"}), "outside of it"),
        (archive({"a": b"x"}, ("b", "../../../../etc/passwd")), "outside of it"),
        (archive({"manifest.json": LISTED, "c.json": CONFIG, "layer.tar": b"other"}), "expected sha256:0000"),
        (archive({"manifest.json": LISTED, "c.json": b"{}"}), "cannot be read as an image"),
        (archive({"manifest.json": b"[]"}), "cannot be read as an image"),
        (archive({"manifest.json": json.dumps([{"Config": "../c", "Layers": []}]).encode()}), "outside of it"),
        (archive({"index.json": b'{"manifests": []}'}), "0 images instead of one"),
        (b"no archive", "not a whole archive"),
    ],
)
def test_nothing_that_a_builder_gives_out_is_trusted(tmp_path: Path, given: bytes, message: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "image").write_bytes(given)
    store = FolderStore(tmp_path / "store")
    with pytest.raises(WorldError, match=message):
        dockerfile.take_in(store, tmp_path / "image", tmp_path / "work")
    assert not (tmp_path / "evil").exists() and store.tags() == []


def test_a_stopped_build_ends(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlci.errors import Interrupted

    monkeypatch.setenv("DOCKER_HOST", engine.host)
    (tmp_path / "context").mkdir()
    shutil.copy(shutil.which("busybox") or "", tmp_path / "context/busybox")
    endless = '["/bin/busybox", "sh", "-c", "while echo on; do sleep 0.2; done"]'
    (tmp_path / "context/Dockerfile").write_text(f"FROM scratch\nCOPY busybox /bin/busybox\nRUN {endless}\n")
    stop = threading.Event()
    recipe = dockerfile.Recipe("Dockerfile", tmp_path / "context", "linux/amd64")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line == "on":
            stop.set()

    work = dockerfile.Work(tmp_path, tmp_path / "log", say, stop)
    with pytest.raises(Interrupted):
        dockerfile.build_dockerfile(FolderStore(tmp_path / "store"), recipe, work)
    assert "on" in said


PREDICT = r"""set -e
test -n "$MLCI_MODEL"
exec awk -F, 'BEGIN { printf "{\"columns\": [\"id\", \"score\"], \"data\": [" }
  NR > 1 { printf "%s[%s, %s]", (NR > 2 ? "," : ""), $1, $2 }
  END { print "]}" }' "$MLCI_DATA" > "$MLCI_PREDICTIONS"
"""
WITH_PREDICT = """
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY predict.sh /app/
WORKDIR /app
"""


def test_a_champion_from_a_dockerfile_predicts_in_a_container(project: TinyProject, engine: Engine) -> None:
    import duckdb

    duckdb.execute(f"COPY (FROM '{project.root}/data/holdout.parquet') TO '{project.root}/data/holdout.csv'")
    text = (project.root / "mlci.yaml").read_text().replace("data/holdout.parquet", "data/holdout.csv")
    gate = (
        "gate:\n  predict: sh predict.sh\n  data: holdout\n  champion: staging\n"
        "  columns: {id: id, label: label, score: score}\n  metrics: {roc_auc: {min: 0.6, margin: 0.02}}\n"
    )
    image = "image:\n  dockerfile: Dockerfile\n  copy: [busybox, predict.sh]\n"
    places = "environments:\n  staging: {requires: [gate]}\n"
    (project.root / "mlci.yaml").write_text(text[: text.index("image:")] + gate + image + places)
    (project.root / "predict.sh").write_text(PREDICT)
    (project.root / "Dockerfile").write_text(WITH_PREDICT)
    done = project.mlci("run", "--to", "staging", "--json", **engine.env)
    assert done.code == 0, done.err
    champion = done.json["steps"][-1]["receipt"]["predicate"]["facts"]["digest"]
    project.edit("mlci.yaml", "bins: 20", "bins: 10")
    assert project.mlci("gate", **NO_ENGINE).code == 3
    done = project.mlci("gate", "--json", **engine.env)
    assert done.code == 0, done.err
    facts = done.json["steps"][-1]["receipt"]["predicate"]["facts"]
    assert facts["champion"] == champion
    assert facts["metrics"][0]["champion"]["value"] == facts["metrics"][0]["challenger"]["value"] > 0.6
    assert engine.docker("ps", "--all", "--quiet", "--filter", "label=dev.mlci.run") == ""
