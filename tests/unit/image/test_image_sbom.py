"""The SBOM is a valid CycloneDX document of what is in the layers, and its bytes depend on nothing else."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from mlci.image import ImageSpec, build, put_tree
from mlci.image.sbom import Contents, sbom
from mlci.store import CorruptBlob, FolderStore, read_layers

LOCK = """\
six==1.17.0
tabulate==0.9.0 \\
    --hash=sha256:024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f \\
    --hash=sha256:0095b12bf5966de529c0feb1fa08671671b3368eec77d7ef7ab114be2c068b3c
"""


def valid(raw: bytes) -> dict[str, Any]:
    """The document, once the official schema takes it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(raw.decode()) is None
    document: dict[str, Any] = json.loads(raw)
    return document


def parts(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in document["components"] if part["type"] == kind}


def wheel_files(**metadata: str) -> dict[str, bytes]:
    return {f"deps/{name}-1.dist-info/METADATA": text.encode() for name, text in metadata.items()}


def layer_of(store: FolderStore, files: dict[str, bytes], compress: bool = False) -> dict[str, Any]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    raw = gzip.compress(out.getvalue()) if compress else out.getvalue()
    digest, _ = store.put_blob(iter([raw]))
    return {"role": "requirements", "name": "deps", "digest": digest}


def document_of(store: FolderStore, *layers: dict[str, Any], lock: str = "") -> dict[str, Any]:
    return valid(sbom(store, Contents("flights", "sha256:" + "1" * 64, layers), lock))


def test_installed_distributions_with_purl_licence_and_the_hashes_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text(LOCK)
    store = FolderStore(tmp_path / "store")
    built = build(store, ImageSpec(requirements=tmp_path / "requirements.lock"), log=lambda _: None)
    contents = Contents("flights", built.descriptor.digest, [vars(layer) for layer in built.layers])
    raw = sbom(store, contents, LOCK)
    document = valid(raw)
    assert raw == sbom(store, contents, LOCK)
    found = parts(document, "library")
    assert {name: part["purl"] for name, part in found.items()} == {
        "six": "pkg:pypi/six@1.17.0",
        "tabulate": "pkg:pypi/tabulate@0.9.0",
    }
    assert found["six"]["licenses"] == [{"license": {"name": "MIT License", "acknowledgement": "declared"}}]
    (reference,) = found["tabulate"]["externalReferences"]
    assert [known["content"][:6] for known in reference["hashes"]] == ["0095b1", "024ca4"]
    assert "externalReferences" not in found["six"]
    assert document["metadata"]["component"]["purl"] == f"pkg:oci/flights@sha256%3A{built.descriptor.digest[7:]}"
    assert "timestamp" not in document["metadata"]


def test_the_serial_number_is_that_of_the_content(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    one = document_of(store, layer_of(store, wheel_files(a="Name: a\nVersion: 1\n")))
    two = document_of(store, layer_of(store, wheel_files(a="Name: a\nVersion: 2\n")))
    assert one["serialNumber"] != two["serialNumber"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0", {"expression": "MIT OR Apache-2.0"}),
        ("License: BSD-3-Clause", {"license": {"name": "BSD-3-Clause"}}),
        ("License: Copyright 2026\n  the whole text", None),
        ("Summary: none", None),
    ],
)
def test_a_licence_is_what_the_distribution_says(tmp_path: Path, said: str, expected: Any) -> None:
    store = FolderStore(tmp_path)
    document = document_of(store, layer_of(store, wheel_files(a=f"Name: a\nVersion: 1+cu118\n{said}\n\nName: b\n")))
    component = parts(document, "library")["a"]
    assert component["purl"] == "pkg:pypi/a@1%2Bcu118"
    found = component.get("licenses")
    if expected is None:
        assert found is None
    else:
        (expected.get("license") or expected)["acknowledgement"] = "declared"
        assert found == [expected]


def test_layers_of_other_builders_are_read_too_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    zipped = layer_of(store, wheel_files(a="Name: a\nVersion: 1\n", broken="Summary: nothing else\n"), compress=True)
    with store.open_blob(zipped["digest"]) as stream:
        raw = stream.read()
    strange = [b"no tar at all" * 100, raw[:-30], raw[:60] + b"~" * 20 + raw[80:], b""]
    digests = ["sha256:" + "9" * 64, *(store.put_blob(iter([content]))[0] for content in strange)]
    others = [{"role": "base", "name": f"x{i}", "digest": digest} for i, digest in enumerate(digests)]
    document = document_of(store, zipped, *others)
    assert list(parts(document, "library")) == ["a"]
    mark = {"name": "dev.mlci.unread", "value": "true"}
    assert {n for n, part in parts(document, "file").items() if mark in part["properties"]} == {
        f"layer x{i}" for i in range(5)
    }


def test_large_files_are_passed_by(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    files = {"deps/a.so": bytes(5 << 20), **wheel_files(a="Name: a\nVersion: 1\n"), "deps/b.so": bytes(5 << 20)}
    for compress in (False, True):
        assert list(parts(document_of(store, layer_of(store, files, compress)), "library")) == ["a"]


def test_a_header_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, 64 << 20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    for raw in (out.getvalue(), gzip.compress(out.getvalue(), 1)):
        layer = {"role": "base", "name": "x", "digest": store.put_blob(iter([raw]))[0]}
        tracemalloc.start()
        document = document_of(store, layer)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert {"name": "dev.mlci.unread", "value": "true"} in parts(document, "file")["layer x"]["properties"]
        assert most < 32 << 20


def test_a_corrupt_layer_is_not_believed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    layer = layer_of(store, {**wheel_files(a="Name: a\nVersion: 1\n"), "deps/end": b"x" * 20_000})
    path = tmp_path / "blobs" / "sha256" / layer["digest"][7:]
    path.chmod(0o644)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1  # after the last file, where no reader of archives looks
    path.write_bytes(raw)
    with pytest.raises(CorruptBlob):
        document_of(store, layer)


@pytest.mark.parametrize("files", [1, 2])
def test_the_model_is_told_by_the_digest_of_its_files(tmp_path: Path, files: int) -> None:
    store = FolderStore(tmp_path / "store")
    folder = tmp_path / "model"
    folder.mkdir()
    for i in range(files):
        (folder / f"{i}.bin").write_bytes(b"%d" % i)
    model = put_tree(store, folder)
    layers = read_layers(store.get_manifest(model.digest))
    names = {layer.annotations["org.opencontainers.image.title"]: layer.digest for layer in layers}
    contents = Contents("flights", "sha256:" + "1" * 64, [], model.digest, names)
    (part,) = parts(valid(sbom(store, contents)), "machine-learning-model").values()
    assert part["version"] == model.digest
    told = part["hashes"] if files == 1 else [hashed for inner in part["components"] for hashed in inner["hashes"]]
    assert [f"sha256:{hashed['content']}" for hashed in told] == list(names.values())
