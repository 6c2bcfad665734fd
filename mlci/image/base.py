"""The image that others are built on: chosen for a platform, its layers listed and not read.

A base is an image of any store, by itself or in an index of several platforms (image spec 1.1, image-index.md). What
Docker calls its layers (schema 2) are the same bytes as OCI's, so only their types are translated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from mlci.errors import UsageError, WorldError
from mlci.store import Descriptor, Manifest, Store
from mlci.store.index import parse_manifest

BASE_LAYERS = "dev.mlci.base-layers"
"""The annotation that says how many of an image's layers are its base's: the first ones."""
_LARGEST_CONFIG = 4 << 20
_DOCKER = "application/vnd.docker.image.rootfs.diff.tar"
_TYPES = {
    _DOCKER: "application/vnd.oci.image.layer.v1.tar",
    f"{_DOCKER}.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    f"{_DOCKER}.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


@dataclass(frozen=True)
class Base:
    """An image to build on, as `reference` names it and `digest` pins it; `store` is where its layers are."""

    reference: str
    digest: str
    store: Store
    platforms: dict[str, str]
    """The digest of the manifest for each platform, such as `linux/amd64`."""


@dataclass(frozen=True)
class Below:
    """What a base is on one platform: its layers with their diff ids, its config and its history."""

    layers: tuple[Descriptor, ...] = ()
    diff_ids: tuple[str, ...] = ()
    config: dict[str, Any] | None = None
    history: tuple[dict[str, Any], ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables."""
        pairs = (entry.partition("=") for entry in (self.config or {}).get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def python(self) -> str | None:
        """Its Python as `3.12`, by the variable that the official images of Python set."""
        match = re.match(r"(\d+\.\d+)\.", self.env.get("PYTHON_VERSION", ""))
        return match[1] if match else None


def find_base(store: Store, reference: str, tag: str) -> Base:
    """The base behind a tag or digest of a store; `reference` is its name for people and for the image's annotations.

    Raises NotFound, and WorldError for what is no image.
    """
    manifest = store.get_manifest(tag)
    document = parse_manifest(manifest.raw, manifest.media_type)
    if "manifests" in document:
        found = {_platform(entry.get("platform") or {}): entry["digest"] for entry in document["manifests"]}
        platforms = {name: digest for name, digest in found.items() if name != "unknown/unknown"}
    else:
        platforms = {_platform(config_of(store, manifest)): manifest.digest}
    return Base(reference, manifest.digest, store, platforms)


def below(base: Base, platform: str) -> Below:
    """The base on a platform; raises UsageError where it is not made for it."""
    if platform not in base.platforms:
        known = ", ".join(sorted(base.platforms)) or "none"
        raise UsageError(f"the base image {base.reference} is not made for {platform}", help=f"it is for {known}")
    manifest = base.store.get_manifest(base.platforms[platform])
    config = config_of(base.store, manifest)
    layers = [Descriptor.from_json(layer) for layer in json.loads(manifest.raw).get("layers", ())]
    diff_ids = (config.get("rootfs") or {}).get("diff_ids") or []
    if len(layers) != len(diff_ids):
        raise WorldError(f"the base image {base.reference} has {len(layers)} layers but {len(diff_ids)} diff ids")
    history = config.get("history") or [{} for _ in diff_ids]
    translated = (Descriptor(_TYPES.get(one.media_type, one.media_type), one.digest, one.size) for one in layers)
    return Below(tuple(translated), tuple(diff_ids), config.get("config") or {}, tuple(history))


def for_platform(store: Store, digest: str, platform: str) -> Manifest:
    """The manifest of an image for a platform: itself, or the one that its index lists."""
    manifest = store.get_manifest(digest)
    if "manifests" not in parse_manifest(manifest.raw, manifest.media_type):
        return manifest
    found = find_base(store, digest, digest)
    if platform not in found.platforms:
        known = ", ".join(sorted(found.platforms))
        raise WorldError(f"the image {digest} is not made for {platform}", help=f"it is for {known}")
    return store.get_manifest(found.platforms[platform])


def layers_of_base(manifest: Manifest) -> int:
    """How many layers of an image that mlci built are its base's."""
    said = str((json.loads(manifest.raw).get("annotations") or {}).get(BASE_LAYERS, "0"))
    return int(said) if re.fullmatch(r"\d{1,4}", said) else 0


def config_of(store: Store, manifest: Manifest) -> dict[str, Any]:
    """The config of an image, of the types that it has to have (image spec 1.1, config.md); raises WorldError."""
    pointer = json.loads(manifest.raw).get("config") or {}
    with store.open_blob(str(pointer.get("digest"))) as stream:
        raw = stream.read(_LARGEST_CONFIG + 1)  # and no part of a larger one: that has no digest to hold it to
    config: Any = None
    try:
        config = json.loads(raw) if len(raw) <= _LARGEST_CONFIG else None
        right = isinstance(config, dict) and "rootfs" in config and _is_right(config)
    except (ValueError, AttributeError, RecursionError):
        right = False
    if not right:
        raise WorldError(f"{manifest.digest} is not an image: its config is none, or says nothing of layers")
    return dict(config)


def _is_right(config: dict[str, Any]) -> bool:
    run, root = config.get("config") or {}, config.get("rootfs") or {}
    texts = [config.get("os"), config.get("architecture"), config.get("variant"), run.get("WorkingDir")]
    for some in (root.get("diff_ids"), run.get("Env"), run.get("Cmd"), run.get("Entrypoint")):
        texts += _listed(some)
    maps = [run.get("Labels"), run.get("ExposedPorts"), *_listed(config.get("history"))]
    return all(isinstance(one, str | None) for one in texts) and all(isinstance(one, dict | None) for one in maps)


def _listed(some: Any) -> list[Any]:
    """A list that may be left out; anything else is one of what is wrong."""
    return some if isinstance(some, list) else [] if some is None else [0]


def _platform(given: Any) -> str:
    """`os/architecture`, and the variant where it is not the only one of its kind (`linux/arm64`, `linux/arm/v7`)."""
    given = given if isinstance(given, dict) else {}
    system, architecture = given.get("os", "unknown"), given.get("architecture", "unknown")
    variant = given.get("variant") if architecture == "arm" else None
    return "/".join(str(part) for part in (system, architecture, variant) if part)
