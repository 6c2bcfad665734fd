"""An OCI image without a Docker daemon: one layer for requirements, one for code, and those of the model, on a base.

A new model leaves the layers of requirements and code as they are, and its own are those of its tree in the store: not
a byte of it is read. Nor is the base: its layers are listed, and brought to the image's place if they are not there.
The digest depends on the contents and the platforms alone, not on the time, the user, the folder or the machine (image
spec 1.1, config.md, manifest.md and image-index.md).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mlci.errors import Interrupted, UsageError
from mlci.image import zstd
from mlci.image.base import BASE_LAYERS, Base, Below, below
from mlci.image.layers import Entry, tar_chunks
from mlci.image.platforms import host_platform
from mlci.image.requirements import FOLDER, requirements_layer
from mlci.image.tree import TITLE, files_of, tree_layers
from mlci.image.unpack import ZSTD
from mlci.store import (
    CONFIG,
    INDEX,
    LAYER_TAR,
    MANIFEST,
    Descriptor,
    FolderStore,
    NotFound,
    Store,
    Tally,
    canonical,
    chunks_of,
    copy_blobs,
    digest_of,
    put_artifact,
    read_layers,
)
from mlci.store.index import children, parse_manifest

CODE = "app"
_EVERY_S = 5.0
_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class ImageSpec:
    """What goes into an image. `copy` maps paths in the project to files; `model` is the digest of a tree in the store.

    `python` (`3.11`) is what the requirements are installed for: left out, that of the base, and without one that of
    this process. Of several `platforms` (`linux/amd64`) the image is an index. With `compression` its own layers are
    compressed, and its digest is that of one version of the compressor.
    """

    base: Base | None = None
    requirements: Path | None = None
    copy: Mapping[str, Path] = field(default_factory=dict)
    model: str | None = None
    command: tuple[str, ...] = ()
    port: int = 8080
    ready: str = "/healthz"
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = field(default_factory=lambda: (host_platform(),))
    compression: Literal["none", "zstd"] = "none"


@dataclass(frozen=True)
class BuiltLayer:
    """One layer: its role (`base`, `requirements`, `code`, `model`), its digest and bytes, if the last image had it."""

    role: str
    name: str
    digest: str
    size: int
    reused: bool


@dataclass(frozen=True)
class Built:
    """An image: its manifest or index, its layers, and the bytes of layers and configs together."""

    descriptor: Descriptor
    layers: tuple[BuiltLayer, ...]
    size: int


@dataclass(frozen=True)
class _Layer:
    """A layer, and the digest of its plain tar."""

    role: str
    name: str
    descriptor: Descriptor
    diff_id: str


def build(
    store: Store,
    spec: ImageSpec,
    *,
    target: Store | None = None,
    tag: str | None = None,
    last: str | None = None,
    log: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Built:
    """Make the layers in `store`, and the image of them in `target` (left out: the same); equal specs, equal digests.

    What is new is told from the image that has the tag `last` (left out: `tag`).
    Raises UsageError for what an image cannot be made of, what `requirements_layer` raises, and WorldError when a file
    changes while it is read, or when the target has not what it was given.
    """
    target = target or store
    before = _before(target, last or tag)
    tally = Tally(_watch(log if target is not store else None, stop))
    shared = list(_shared(store, spec))
    found: dict[str, BuiltLayer] = {}
    entries, size = [], 0
    for platform in spec.platforms:
        under = below(spec.base, platform) if spec.base else Below()
        python = _python(spec, under)
        own = [*_requirements(store, spec, python, platform, log, stop), *shared]
        own = [_pressed(store, one) for one in own] if spec.compression == "zstd" else own
        of_base = (("base", _name(spec), layer) for layer in under.layers)
        for role, name, layer in (*of_base, *((one.role, one.name, one.descriptor) for one in own)):
            found[layer.digest] = BuiltLayer(role, name, layer.digest, layer.size, layer.digest in before)
        if spec.base:
            copy_blobs(spec.base.store, target, under.layers, tally=tally)
        copy_blobs(store, target, [one.descriptor for one in own], tally=tally)
        config = canonical(_config(store, spec, platform, python, under, own))
        manifest = _manifest(target, spec, config, under, own)
        size += len(config)
        entries.append({**target.put_manifest(manifest, MANIFEST).to_json(), "platform": _platform(platform)})
    for built in found.values():
        log(f"layer {built.name}: {built.size:,} bytes, {'as before' if built.reused else 'new'}")
    if target is not store and not isinstance(target, FolderStore):
        sent = f"{tally.sent} sent ({tally.sent_bytes:,} bytes)"
        log(f"layers: {sent}, {tally.mounted} mounted, {tally.there} there before")
    written = _tagged(target, spec, entries, tag)
    return Built(written, tuple(found.values()), size + sum(layer.size for layer in found.values()))


def _watch(log: Callable[[str], None] | None, stop: threading.Event | None) -> Callable[[Tally], None]:
    """What is called while layers are sent: a line now and then, and the end when it was asked for."""
    last = [time.monotonic()]

    def changed(tally: Tally) -> None:
        if stop is not None and stop.is_set():
            raise Interrupted("stopped while layers were sent")
        if log and time.monotonic() - last[0] >= _EVERY_S:
            last[0] = time.monotonic()
            log(f"{tally.done / 1e6:,.0f} of {tally.size / 1e6:,.0f} MB of layers are there")

    return changed


def _tagged(target: Store, spec: ImageSpec, entries: Sequence[dict[str, Any]], tag: str | None) -> Descriptor:
    """The image itself: the manifest of the one platform, or an index of all."""
    if len(entries) == 1 and tag is None:
        return Descriptor.from_json(entries[0])
    if len(entries) == 1:
        manifest = target.get_manifest(entries[0]["digest"])
        return target.put_manifest(manifest.raw, MANIFEST, tag=tag)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries), **_annotations(spec, Below())}
    return target.put_manifest(canonical(index), INDEX, tag=tag)


def _manifest(target: Store, spec: ImageSpec, config: bytes, under: Below, own: Sequence[_Layer]) -> bytes:
    digest, size = target.put_blob(iter([config]))
    layers = [
        *under.layers,
        *(Descriptor(one.descriptor.media_type, one.descriptor.digest, one.descriptor.size) for one in own),
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, digest, size).to_json(),
        "layers": [layer.to_json() for layer in layers],
        **_annotations(spec, under),
    }
    return canonical(manifest)


def _annotations(spec: ImageSpec, under: Below) -> dict[str, Any]:
    """The spec's, and what the image stands on (image spec 1.1, annotations.md)."""
    found = dict(spec.annotations)
    if spec.base:
        found["org.opencontainers.image.base.name"] = spec.base.reference
        found["org.opencontainers.image.base.digest"] = spec.base.digest
    if under.layers:
        found[BASE_LAYERS] = str(len(under.layers))
    return {"annotations": found} if found else {}


