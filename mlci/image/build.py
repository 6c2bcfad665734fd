"""An OCI image without a Docker daemon: one layer for requirements, one for code, one for each file of the model.

A new model leaves the layers of requirements and code as they are. The digest depends on the contents and the platform
alone, not on the time, the user, the folder or the machine (image spec 1.1, config.md and manifest.md).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.errors import UsageError
from mlci.image.layers import Entry, tar_chunks
from mlci.image.platforms import host_platform
from mlci.image.requirements import FOLDER, requirements_layer
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, Store, canonical, digest_of, files_of

CODE, MODELS = "app", "models"
MOST_MODEL_LAYERS = 100
"""Container engines mount 127 layers at most; the smaller files of a larger model share one."""
_EPOCH = "1970-01-01T00:00:00Z"


def _python() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True)
class ImageSpec:
    """What goes into an image. `copy` maps paths in the project to files; `model` is a file or a folder.

    `python` (`3.11`) and `platform` (`linux/amd64`) are what the requirements are installed for; both default to those
    of this process.
    """

    base: str = "scratch"
    requirements: Path | None = None
    copy: Mapping[str, Path] = field(default_factory=dict)
    model: Path | None = None
    command: tuple[str, ...] = ()
    port: int = 8080
    ready: str = "/healthz"
    env: Mapping[str, str] = field(default_factory=dict)
    python: str = field(default_factory=_python)
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = field(default_factory=host_platform)


@dataclass(frozen=True)
class BuiltLayer:
    """One layer: its role (`requirements`, `code`, `model`), its digest and bytes, whether it was there already."""

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
    layers = []
    if spec.requirements:
        layer, reused = requirements_layer(
            store, spec.requirements, python=spec.python, platform=spec.platform, log=log, stop=stop
        )
        layers.append(BuiltLayer("requirements", FOLDER, layer.digest, layer.size, reused))
    if spec.copy:
        layers.append(_layer(store, "code", CODE, _code(spec)))
    layers += [_layer(store, "model", name, entries) for name, entries in _models(spec)]
    for built in layers:
        log(f"layer {built.name}: {built.size:,} bytes, {'already there' if built.reused else 'written'}")
    raw = canonical(_config(spec, layers))
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


def _layer(store: Store, role: str, name: str, entries: Sequence[Entry]) -> BuiltLayer:
    """Hash first, write only what is missing: hashing a layer takes a third of the time of writing it."""
    digest, size = digest_of(tar_chunks(entries))
    reused = store.has_blob(digest)
    if not reused:
        store.put_blob(tar_chunks(entries), expected=digest)
    return BuiltLayer(role, name, digest, size, reused)


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


def _models(spec: ImageSpec) -> list[tuple[str, list[Entry]]]:
    """A layer a file, sorted by path; beyond the bound, the smallest files in one layer, the last."""
    if spec.model is None:
        return []
    files = files_of(spec.model)
    largest = sorted(files, key=lambda file: -file.source.stat().st_size)[:MOST_MODEL_LAYERS]
    entries = {file.path: Entry(f"{MODELS}/{file.path}", file.source, file.executable) for file in files}
    own = [entries.pop(path) for path in sorted(file.path for file in largest)]
    layers = [(entry.path, [entry]) for entry in own]
    return [*layers, (f"{MODELS}: {len(entries)} smaller files", list(entries.values()))] if entries else layers


def _config(spec: ImageSpec, layers: Sequence[BuiltLayer]) -> dict[str, Any]:
    system, _, architecture = spec.platform.partition("/")
    return {
        "created": _EPOCH,
        "architecture": architecture,
        "os": system,
        "config": {
            "Cmd": list(spec.command),
            "Env": [f"{name}={value}" for name, value in _env(spec).items()],
            "ExposedPorts": {f"{spec.port}/tcp": {}},
            "Labels": {"dev.mlci.python": spec.python, "dev.mlci.ready": spec.ready},
            "WorkingDir": f"/{CODE}",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": f"mlci: {layer.role} {layer.name}"} for layer in layers],
    }


def _env(spec: ImageSpec) -> dict[str, str]:
    if bad := [name for name in spec.env if not name or "=" in name or "\0" in name + spec.env[name]]:
        raise UsageError(f"{bad[0]!r} cannot be an environment variable", help="correct image.serve.env")
    model = {}
    if spec.model is not None:
        model = {"MLCI_MODEL": f"/{MODELS}" if spec.model.is_dir() else f"/{MODELS}/{spec.model.name}"}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"/{CODE}:/{FOLDER}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **model,
        "PORT": str(spec.port),
        **dict(sorted(spec.env.items())),
    }
