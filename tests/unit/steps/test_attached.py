"""What a build attaches to an image, whoever built it."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from mlci.config import load
from mlci.errors import ConfigError
from mlci.evidence.receipt import Receipt
from mlci.steps.attached import attach, keep_out
from mlci.steps.protocol import Context
from mlci.store import CONFIG, INDEX, LAYER_TAR, MANIFEST, Descriptor, FolderStore, canonical, read_layers


def context(folder: Path) -> Context:
    (folder / "mlci.yaml").write_text("version: 1\nproject: flights\n")
    store = FolderStore(folder / "store")
    return Context(load(folder / "mlci.yaml"), store, folder, {}, print, threading.Event(), -1)


def image_with(store: FolderStore, name: str) -> Descriptor:
    """An image as an engine builds it: one layer with an installed distribution."""
    out, metadata = io.BytesIO(), f"Name: {name}\nVersion: 1\n".encode()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"usr/lib/python3/dist-packages/{name}-1.dist-info/METADATA")
        info.size = len(metadata)
        archive.addfile(info, io.BytesIO(metadata))
    layer, config = (
        Descriptor(f"{LAYER_TAR}+gzip", *store.put_blob(iter([out.getvalue()]))),
        store.put_blob(iter([b"{}"])),
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, *config).to_json(),
        "layers": [layer.to_json()],
    }
    return store.put_manifest(canonical(document), MANIFEST)


def libraries(store: FolderStore, image: Descriptor) -> list[str]:
    (listed,) = store.referrers(image.digest, "application/vnd.cyclonedx+json")
    (layer,) = read_layers(store.get_manifest(listed.digest))
    with store.open_blob(layer.digest) as stream:
        document: dict[str, Any] = json.loads(stream.read())
    return [part["name"] for part in document["components"] if part["type"] == "library"]


@pytest.mark.parametrize("platforms", [1, 2])
def test_an_image_or_an_index_of_another_builder_is_looked_into(tmp_path: Path, platforms: int) -> None:
    ctx = context(tmp_path)
    assert isinstance(ctx.store, FolderStore)
    images = [image_with(ctx.store, f"package{i}") for i in range(platforms)]
    image = images[0]
    if platforms > 1:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [one.to_json() for one in images]}
        image = ctx.store.put_manifest(canonical(index), INDEX)
    build = Receipt("build", "a" * 64, "pass", "", {"image": image.digest}, finished="2026-01-01T00:00:00Z")
    attach(ctx, image, build)
    assert libraries(ctx.store, image) == [f"package{i}" for i in range(platforms)]
    before = ctx.store.referrers(image.digest)
    attach(ctx, image, build)
    assert ctx.store.referrers(image.digest) == before


def test_the_key_is_kept_out_of_the_image_also_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("")
    (tmp_path / "link").symlink_to("k")
    (tmp_path / "mlci.yaml").write_text("version: 1\nproject: flights\nsigning: {key: k}\n")
    project = load(tmp_path / "mlci.yaml")
    keep_out(project, [tmp_path / "mlci.yaml"])
    with pytest.raises(ConfigError) as caught:
        keep_out(project, [tmp_path / "link"])
    assert caught.value.problems[0].line == 3