def _platform(name: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))


def _name(spec: ImageSpec) -> str:
    return spec.base.reference if spec.base else ""


def _python(spec: ImageSpec, under: Below) -> str:
    """The Python that the requirements are for."""
    if spec.python or under.python:
        return spec.python or under.python or ""
    if spec.base and spec.requirements:
        raise UsageError(
            f"it is not known which Python {spec.base.reference} has, and the requirements are installed for one",
            help="say so, such as `image.python: '3.12'`, or use a base that sets PYTHON_VERSION",
        )
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _before(store: Store, tag: str | None) -> set[str]:
    """The layers of the image that has the tag now."""
    try:
        manifest = store.get_manifest(tag) if tag else None
    except NotFound:
        return set()
    if manifest is None:
        return set()
    parts = [store.get_manifest(child.digest) for child in children(parse_manifest(manifest.raw))[0]] or [manifest]
    return {layer.digest for part in parts for layer in read_layers(part)}


def _pressed(store: Store, layer: _Layer) -> _Layer:
    """The layer compressed; once, and found again by the digest of what it is made of."""
    tag = "zstd-" + layer.diff_id.removeprefix("sha256:")
    try:
        known = read_layers(store.get_manifest(tag))[0]
        if store.has_blob(known.digest):
            return replace(layer, descriptor=known)
    except NotFound:
        pass  # the first time
    with store.open_blob(layer.diff_id) as stream:
        digest, size = store.put_blob(zstd.compressed(chunks_of(stream)))
    made = Descriptor(ZSTD, digest, size)
    put_artifact(store, ZSTD, [made], tag=tag)
    return replace(layer, descriptor=made)


