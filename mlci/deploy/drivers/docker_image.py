"""An image of a store in a Docker engine, proven to be the one that its digest names.

An engine names an image by the digest of its config, or, with containerd's store, of its manifest. Both were read from
our store and checked there, and the config lists the digest of every layer as it is unpacked, which the engine computes
when it takes the layer in. So an image of that name with those layers is the promoted one, wherever it came from: it
was there, the engine pulled it from the registry, or it is sent, as the archive of `docker load` with the index of OCI.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from mlci.deploy.drivers.docker_engine import Engine
from mlci.errors import UsageError, WorldError
from mlci.store import Descriptor, Manifest, Store, canonical, locate, read_layers
from mlci.store.index import parse_manifest

_MOST_CONFIG = 8 << 20


@dataclass(frozen=True)
class Wanted:
    """An image for the engine's platform: its manifest, its config, and the digests of its layers unpacked."""

    store: Store
    manifest: Manifest
    config: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]


def bring(api: Engine, source: str) -> str:
    """The id of the image in the engine; it is put there if it is not. `source` is a store's name with a digest.

    Raises WorldError when the engine cannot take it or does not have it afterwards, CorruptBlob, NotFound.
    """
    place = locate(source)
    if place.reference is None:
        raise UsageError(f"{source} names no image by digest")
    wanted = _wanted(api, place.store, place.reference)
    found = _there(api, wanted)
    if found is None and not source.startswith("oci:"):
        with suppress(api.Gone, api.Refused):  # it may have no way or no login there, where mlci has one
            _pull(api, source)
        found = _there(api, wanted)
    if found is None:
        _load(api, wanted)
        found = _there(api, wanted)
    if found is None:
        raise WorldError(f"the Docker engine took the image {wanted.manifest.digest}, but does not have it")
    return found


def _wanted(api: Engine, store: Store, digest: str) -> Wanted:
    manifest = store.get_manifest(digest)
    document = parse_manifest(manifest.raw, manifest.media_type)
    if "manifests" in document:
        here = api.version()
        platform = {"os": here["Os"], "architecture": here["Arch"]}
        fitting = [one for one in document["manifests"] if platform.items() <= (one.get("platform") or {}).items()]
        if not fitting:
            name = "/".join(platform.values())
            raise WorldError(f"the image {digest} is not made for {name}, as the Docker engine is")
        manifest = store.get_manifest(fitting[0]["digest"])
        document = parse_manifest(manifest.raw, manifest.media_type)
    config = Descriptor.from_json(document["config"])
    with store.open_blob(config.digest) as stream:
        raw = stream.read(_MOST_CONFIG + 1)
    try:
        diff_ids = tuple(json.loads(raw)["rootfs"]["diff_ids"])
    except (ValueError, KeyError, TypeError) as error:
        raise WorldError(f"{digest} is not an image: its config says nothing of layers") from error
    layers = tuple(read_layers(manifest))
    if len(layers) != len(diff_ids):
        raise WorldError(f"the image {digest} has {len(layers)} layers but {len(diff_ids)} diff ids")
    return Wanted(store, manifest, config, layers, diff_ids)


def _there(api: Engine, wanted: Wanted) -> str | None:
    """The image's id in the engine, when it is the one; raises WorldError when the engine has another by its name."""
    for name in (wanted.config.digest, wanted.manifest.digest):
        try:
            found: dict[str, Any] = api.inspect_image(name)
        except api.Gone:
            continue
        layers = (found.get("RootFS") or {}).get("Layers") or []
        if found["Id"] != name or tuple(layers) != wanted.diff_ids:
            raise WorldError(
                f"the Docker engine has another image by the digest {name}", help=f"remove it: docker rmi {name}"
            )
        return name
    return None


def _pull(api: Engine, source: str) -> None:
    repository, _, digest = source.partition("@")
    _heard(api, api.pull(repository, tag=digest, stream=True, decode=True))


def _load(api: Engine, wanted: Wanted) -> None:
    """Send what the engine does not have of it; all of it, should it take no parts."""
    if known := _known(api, wanted.diff_ids):
        with suppress(api.Gone, api.Refused):
            return _heard(api, api.load_image(_archive(wanted, known)))
    try:
        _heard(api, api.load_image(_archive(wanted)))
    except api.Refused as refused:
        what = f"the Docker engine cannot take the image {wanted.manifest.digest}: {refused}"
        raise WorldError(
            what, help="an old engine cannot read layers of zstd: build with image.compression: none"
        ) from refused


def _known(api: Engine, diff_ids: tuple[str, ...]) -> int:
    """How many of the first layers some image of the engine has; with containerd's store, none that can be left out."""
    if any("snapshotter" in str(line) for line in api.info().get("DriverStatus") or ()):
        return 0
    most = 0
    for image in api.images():
        with suppress(api.Gone):
            layers = api.inspect_image(image["Id"])["RootFS"].get("Layers") or []
            most = max(most, len(list(takewhile(lambda pair: pair[0] == pair[1], zip(layers, diff_ids, strict=False)))))
    return most


def _heard(api: Engine, said: Iterator[dict[str, Any]]) -> None:
    for line in said:
        if "error" in line:
            raise api.Refused(line["error"])


def _archive(wanted: Wanted, known: int = 0) -> Iterator[bytes]:
    """An OCI layout (image-layout.md) that is an archive of `docker save` too; its blobs are checked as they pass.

    Without the first `known` layers: an engine looks for a layer among its own, by what it stands on, before here.
    """
    manifest = wanted.manifest
    names = [_blob(layer.digest) for layer in wanted.layers]
    saved = {"Config": _blob(wanted.config.digest), "RepoTags": None, "Layers": names}
    index = {"schemaVersion": 2, "manifests": [manifest.descriptor.to_json()]}
    yield from _file("oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
    yield from _file("index.json", canonical(index))
    yield from _file("manifest.json", b"[" + canonical(saved) + b"]")
    yield from _file(_blob(manifest.digest), manifest.raw)
    for blob in {blob.digest: blob for blob in (wanted.config, *wanted.layers[known:])}.values():
        yield _head(_blob(blob.digest), blob.size)
        with wanted.store.open_blob(blob.digest) as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
        yield bytes(-blob.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _head(name, len(content))
    yield content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)
