"""A file or a folder of the disk as an artifact, one blob a file, and back.

The digest is a function of the relative paths, the contents and the executable bits, and of nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlci.errors import WorldError
from mlci.store import atomic
from mlci.store.artifact import put_artifact, read_layers
from mlci.store.digest import chunks_of
from mlci.store.errors import CorruptBlob
from mlci.store.index import parse_manifest
from mlci.store.protocol import Descriptor, Store

TREE = "application/vnd.mlci.tree.v1"
KIND = "dev.mlci.kind"
MODE = "dev.mlci.mode"
TITLE = "org.opencontainers.image.title"
_FILE = "application/octet-stream"


@dataclass(frozen=True)
class TreeFile:
    """One file: its posix path in the tree, where it lies, and whether it may be executed."""

    path: str
    source: Path
    executable: bool


def files_of(path: Path) -> list[TreeFile]:
    """The file, or all files of the folder, sorted by path; links to files inside the folder are followed.

    Raises WorldError for what cannot be carried elsewhere: links that leave the folder, links to folders, pipes,
    devices, names that are not Unicode, and a folder without files.
    """
    try:
        if path.is_dir():
            found = sorted(_walk(path, "", path.resolve()), key=lambda file: file.path)
        else:
            found = [_file(path.name, path)]
    except OSError as error:
        raise WorldError(f"cannot read {error.filename or path}: {error.strerror}") from error
    if not found:
        raise WorldError(f"the folder {path} has no files in it")
    return found


def put_tree(store: Store, path: Path) -> Descriptor:
    """Take a file or a folder into the store; the annotation `dev.mlci.kind` says which it was."""
    kind = "folder" if path.is_dir() else "file"
    layers = []
    for file in files_of(path):
        digest, size = store.put_blob(chunks_of(file.source))
        mode = {MODE: "755"} if file.executable else {}
        layers.append(Descriptor(_FILE, digest, size, annotations={TITLE: file.path, **mode}))
    return put_artifact(store, TREE, layers, annotations={KIND: kind})


def get_tree(store: Store, digest: str, dest: Path) -> Path:
    """Write a tree to the folder `dest` and return the file, or the folder, that was taken in.

    `dest` appears at the end, whole; if it is there already it is taken to be whole, so name it by the digest.
    Raises NotFound, CorruptBlob, or WorldError for a tree that would write outside of `dest`.
    """
    manifest = store.get_manifest(digest)
    layers = read_layers(manifest)
    paths = [_safe(layer.annotations.get(TITLE, ""), manifest.digest) for layer in layers]
    if not dest.is_dir():
        with atomic.fresh_folder(dest) as work:
            for path, layer in zip(paths, layers, strict=True):
                _write(store, layer, work / path)
    is_file = parse_manifest(manifest.raw).get("annotations", {}).get(KIND) == "file"
    return dest / paths[0] if is_file else dest


def _walk(folder: Path, prefix: str, root: Path) -> Iterator[TreeFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(path, f"{prefix}{entry.name}/", root)
            elif entry.is_symlink() and not path.resolve().is_relative_to(root):
                raise WorldError(f"{path} is a link that leaves the folder", help="put the file itself there")
            else:
                yield _file(prefix + entry.name, path)


def _file(name: str, path: Path) -> TreeFile:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a link to a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise WorldError(f"{path} is {kind}", help="put files and folders there, nothing else")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise WorldError(f"the name {name!r} in {path.parent} is not Unicode", help="rename it") from error
    return TreeFile(name, path, bool(mode & stat.S_IXUSR))


def _safe(title: str, digest: str) -> PurePosixPath:
    path = PurePosixPath(title)
    if not path.parts or "\0" in title or path.is_absolute() or ".." in path.parts or path.as_posix() != title:
        raise WorldError(f"the tree {digest} has a file with the path {title!r}, which is not safe to write")
    return path


def _write(store: Store, layer: Descriptor, path: Path) -> None:
    with atomic.writing(path), store.open_blob(layer.digest) as stream:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            size = sum(out.write(chunk) for chunk in chunks_of(stream))
        path.chmod(0o755 if MODE in layer.annotations else 0o644)
    if size != layer.size:
        raise CorruptBlob(f"{layer.digest} has {size:,} bytes instead of {layer.size:,}")
