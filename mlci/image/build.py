"""An OCI image without a Docker daemon: one layer for requirements, one for code, one for each file of the model.

Only what changed is a new layer: a new model reuses requirements and code. The digest depends on the contents and
the platform alone: no time, no user, no place (OCI image spec, config and manifest).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.errors import UsageError
from mlci.image.layers import Entry, folder_entries, tar_chunks
from mlci.image.requirements import FOLDER, requirements_layer
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, Store

CODE, MODELS = "app", "models"
_EPOCH = "1970-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class ImageSpec:
    """What goes into an image. `copy` maps paths in the project to files; `model` is a file or a folder."""

    base: str = "scratch"
    requirements: Path | None = None
    copy: Mapping[str, Path] = field(default_factory=dict)
    model: Path | None = None
    command: tuple[str, ...] = ()
    port: int = 8080
    ready: str = "/healthz"
    env: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    architecture: str = field(default_factory=platform.machine)


@dataclass(frozen=True)
class BuiltLayer:
    """One layer: what it is for, its digest, its size in bytes, and whether the store had it already."""

    role: str
    name: str
    digest: str
    size: int
    reused: bool


@dataclass(frozen=True)
class Built:
    """An image: its manifest, its layers, and their bytes together."""

    descriptor: Descriptor
    layers: tuple[BuiltLayer, ...]
    size: int


def build(store: Store, spec: ImageSpec, *, tag: str | None = None, log: Callable[[str], None]) -> Built:
    """Write the image into the store; equal specs give equal digests."""
    if spec.base != "scratch":
        raise UsageError(f"the base image {spec.base!r} cannot be used yet", help="image.base: scratch")
    layers = []
    if spec.requirements:
        layer, reused = requirements_layer(store, spec.requirements, log=log)
        layers.append(BuiltLayer("requirements", FOLDER, layer.digest, layer.size, reused))
    code = [Entry(f"{CODE}/{_inside(name)}", path) for name, path in spec.copy.items()]
    if code:
        layers.append(_layer(store, "code", CODE, code))
    layers += [_layer(store, "model", entry.path, [entry]) for entry in sorted(_model(spec), key=lambda e: e.path)]
    config = _put_json(store, CONFIG, _config(spec, layers))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": [Descriptor(LAYER_TAR, layer.digest, layer.size).to_json() for layer in layers],
    }
    if spec.annotations:
        manifest["annotations"] = dict(sorted(spec.annotations.items()))
    written = store.put_manifest(json.dumps(manifest, separators=(",", ":")).encode(), MANIFEST, tag=tag)
    return Built(written, tuple(layers), sum(layer.size for layer in layers))


def _layer(store: Store, role: str, name: str, entries: list[Entry]) -> BuiltLayer:
    digest, size = store.put_blob(tar_chunks(entries))
    return BuiltLayer(role, name, digest, size, reused=False)


def _inside(name: str) -> str:
    if name.startswith(("/", "../")):
        raise UsageError(
            f"{name} is outside the project and cannot go into the image", help="image.copy takes files of the project"
        )
    return name


def _model(spec: ImageSpec) -> list[Entry]:
    if spec.model is None:
        return []
    if spec.model.is_file():
        return [Entry(f"{MODELS}/{spec.model.name}", spec.model)]
    return folder_entries(spec.model, MODELS)


def _config(spec: ImageSpec, layers: list[BuiltLayer]) -> dict[str, Any]:
    single = f"/{spec.model.name}" if spec.model and spec.model.is_file() else ""
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"/{CODE}:/{FOLDER}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLCI_MODEL": f"/{MODELS}{single}",
        "PORT": str(spec.port),
        **spec.env,
    }
    return {
        "created": _EPOCH,
        "architecture": _ARCHITECTURES.get(spec.architecture.lower(), spec.architecture.lower()),
        "os": "linux",
        "config": {
            "Cmd": list(spec.command),
            "Env": [f"{name}={value}" for name, value in env.items()],
            "ExposedPorts": {f"{spec.port}/tcp": {}},
            "Labels": {"dev.mlci.ready": spec.ready},
            "WorkingDir": f"/{CODE}",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": f"mlci: {layer.role} {layer.name}"} for layer in layers],
    }


def _put_json(store: Store, media_type: str, content: dict[str, Any]) -> Descriptor:
    digest, size = store.put_blob(iter([json.dumps(content, separators=(",", ":")).encode()]))
    return Descriptor(media_type, digest, size)
