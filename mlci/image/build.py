"""An OCI image without a Docker daemon: one layer for requirements, one for code, and those of the model.

A new model leaves the layers of requirements and code as they are, and its own are those of its tree in the store: not
a byte of it is read. The digest depends on the contents and the platform alone, not on the time, the user, the folder
or the machine (image spec 1.1, config.md and manifest.md).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.errors import UsageError
from mlci.image.layers import Entry, tar_chunks
from mlci.image.platforms import host_platform
from mlci.image.requirements import FOLDER, requirements_layer
from mlci.image.tree import TITLE, files_of, tree_layers
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, NotFound, Store, canonical, digest_of, read_layers

CODE = "app"
_EPOCH = "1970-01-01T00:00:00Z"


def _python() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True)
class ImageSpec:
    """What goes into an image. `copy` maps paths in the project to files; `model` is the digest of a tree in the store.

    `python` (`3.11`) and `platform` (`linux/amd64`) are what the requirements are installed for; both default to those
    of this process.
    """

    base: str = "scratch"
    requirements: Path | None = None
    copy: Mapping[str, Path] = field(default_factory=dict)
    model: str | None = None
    command: tuple[str, ...] = ()
    port: int = 8080
    ready: str = "/healthz"
    env: Mapping[str, str] = field(default_factory=dict)
    python: str = field(default_factory=_python)
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = field(default_factory=host_platform)


@dataclass(frozen=True)
class BuiltLayer:
    """One layer: its role (`requirements`, `code`, `model`), its digest and bytes, whether the image before had it."""

    role: str
    name: str
    digest: str
    size: int
    reused: bool


@dataclass(frozen=True)
class Built:
    """An image: its manifest, its layers, and the bytes of layers and config together."""

    descriptor: Descriptor
    layers: tuple[BuiltLayer, ...]
    size: int


def build(
    store: Store,
    spec: ImageSpec,
    *,
    tag: str | None = None,
    log: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Built:
    """Write the image into the store; equal specs give equal digests.

    Raises UsageError for what an image cannot be made of, what `requirements_layer` raises, and WorldError when a file
    changes while it is read.
    """
    if spec.base != "scratch":
        raise UsageError(f"the base image {spec.base!r} cannot be used yet, only scratch", help="image.base: scratch")
    before = _before(store, tag)
    layers = [
        BuiltLayer(role, name, layer.digest, layer.size, layer.digest in before)
        for role, name, layer in _layers(store, spec, log, stop)
    ]
    for built in layers:
        log(f"layer {built.name}: {built.size:,} bytes, {'as before' if built.reused else 'new'}")
    where = tree_layers(store, spec.model)[0] if spec.model else None
    raw = canonical(_config(spec, where, layers))
    digest, size = store.put_blob(iter([raw]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, digest, size).to_json(),
        "layers": [Descriptor(LAYER_TAR, layer.digest, layer.size).to_json() for layer in layers],
        **({"annotations": dict(spec.annotations)} if spec.annotations else {}),
    }
    written = store.put_manifest(canonical(manifest), MANIFEST, tag=tag)
    return Built(written, tuple(layers), size + sum(layer.size for layer in layers))


def _before(store: Store, tag: str | None) -> set[str]:
    """The layers of the image that has the tag now."""
    try:
        return {layer.digest for layer in read_layers(store.get_manifest(tag))} if tag else set()
    except NotFound:
        return set()


def _layers(
    store: Store, spec: ImageSpec, log: Callable[[str], None], stop: threading.Event | None
) -> Iterator[tuple[str, str, Descriptor]]:
    """Each layer with its role and its name, in their order."""
    if spec.requirements:
        layer = requirements_layer(
            store, spec.requirements, python=spec.python, platform=spec.platform, log=log, stop=stop
        )
        yield "requirements", FOLDER, layer
    if spec.copy:
        entries = _code(spec)
        digest, size = digest_of(tar_chunks(entries))
        if not store.has_blob(digest):
            store.put_blob(tar_chunks(entries), expected=digest)
        yield "code", CODE, Descriptor(LAYER_TAR, digest, size)
    if spec.model:
        for layer in tree_layers(store, spec.model)[1]:
            yield "model", layer.annotations.get(TITLE, ""), layer


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


def _config(spec: ImageSpec, model: str | None, layers: Sequence[BuiltLayer]) -> dict[str, Any]:
    system, _, architecture = spec.platform.partition("/")
    return {
        "created": _EPOCH,
        "architecture": architecture,
        "os": system,
        "config": {
            "Cmd": list(spec.command),
            "Env": [f"{name}={value}" for name, value in _env(spec, model).items()],
            "ExposedPorts": {f"{spec.port}/tcp": {}},
            "Labels": {"dev.mlci.python": spec.python, "dev.mlci.ready": spec.ready},
            "WorkingDir": f"/{CODE}",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": f"mlci: {layer.role} {layer.name}"} for layer in layers],
    }


def _env(spec: ImageSpec, model: str | None) -> dict[str, str]:
    if bad := [name for name in spec.env if not name or "=" in name or "\0" in name + spec.env[name]]:
        raise UsageError(f"{bad[0]!r} cannot be an environment variable", help="correct image.serve.env")
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"/{CODE}:/{FOLDER}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"MLCI_MODEL": f"/{model}"} if model else {}),
        "PORT": str(spec.port),
        **dict(sorted(spec.env.items())),
    }