def _requirements(
    store: Store,
    spec: ImageSpec,
    python: str,
    platform: str,
    log: Callable[[str], None],
    stop: threading.Event | None,
) -> Iterator[_Layer]:
    if spec.requirements:
        layer = requirements_layer(store, spec.requirements, python=python, platform=platform, log=log, stop=stop)
        yield _Layer("requirements", FOLDER, layer, layer.digest)


def _shared(store: Store, spec: ImageSpec) -> Iterator[_Layer]:
    """The layers that are the same on every platform, in their order."""
    if spec.copy:
        entries = _code(spec)
        digest, size = digest_of(tar_chunks(entries))
        if not store.has_blob(digest):
            store.put_blob(tar_chunks(entries), expected=digest)
        yield _Layer("code", CODE, Descriptor(LAYER_TAR, digest, size), digest)
    if spec.model:
        for layer in tree_layers(store, spec.model)[1]:
            yield _Layer("model", layer.annotations.get(TITLE, ""), layer, layer.digest)


def _code(spec: ImageSpec) -> list[Entry]:
    entries = []
    for name, path in spec.copy.items():
        if name.startswith("/") or ".." in name.split("/"):
            raise UsageError(
                f"{name} is outside the project and cannot go into the image",
                help="image.copy takes the project's files",
            )
        entries.append(Entry(f"{CODE}/{name}", path, files_of(path)[0].executable))
    return entries


def _config(
    store: Store, spec: ImageSpec, platform: str, python: str, under: Below, own: Sequence[_Layer]
) -> dict[str, Any]:
    """How it is run: as the base says, where the spec says nothing else. A check of the base's health is not ours."""
    inherited = {name: value for name, value in (under.config or {}).items() if name != "Healthcheck"}
    model = tree_layers(store, spec.model)[0] if spec.model else None
    labels = {"dev.mlci.python": python, "dev.mlci.ready": spec.ready}
    return {
        "created": _EPOCH,
        **_platform(platform),
        "config": {
            **inherited,
            "Cmd": list(spec.command) or inherited.get("Cmd") or [],
            "Env": [f"{name}={value}" for name, value in _env(spec, model, under).items()],
            "ExposedPorts": {**(inherited.get("ExposedPorts") or {}), f"{spec.port}/tcp": {}},
            "Labels": {**(inherited.get("Labels") or {}), **labels},
            "WorkingDir": f"/{CODE}" if spec.copy or not spec.base else inherited.get("WorkingDir") or "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [*under.diff_ids, *(one.diff_id for one in own)]},
        "history": [
            *under.history,
            *({"created": _EPOCH, "created_by": f"mlci: {one.role} {one.name}"} for one in own),
        ],
    }


def _env(spec: ImageSpec, model: str | None, under: Below) -> dict[str, str]:
    if bad := [name for name in spec.env if not name or "=" in name or "\0" in name + spec.env[name]]:
        raise UsageError(f"{bad[0]!r} cannot be an environment variable", help="correct image.serve.env")
    return {
        "PATH": _PATH,
        **under.env,
        **({"PYTHONPATH": f"/{CODE}:/{FOLDER}"} if spec.copy or spec.requirements or not spec.base else {}),
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"MLCI_MODEL": f"/{model}"} if model else {}),
        "PORT": str(spec.port),
        **dict(sorted(spec.env.items())),
    }
