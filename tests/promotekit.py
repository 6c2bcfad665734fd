"""A project that promotes an image that is there already: nothing is trained or built, so a test takes a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.store import CONFIG, INDEX, LAYER_TAR, MANIFEST, Descriptor, Store, canonical, put_artifact
from mlci.store.registry.store import DOCKER_LIST, DOCKER_MANIFEST
from tests.conftest import TinyProject

NOTE = "application/vnd.test.note.v1"
KINDS = {
    "OCI manifest": (MANIFEST, None),
    "OCI index": (MANIFEST, INDEX),
    "Docker schema 2": (DOCKER_MANIFEST, None),
    "Docker list": (DOCKER_MANIFEST, DOCKER_LIST),
}
_DOCKER = ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")


def image(
    store: Store, *, kind: str = "OCI manifest", layers: int = 2, tag: str = "latest", name: str = ""
) -> Descriptor:
    """An image of so many small layers, or an index of two platforms that have as many each."""
    single, several = KINDS[kind]
    if several is None:
        return _single(store, single, layers, name, tag)
    platforms = [_single(store, single, layers, f"{name} {one}") for one in ("amd64", "arm64")]
    entries = [
        {**one.to_json(), "platform": {"os": "linux", "architecture": architecture}}
        for one, architecture in zip(platforms, ("amd64", "arm64"), strict=True)
    ]
    raw = canonical({"schemaVersion": 2, "mediaType": several, "manifests": entries})
    return store.put_manifest(raw, several, tag=tag)


def _single(store: Store, kind: str, layers: int, name: str, tag: str | None = None) -> Descriptor:
    config_type, layer_type = (CONFIG, LAYER_TAR) if kind == MANIFEST else _DOCKER
    config = _blob(store, f'{{"architecture":"amd64","os":"linux","of":"{name}"}}'.encode(), config_type)
    parts = [_blob(store, f"{name} {number}".encode(), layer_type).to_json() for number in range(layers)]
    document = {"schemaVersion": 2, "mediaType": kind, "config": config.to_json(), "layers": parts}
    return store.put_manifest(canonical(document), kind, tag=tag)


def _blob(store: Store, raw: bytes, kind: str) -> Descriptor:
    digest, size = store.put_blob(iter([raw]))
    return Descriptor(kind, digest, size)


def say(store: Store, subject: Descriptor, *steps: str, verdict: str = "pass") -> None:
    """Receipts of steps on an image."""
    for step in steps:
        receipt = Receipt(step, "k", verdict, "", {"image": subject.digest}, finished="2026-01-01T00:00:00.000000Z")  # type: ignore[arg-type]
        results.attach(store, receipt, subject)


def note(store: Store, subject: Descriptor, text: str) -> Descriptor:
    """Something of another tool that refers to a manifest: a signature, an SBOM."""
    return put_artifact(store, NOTE, [_blob(store, text.encode(), NOTE)], subject=subject)


def project(folder: Path, repository: str | None, environments: Sequence[str]) -> TinyProject:
    """A project with these lines of YAML under `environments`, whose images are in that repository."""
    folder.mkdir()
    where = f"image: {{repository: {repository}}}" if repository else "image: {}"
    lines = "".join(f"  {line}\n" for line in environments)
    (folder / "mlci.yaml").write_text(f"version: 1\nproject: promoted\n{where}\nenvironments:\n{lines}")
    return TinyProject(folder)
