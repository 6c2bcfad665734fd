"""Images on a base: its layers are listed and not read, and it may be of several platforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci.errors import UsageError, WorldError
from mlci.image import Base, Built, ImageSpec, build, find_base, put_tree, unpack
from mlci.store import CONFIG, INDEX, MANIFEST, FolderStore, canonical
from tests.unit.image.bases import base_of, put

GOLDEN = "sha256:aeeecfa349bf228695481ad05d1aee9bfdf52c1cb7a79829c72d44e0300f8df9"


@pytest.fixture
def bases(tmp_path: Path) -> FolderStore:
    """A store with an image for two platforms, and what BuildKit lists beside them."""
    store = FolderStore(tmp_path / "bases")
    entries: list[dict[str, Any]] = [
        {**base_of(store, "amd64").to_json(), "platform": {"os": "linux", "architecture": "amd64"}},
        {**base_of(store, "arm64").to_json(), "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {**base_of(store, "none").to_json(), "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    store.put_manifest(canonical(index), INDEX, tag="slim")
    return store


def made(tmp_path: Path, base: Base | None, *platforms: str, target: FolderStore | None = None, **more: Any) -> Built:
    (tmp_path / "serve.py").write_text("1\n")
    (tmp_path / "weights").write_text("w")
    store = FolderStore(tmp_path / "store")
    model = put_tree(store, tmp_path / "weights").digest
    spec = ImageSpec(
        base=base,
        copy={"serve.py": tmp_path / "serve.py"},
        model=model,
        command=("python", "serve.py"),
        platforms=platforms or ("linux/amd64",),
        **more,
    )
    return build(store, spec, target=target, tag="latest", log=lambda _: None)


def read(store: FolderStore, digest: str) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest = json.loads(store.get_manifest(digest).raw)
    with store.open_blob(manifest["config"]["digest"]) as stream:
        return manifest, json.loads(stream.read())


def test_the_image_is_the_base_and_then_its_own(bases: FolderStore, tmp_path: Path) -> None:
    base = find_base(bases, "example:slim", "slim")
    built = made(tmp_path, base)
    store = FolderStore(tmp_path / "store")
    manifest, config = read(store, built.descriptor.digest)
    below, below_config = read(bases, base.platforms["linux/amd64"])
    kinds = [layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]]
    assert kinds == ["tar+gzip", "tar", "tar"]
    assert manifest["layers"][0]["digest"] == below["layers"][0]["digest"]
    assert manifest["mediaType"] == MANIFEST
    assert manifest["annotations"] == {
        "org.opencontainers.image.base.name": "example:slim",
        "org.opencontainers.image.base.digest": bases.resolve("slim"),
        "dev.mlci.base-layers": "1",
    }
    assert config["rootfs"]["diff_ids"][:1] == below_config["rootfs"]["diff_ids"]
    assert [entry["created_by"] for entry in config["history"]] == [
        "debian",
        "mlci: code app",
        "mlci: model models/weights",
    ]
    inner = config["config"]
    assert (inner["Entrypoint"], inner["User"], inner["Cmd"]) == (["/init"], "1000", ["python", "serve.py"])
    assert inner["Env"][:3] == ["PATH=/opt/python/bin:/bin", "PYTHON_VERSION=3.12.4", "PORT=8080"]
    assert inner["Labels"]["dev.mlci.python"] == "3.12"
    assert "Healthcheck" not in inner
    assert [layer.role for layer in built.layers] == ["base", "code", "model"]


def test_it_is_unpacked_with_its_base_or_without(bases: FolderStore, tmp_path: Path) -> None:
    built = made(tmp_path, find_base(bases, "example:slim", "slim"))
    store = FolderStore(tmp_path / "store")
    whole = unpack(store, built.descriptor.digest, tmp_path / "whole").root
    own = unpack(store, built.descriptor.digest, tmp_path / "own", base=False).root
    assert (whole / "etc/amd64").is_file() and (whole / "app/serve.py").is_file()
    assert not (own / "etc").exists() and (own / "models/weights").is_file()


def test_several_platforms_share_all_but_the_base(bases: FolderStore, tmp_path: Path) -> None:
    built = made(tmp_path, find_base(bases, "example:slim", "slim"), "linux/amd64", "linux/arm64")
    store = FolderStore(tmp_path / "store")
    index = json.loads(store.get_manifest(built.descriptor.digest).raw)
    assert [entry["platform"] for entry in index["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64"},
    ]
    layers = [[one["digest"] for one in read(store, m["digest"])[0]["layers"]] for m in index["manifests"]]
    assert layers[0][0] != layers[1][0]
    assert layers[0][1:] == layers[1][1:]
    assert index["annotations"]["org.opencontainers.image.base.name"] == "example:slim"
    assert (unpack(store, built.descriptor.digest, tmp_path / "image").root / "app/serve.py").is_file()
    assert built.descriptor.digest == GOLDEN
    again = made(tmp_path, find_base(bases, "example:slim", "slim"), "linux/amd64", "linux/arm64")
    assert again.descriptor == built.descriptor
    assert all(layer.reused for layer in again.layers)


def test_the_image_goes_to_its_place_and_the_base_does_not_pass_through_the_store(
    bases: FolderStore, tmp_path: Path
) -> None:
    target = FolderStore(tmp_path / "registry")
    built = made(tmp_path, find_base(bases, "example:slim", "slim"), target=target)
    assert target.resolve("latest") == built.descriptor.digest
    assert target.verify() == []
    base = next(layer for layer in built.layers if layer.role == "base")
    assert not FolderStore(tmp_path / "store").has_blob(base.digest)


def test_an_image_of_one_platform_is_a_base_too(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bases")
    digest = base_of(store, "amd64", kind=MANIFEST).digest
    base = find_base(store, "example", digest)
    assert base.platforms == {"linux/amd64": digest}
    assert made(tmp_path, base).layers[0].role == "base"


def test_what_cannot_be_a_base_says_so(bases: FolderStore, tmp_path: Path) -> None:
    base = find_base(bases, "example:slim", "slim")
    with pytest.raises(UsageError, match="not made for linux/riscv64") as caught:
        made(tmp_path, base, "linux/riscv64")
    assert caught.value.help == "it is for linux/amd64, linux/arm64"
    other = FolderStore(tmp_path / "store")
    tree = put_tree(other, tmp_path / "serve.py")
    with pytest.raises(WorldError, match="is not an image"):
        find_base(other, "tree", tree.digest)


@pytest.mark.parametrize(
    "wrong",
    [
        {"os": 3},
        {"rootfs": {"diff_ids": 3}},
        {"config": ["x"]},
        {"config": {"Env": [3]}},
        {"config": {"Env": "A=B"}},
        {"config": {"Labels": ["x"]}},
        {"history": "x"},
        {"history": ["x"]},
    ],
    ids=str,
)
def test_a_config_that_is_not_as_it_has_to_be_says_so(tmp_path: Path, wrong: dict[str, Any]) -> None:
    store = FolderStore(tmp_path / "bases")
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, **wrong}
    pointer = put(store, json.dumps(config).encode(), CONFIG)
    annotations = {"dev.mlci.base-layers": 3}
    manifest = {"schemaVersion": 2, "config": pointer.to_json(), "layers": [], "annotations": annotations}
    digest = store.put_manifest(canonical(manifest), MANIFEST, tag="slim").digest
    with pytest.raises(WorldError, match="is not an image"):
        find_base(store, "example:slim", "slim")
    with pytest.raises(WorldError, match="is not an image"):
        unpack(store, digest, tmp_path / "unpacked", base=False)


def test_requirements_need_to_know_the_python_of_the_base(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bases")
    base = find_base(store, "debian:12", base_of(store, "amd64", env=["PATH=/bin"]).digest)
    (tmp_path / "requirements.lock").write_text("six==1.17.0\n")
    with pytest.raises(UsageError, match="which Python debian:12 has") as caught:
        made(tmp_path, base, requirements=tmp_path / "requirements.lock")
    assert "image.python" in caught.value.help
    built = made(tmp_path, base, requirements=tmp_path / "requirements.lock", python="3.12")
    assert [layer.role for layer in built.layers] == ["base", "requirements", "code", "model"]
