"""What is in an image, as a CycloneDX 1.6 document: installed Python distributions, the model, the layers.

https://cyclonedx.org/docs/1.6/json. It is read from the layers of the image itself, not from what was asked to be
installed. CycloneDX, because it has a word for a model, and because trivy, grype and Dependency-Track read it as well
as SPDX. The bytes depend on the image, the lock and the version of mlci alone: there is no time in it, and the serial
number comes from the content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import quote

from mlci.image import zstd
from mlci.image.extract import UnsafeLayer
from mlci.image.unpack import MOST_BYTES, ZSTD, entries
from mlci.store import LAYER_TAR, Descriptor, NotFound, Store, canonical, sha256

MEDIA_TYPE = "application/vnd.cyclonedx+json"
PREDICATE_TYPE = "https://cyclonedx.org/bom"
MOST_METADATA = 1 << 20
"""Bytes of a METADATA file that are looked at; what describes the project comes after the facts."""
_HASH = re.compile(r"--hash[=\s]sha256:([0-9a-f]{64})")
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class Contents:
    """What the image is made of, by its receipt: its digest and name, its layers, the files of the model by digest."""

    name: str
    digest: str
    layers: Sequence[Mapping[str, Any]]
    model: str | None = None
    files: Mapping[str, str] | None = None


def sbom(store: Store, contents: Contents, lock: str = "") -> bytes:
    """The document. `lock` is the requirements file, for the hashes that it pins. Raises CorruptBlob."""
    import uuid
    from importlib.metadata import version

    found: dict[str, dict[str, Any]] = {}
    unread, pinned = set(), _pinned(lock)
    for layer in contents.layers:
        if layer["role"] in ("code", "model"):
            continue
        installed = _metadata(store, layer["digest"])
        if installed is None:
            unread.add(layer["digest"])
        components = [_distribution(metadata, pinned) for metadata in installed or ()]
        found.update((component["bom-ref"], component) for component in components)
    parts = [*(found[ref] for ref in sorted(found)), *_layers(contents, unread), *_model(contents)]
    root = f"pkg:oci/{quote(contents.name, safe='')}@{quote(contents.digest, safe='')}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": root,
                "name": contents.name,
                "version": contents.digest,
                "purl": root,
            },
            "tools": {"components": [{"type": "application", "name": "mlci", "version": version("mlci")}]},
        },
        "components": parts,
        "dependencies": [{"ref": root, "dependsOn": sorted(part["bom-ref"] for part in parts)}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, sha256(canonical(document)))
    return canonical({**document, "serialNumber": f"urn:uuid:{serial}"})


def _metadata(store: Store, digest: str) -> list[Any] | None:
    """The METADATA of each distribution in a layer, in one pass over all of it; None when it is not a tar we read."""
    from email.parser import HeaderParser

    found = []
    try:
        kind = _kind(store, digest)
        if kind == ZSTD and not zstd.errors():
            return None
        with entries(store, Descriptor(kind, digest, 0), MOST_BYTES) as (inside, _):
            for member, archive in inside:
                path = PurePosixPath(member.name)
                if member.isreg() and path.name == "METADATA" and path.parent.suffix == ".dist-info":
                    content: IO[bytes] | None = archive.extractfile(member)
                    assert content is not None
                    text = content.read(MOST_METADATA).decode("utf-8", "replace")
                    found.append(HeaderParser().parsestr(text))
    except (UnsafeLayer, NotFound):
        return None
    return [metadata for metadata in found if metadata["Name"] and metadata["Version"]]


def _kind(store: Store, digest: str) -> str:
    """The type of a layer by its first bytes, for a receipt names none (RFC 1952, RFC 8878)."""
    with store.open_blob(digest) as stream:
        first = stream.read(4)
    return ZSTD if first == b"\x28\xb5\x2f\xfd" else f"{LAYER_TAR}+gzip" if first[:2] == b"\x1f\x8b" else LAYER_TAR


def _distribution(metadata: Any, pinned: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    name, release = str(metadata["Name"]), str(metadata["Version"])
    purl = f"pkg:pypi/{_normal(name)}@{quote(release, safe='.-_~!')}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": release,
        "purl": purl,
    }
    if metadata["Summary"]:
        component["description"] = str(metadata["Summary"])
    licenses = _licenses(metadata)
    if licenses:
        component["licenses"] = licenses
    hashes = pinned.get(_normal(name), ())
    if hashes:  # of the files that may have been installed, so of the distribution and not of the component
        component["externalReferences"] = [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{_normal(name)}/{quote(release)}/",
                "comment": "the files that the lock allows",
                "hashes": [{"alg": "SHA-256", "content": value} for value in hashes],
            }
        ]
    return component


def _licenses(metadata: Any) -> list[dict[str, Any]]:
    """What the distribution says of itself: an SPDX expression (PEP 639), or else its own words."""
    expression = metadata["License-Expression"]
    if expression:
        return [{"expression": str(expression), "acknowledgement": "declared"}]
    named = [str(c).rpartition(" :: ")[2] for c in metadata.get_all("Classifier", ()) if c.startswith("License :: ")]
    text = str(metadata["License"] or "").strip()
    if not named and text and "\n" not in text and len(text) <= 100:
        named = [text]
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in sorted(set(named))]


def _layers(contents: Contents, unread: Set[str]) -> Iterator[dict[str, Any]]:
    """Layers as files with their digests; those of the model are told as the model.

    `dev.mlci.unread` says that nobody looked into a layer: it is not in the store, or is compressed in another way.
    """
    layers = {layer["digest"]: layer for layer in contents.layers if layer["role"] != "model"}
    for digest, layer in layers.items():
        properties = {"dev.mlci.role": layer["role"], **({"dev.mlci.unread": "true"} if digest in unread else {})}
        yield {
            "type": "file",
            "bom-ref": f"layer:{digest}",
            "name": f"layer {layer['name']}",
            "hashes": [_sha256(digest)],
            "properties": [{"name": name, "value": value} for name, value in properties.items()],
        }


def _model(contents: Contents) -> Iterator[dict[str, Any]]:
    if contents.model is None:
        return
    files = sorted((contents.files or {}).items())
    component: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{contents.model}",
        "name": f"{contents.name} model",
        "version": contents.model,
        "properties": [{"name": "dev.mlci.model", "value": contents.model}, _HASHED],
    }
    if len(files) == 1:
        component["hashes"] = [_sha256(files[0][1])]
    else:
        component["components"] = [
            {"type": "file", "bom-ref": f"model:{contents.model}/{path}", "name": path, "hashes": [_sha256(digest)]}
            for path, digest in files
        ]
    yield component


_HASHED = {"name": "dev.mlci.hashed", "value": "each file as its layer, a plain tar"}


def _pinned(lock: str) -> dict[str, list[str]]:
    """The hashes that a lock allows for each distribution, sorted."""
    found: dict[str, list[str]] = {}
    for line in lock.replace("\\\n", " ").splitlines():
        name = _NAME.match(line.strip())
        if name:
            found.setdefault(_normal(name[1]), []).extend(_HASH.findall(line))
    return {name: sorted(set(hashes)) for name, hashes in found.items()}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
