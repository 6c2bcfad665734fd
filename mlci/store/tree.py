"""A file or a folder of the disk as an artifact: one blob a file, named by annotations, and back again.

The digest is a function of relative paths, contents and the executable bit alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlci.errors import UsageError
from mlci.store.artifact import put_artifact, read_layers
from mlci.store.digests import read_chunks
from mlci.store.errors import CorruptBlob
from mlci.store.protocol import Descriptor, Store

TREE = "application/vnd.mlci.tree.v1"
TITLE = "org.opencontainers.image.title"
MODE = "dev.mlci.mode"
KIND = "dev.mlci.kind"


def put_tree(store: Store, path: Path) -> Descriptor:
    """Take a file or a folder into the store; links that leave the folder and special files are refused."""
    root = path if path.is_dir() else path.parent
    files = sorted(_files(path)) if path.is_dir() else [path]
    layers = []
    for file in files:
        if not file.is_file() or not file.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{file} is neither a file nor a link inside {root}", help="only files can be kept")
        digest, size = store.put_blob(read_chunks(file))
        annotations = {TITLE: file.relative_to(root).as_posix()}
        if os.access(file, os.X_OK):
            annotations[MODE] = "755"
        layers.append(Descriptor("application/octet-stream", digest, size, annotations=annotations))
    return put_artifact(store, TREE, layers, annotations={KIND: "folder" if path.is_dir() else "file"})


def get_tree(store: Store, digest: str, dest: Path) -> Path:
    """Give a tree back under `dest`, which must be named by the digest: when it is there, it is whole.

    Returns `dest` for a folder, the file inside it for a single file.
    """
    manifest = store.get_manifest(digest)
    layers = read_layers(manifest)
    if not dest.is_dir():
        dest.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=dest.parent, prefix=".tmp-"))
        try:
            for layer in layers:
                _write(store, layer, beside)
            beside.chmod(0o755)
            if not dest.is_dir():
                beside.rename(dest)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    single = json.loads(manifest.raw).get("annotations", {}).get(KIND) == "file"
    return dest / layers[0].annotations[TITLE] if single else dest


def _files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            yield from _files(entry)
        else:
            yield entry


def _write(store: Store, layer: Descriptor, root: Path) -> None:
    title = layer.annotations.get(TITLE, "")
    name = PurePosixPath(title)
    if not title or name.is_absolute() or ".." in name.parts:
        raise CorruptBlob(f"a file of the tree wants to be written to {title!r}", help="nothing was written")
    target = root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with store.open_blob(layer.digest) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    target.chmod(0o755 if layer.annotations.get(MODE) == "755" else 0o644)
