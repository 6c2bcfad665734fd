"""A model as a ModelPack artifact: the same layers under another manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.errors import WorldError
from mlci.image import modelpack, put_tree
from mlci.store import FolderStore, put_artifact, read_layers

GOLDEN = "sha256:277a2b41d4334ea0b0b87a7f89a27765ea3e794489090dca9dabb9b4badd6dc7"
FILES = {"weights.safetensors": b"w" * 999, "tokenizer.json": b"{}", "README.md": b"# it", "LICENSE": b"Apache-2.0"}


def model(folder: Path) -> Path:
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_it_lists_the_layers_that_images_have_each_by_what_it_is(tmp_path: Path) -> None:
    store, target = FolderStore(tmp_path / "store"), FolderStore(tmp_path / "target")
    tree = put_tree(store, model(tmp_path / "model"))
    written = modelpack(store, tree.digest, target, name="flights", tag="model")
    manifest = json.loads(target.get_manifest("model").raw)
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    kinds = {
        layer["annotations"]["org.cncf.model.filepath"]: layer["mediaType"].removeprefix("application/vnd.cncf.model.")
        for layer in manifest["layers"]
    }
    assert kinds == {
        "models/LICENSE": "doc.v1.tar",
        "models/README.md": "doc.v1.tar",
        "models/tokenizer.json": "weight.config.v1.tar",
        "models/weights.safetensors": "weight.v1.tar",
    }
    layers = [layer.digest for layer in read_layers(store.get_manifest(tree.digest))]
    assert [layer["digest"] for layer in manifest["layers"]] == layers
    with target.open_blob(manifest["config"]["digest"]) as stream:
        config = json.loads(stream.read())
    assert config == {
        "descriptor": {"name": "flights", "version": tree.digest},
        "config": {"format": "safetensors"},
        "modelfs": {"type": "layers", "diff_ids": layers},
    }
    assert target.verify() == []
    assert written.digest == GOLDEN
    assert modelpack(store, tree.digest, target, name="flights", tag="model") == written


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    other = put_artifact(store, "application/vnd.example", [])
    with pytest.raises(WorldError, match="is not a file or folder"):
        modelpack(store, other.digest, store, name="x")
