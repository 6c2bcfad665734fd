"""Images built without a daemon."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.errors import UsageError, WorldError
from mlci.image import Built, ImageSpec, UnsafeLayer, build, put_tree, unpack
from mlci.store import FolderStore, canonical

GOLDEN = "sha256:ad4260ba8c05c9e6573dc0099667fae1470902515a659faa24750158a105c42f"
CODE = {"serve.py": "import model\n", "lib/ünï.py": "", "start": "#!/bin/sh\n"}
MODEL = {"weights.bin": "0123456789" * 1000, "tokens/vocab.json": "{}"}


def project(root: Path) -> ImageSpec:
    for folder, files in (("", CODE), ("model", MODEL)):
        for name, content in files.items():
            (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (root / folder / name).write_text(content)
    (root / "start").chmod(0o755)
    return ImageSpec(
        copy={name: root / name for name in CODE},
        command=("python", "serve.py"),
        port=9000,
        ready="/ready",
        env={"B": "2", "A": "a=b"},
        annotations={"org.opencontainers.image.title": "flights", "dev.mlci.predict": '["python"]'},
        python="3.11",
        platforms=("linux/amd64",),
    )


def made(store: FolderStore, spec: ImageSpec, model: Path | None = None) -> Built:
    """The image with the model that lies beside its code, unless it is another."""
    code = next(iter(spec.copy.values())).parent
    tree = put_tree(store, model or code / "model")
    return build(store, replace(spec, model=tree.digest), tag="latest", log=lambda _: None)


def test_the_digest_is_the_same_everywhere_and_always(tmp_path: Path) -> None:
    digests = [made(FolderStore(tmp_path / "store 1"), project(tmp_path / "one")).descriptor.digest]
    before = os.umask(0o077)
    try:
        spec = project(tmp_path / "somewhere/else")
        for path in (tmp_path / "somewhere").rglob("*"):
            os.utime(path, (1, 1))
        spec = replace(spec, copy=dict(reversed(spec.copy.items())), env=dict(reversed(spec.env.items())))
        digests.append(made(FolderStore(tmp_path / "store 2"), spec).descriptor.digest)
    finally:
        os.umask(before)
    assert digests == [GOLDEN, GOLDEN]


def test_a_second_build_writes_nothing(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    first = made(store, spec)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}
    second = made(store, spec)
    assert second.descriptor == first.descriptor
    assert [layer.reused for layer in first.layers] == [False] * 3
    assert [layer.reused for layer in second.layers] == [True] * 3
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()} == before


def test_a_new_model_changes_the_layers_of_its_changed_files_only(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    made(store, spec)
    (tmp_path / "p/model/weights.bin").write_text("better")
    layers = made(store, spec).layers
    assert [(layer.role, layer.name, layer.reused) for layer in layers] == [
        ("code", "app", True),
        ("model", "models/tokens/vocab.json", True),
        ("model", "models/weights.bin", False),
    ]


def test_the_config_says_how_to_run_it(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    built = made(store, spec)
    manifest = json.loads(store.get_manifest("latest").raw)
    assert manifest["annotations"] == spec.annotations
    with store.open_blob(manifest["config"]["digest"]) as stream:
        config = json.loads(stream.read())
    assert config["config"] == {
        "Cmd": ["python", "serve.py"],
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH=/app:/deps",
            "PYTHONDONTWRITEBYTECODE=1",
            "MLCI_MODEL=/models",
            "PORT=9000",
            "A=a=b",
            "B=2",
        ],
        "ExposedPorts": {"9000/tcp": {}},
        "Labels": {"dev.mlci.python": "3.11", "dev.mlci.ready": "/ready"},
        "WorkingDir": "/app",
    }
    assert (config["architecture"], config["os"], config["created"]) == ("amd64", "linux", "1970-01-01T00:00:00Z")
    assert config["rootfs"]["diff_ids"] == [layer.digest for layer in built.layers]
    assert len(config["history"]) == len(built.layers)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    found = unpack(store, made(store, spec).descriptor.digest, tmp_path / "image")
    assert found.config["Cmd"] == ["python", "serve.py"]
    assert {n: (found.root / "app" / n).read_text() for n in CODE} == CODE
    assert {n: (found.root / "models" / n).read_text() for n in MODEL} == MODEL
    assert os.access(found.root / "app/start", os.X_OK)
    assert not os.access(found.root / "app/serve.py", os.X_OK)


def test_a_model_of_one_file_is_named_to_the_server(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    built = made(store, spec, tmp_path / "p/model/weights.bin")
    found = unpack(store, built.descriptor.digest, tmp_path / "image")
    assert "MLCI_MODEL=/models/weights.bin" in found.config["Env"]
    assert (found.root / "models/weights.bin").is_file()


def test_a_model_of_very_many_files_stays_mountable(tmp_path: Path) -> None:
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "model"
    folder.mkdir()
    for i in range(130):
        (folder / f"{i:03d}").write_text("x" * i)
    built = build(store, ImageSpec(model=put_tree(store, folder).digest), log=lambda _: None)
    assert len(built.layers) == 101
    assert built.layers[-1].name == "models: 30 smaller files"
    assert len(list((unpack(store, built.descriptor.digest, tmp_path / "i").root / "models").iterdir())) == 130


def test_layers_may_be_compressed_and_come_out_the_same(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    plain = made(store, spec)
    pressed = made(store, replace(spec, compression="zstd"))
    assert pressed.size < plain.size
    manifest = json.loads(store.get_manifest(pressed.descriptor.digest).raw)
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    with store.open_blob(manifest["config"]["digest"]) as stream:
        assert json.loads(stream.read())["rootfs"]["diff_ids"] == [layer.digest for layer in plain.layers]
    found = unpack(store, pressed.descriptor.digest, tmp_path / "image")
    assert {n: (found.root / "models" / n).read_text() for n in MODEL} == MODEL
    before = set((store.root / "blobs/sha256").iterdir())
    assert made(store, replace(spec, compression="zstd")).descriptor == pressed.descriptor
    assert set((store.root / "blobs/sha256").iterdir()) == before
    _skopeo("copy", f"oci:{store.root}:latest", f"dir:{tmp_path}/dir")


def test_a_layer_that_is_no_zstd_is_refused(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    manifest = json.loads(store.get_manifest(made(store, spec).descriptor.digest).raw)
    manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    spoilt = store.put_manifest(canonical(manifest), manifest["mediaType"])
    with pytest.raises(UnsafeLayer, match="not a whole tar archive"):
        unpack(store, spoilt.digest, tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_skopeo_reads_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    built = made(store, project(tmp_path / "p"))
    where = f"oci:{store.root}:latest"
    seen = json.loads(_skopeo("inspect", where))
    assert seen["Digest"] == built.descriptor.digest
    assert seen["Layers"] == [layer.digest for layer in built.layers]
    assert seen["Labels"]["dev.mlci.ready"] == "/ready"
    assert json.loads(_skopeo("inspect", "--config", where))["config"]["WorkingDir"] == "/app"
    _skopeo("copy", "--preserve-digests", where, f"oci:{tmp_path}/copy:v1")
    other = FolderStore(tmp_path / "copy")
    assert other.resolve("v1") == built.descriptor.digest
    assert (unpack(other, built.descriptor.digest, tmp_path / "image").root / "app/serve.py").is_file()


@pytest.mark.parametrize("name", ["../other.py", "/etc/passwd", "a/../../b"])
def test_a_file_from_outside_the_project_is_refused(tmp_path: Path, name: str) -> None:
    spec = replace(project(tmp_path / "p"), copy={name: tmp_path / "p/serve.py"})
    with pytest.raises(UsageError, match="outside the project"):
        made(FolderStore(tmp_path / "store"), spec)


def test_what_cannot_go_into_an_image_says_so(tmp_path: Path) -> None:
    store, spec = FolderStore(tmp_path / "store"), project(tmp_path / "p")
    with pytest.raises(UsageError, match="environment variable"):
        made(store, replace(spec, env={"A=B": "c"}))
    with pytest.raises(WorldError, match="cannot read"):
        build(store, replace(spec, copy={"gone.py": tmp_path / "gone.py"}), tag="latest", log=lambda _: None)
    assert store.tags() == []


def _skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
