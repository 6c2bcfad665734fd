"""A model as an artifact of its own, as CNCF's ModelPack describes it: the same blobs under another manifest.

https://github.com/modelpack/model-spec/blob/main/docs/spec.md. KServe, container runtimes (Kubernetes image volumes)
and ModelPack's tools read it; its digest depends on the model alone.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from mlci.image.tree import TITLE, tree_layers
from mlci.store import MANIFEST, Descriptor, Store, canonical, copy_blobs

ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
FILEPATH = "org.cncf.model.filepath"
_SETTINGS = {".json", ".yaml", ".yml", ".toml", ".txt", ".model", ".jinja"}
_DOCS = {".md", ".rst"}
_DOC_NAMES = {"LICENSE", "LICENCE", "NOTICE", "README"}
_FORMATS = {".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx", ".pt": "pt", ".pth": "pt"}
_SMALL = 64 << 20
"""Larger files are weights, whatever their name."""


def modelpack(store: Store, tree: str, target: Store, *, name: str, tag: str | None = None) -> Descriptor:
    """Write the manifest of a tree's model to `target`, bringing its layers there where they are missing.

    Raises NotFound, and WorldError for what is no tree.
    """
    _, layers = tree_layers(store, tree)
    copy_blobs(store, target, layers)
    formats = {_FORMATS[suffix] for layer in layers if (suffix := PurePosixPath(_path(layer)).suffix) in _FORMATS}
    config = {
        "descriptor": {"name": name, "version": tree},
        "config": {"format": formats.pop()} if len(formats) == 1 else {},
        "modelfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    digest, size = target.put_blob(iter([canonical(config)]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": Descriptor(CONFIG, digest, size).to_json(),
        "layers": [
            Descriptor(_kind(layer), layer.digest, layer.size, annotations={FILEPATH: _path(layer)}).to_json()
            for layer in layers
        ],
    }
    return target.put_manifest(canonical(manifest), MANIFEST, tag=tag)


def _path(layer: Descriptor) -> str:
    return layer.annotations.get(TITLE, "")


def _kind(layer: Descriptor) -> str:
    """Weights, their settings (a tokenizer, a config), or documents; by name, as the files are not looked into."""
    path = PurePosixPath(_path(layer))
    if path.suffix.lower() in _DOCS or path.stem.upper() in _DOC_NAMES:
        return "application/vnd.cncf.model.doc.v1.tar"
    if path.suffix.lower() in _SETTINGS and layer.size <= _SMALL:
        return "application/vnd.cncf.model.weight.config.v1.tar"
    return "application/vnd.cncf.model.weight.v1.tar"
