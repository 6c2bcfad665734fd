"""A base image, pinned by mlci.lock, and builds that are held to what it records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.image import unpack
from mlci.store import FolderStore
from tests.conftest import TinyProject
from tests.unit.image.bases import base_of

BASE = "oci:../bases:slim"


@pytest.fixture
def bases(tiny: TinyProject) -> FolderStore:
    """A store beside the project, with an image to build on."""
    store = FolderStore(tiny.root.parent / "bases")
    put(store, "one")
    tiny.edit("mlci.yaml", "  requirements: requirements.lock\n", f"  base: {BASE}\n  platforms: [linux/amd64]\n")
    text = (tiny.root / "mlci.yaml").read_text()
    (tiny.root / "mlci.yaml").write_text(text[: text.index("gate:")] + text[text.index("image:") : text.index("envir")])
    return store


def put(store: FolderStore, content: str) -> str:
    manifest = store.get_manifest(base_of(store, "amd64", content).digest)
    store.put_manifest(manifest.raw, manifest.media_type, tag="slim")
    return manifest.digest


def lock(root: Path) -> dict:
    return json.loads((root / "mlci.lock").read_text())


def built(tiny: TinyProject) -> str:
    return FolderStore(tiny.root / ".mlci/store").resolve("latest") or ""


def test_the_base_is_pinned_by_the_first_build_and_moves_when_it_is_asked_to(tiny, bases) -> None:
    first = bases.resolve("slim")
    done = tiny.mlci("run", "build")
    assert done.code == 0, done.err
    assert lock(tiny.root) == {"version": 1, "base": {BASE: first}, "inputs": {}, "image": None}
    image = built(tiny)
    root = unpack(FolderStore(tiny.root / ".mlci/store"), image, tiny.root.parent / "image").root
    assert (root / "etc/amd64").is_file() and (root / "app/serve.py").is_file()

    second = put(bases, "two")
    assert tiny.statuses(tiny.mlci("run", "build", "--json"))["build"] == "reused"
    assert built(tiny) == image
    unlocked = tiny.mlci("build", "--check")
    assert (unlocked.code, unlocked.out) == (2, "") and "no image to check against" in unlocked.err

    assert tiny.mlci("lock").code == 0
    assert lock(tiny.root)["base"] == {BASE: second}
    assert lock(tiny.root)["image"] == built(tiny) != image
    assert lock(tiny.root)["inputs"]["base image"] == second


def test_a_build_that_gives_another_image_is_told_apart_by_its_inputs(tiny, bases) -> None:
    assert tiny.mlci("lock").code == 0
    assert tiny.mlci("build", "--check").code == 0
    (tiny.root / "serve.py").write_text((tiny.root / "serve.py").read_text() + "# more\n")
    done = tiny.mlci("build", "--check")
    assert done.code == 1
    assert "the image is sha256:" in done.out and "  serve.py: changed" in done.out
    assert "train.py" not in done.out


def test_a_lock_that_cannot_be_read_stops_the_build(tiny, bases) -> None:
    tag = json.dumps({"version": 1, "base": {BASE: "slim"}, "inputs": {}, "image": None})  # which pins nothing
    for text in ("{", '{"version": 2}', '{"version": 1, "base": {"a": 1}, "inputs": {}, "image": null}', "[]", tag):
        (tiny.root / "mlci.lock").write_text(text)
        done = tiny.mlci("build")
        assert done.code == 2, text
        assert "mlci.lock" in done.err and "mlci lock" in done.err


def test_a_base_that_is_not_there_says_so(tiny, bases) -> None:
    bases.untag("slim")
    done = tiny.mlci("build")
    assert done.code == 3
    assert "slim" in done.err


def test_the_model_is_an_artifact_of_its_own_where_that_is_asked_for(tiny, bases) -> None:
    tiny.edit("mlci.yaml", "  platforms: [linux/amd64]\n", "  platforms: [linux/amd64]\n  modelpack: true\n")
    done = tiny.mlci("build", "--json")
    assert done.code == 0, done.err
    store = FolderStore(tiny.root / ".mlci/store")
    facts = done.json["steps"][-1]["receipt"]["predicate"]["facts"]
    assert store.resolve("model") == facts["modelpack"]
    layers = {layer["digest"] for layer in json.loads(store.get_manifest("model").raw)["layers"]}
    assert layers == {layer["digest"] for layer in facts["layers"] if layer["role"] == "model"}
