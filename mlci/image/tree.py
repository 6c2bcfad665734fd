"""A model, or any file or folder of the disk, as an artifact whose blobs are layers of an image already.

Each file is a plain tar of its own, below `models/`; beyond a bound the smallest share one. So the weights are read,
hashed and written once, when they are taken into the store: an image that carries them lists the same layers, and
nothing of them is read again. The digest is a function of the relative paths, the contents and the executable bits.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlci.errors import WorldError
from mlci.image.extract import Tree
from mlci.image.layers import Entry, tar_chunks
from mlci.image.unpack import MOST_BYTES, MOST_ENTRIES, apply
from mlci.store import LAYER_TAR, Descriptor, FolderStore, Store, put_artifact, read_layers
from mlci.store.atomic import fresh_folder, writing
from mlci.store.index import parse_manifest

TREE = "application/vnd.mlci.tree.v2"
KIND = "dev.mlci.kind"
TITLE = "org.opencontainers.image.title"
FOLDER = "models"
MOST_LAYERS = 100
"""Container engines mount 127 layers at most; the smaller files of a larger tree share one."""


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
    layers = []
    for name, entries in _layers(files_of(path)):
        digest, size = store.put_blob(tar_chunks(entries))
        layers.append(Descriptor(LAYER_TAR, digest, size, annotations={TITLE: name}))
    return put_artifact(store, TREE, layers, annotations={KIND: "folder" if path.is_dir() else "file"})


def get_tree(store: Store, digest: str, dest: Path) -> Path:
    """Write a tree into the folder `dest` and return the file, or the folder, that was taken in.

    `dest` appears at the end, whole; if it is there already it is taken to be whole, so name it by the digest.
    Raises NotFound, CorruptBlob, and UnsafeLayer for a tree that would write outside of `dest`.
    """
    path, layers = tree_layers(store, digest)
    if not dest.is_dir():
        if isinstance(store, FolderStore):
            store.bring(layers)
        with fresh_folder(dest) as work, writing(work):
            tree, most = Tree(work.resolve(), MOST_ENTRIES), MOST_BYTES
            for layer in layers:
                most -= apply(store, layer, layer.digest, tree, most)
    found = dest / path
    if found.is_symlink() or not found.exists():
        raise WorldError(f"the tree {digest} has no {path}, which it should hold", help="make it again")
    return found


def tree_layers(store: Store, digest: str) -> tuple[str, list[Descriptor]]:
    """Where the file or folder is once its layers are applied (`models`, `models/weights.bin`), and the layers.

    The annotation `org.opencontainers.image.title` of each layer says what is in it. Raises NotFound, and WorldError
    for a manifest that is no tree.
    """
    manifest = store.get_manifest(digest)
    document, layers = parse_manifest(manifest.raw), read_layers(manifest)
    if document.get("artifactType") != TREE or any(layer.media_type != LAYER_TAR for layer in layers):
        raise WorldError(f"{digest} is not a file or folder that mlci has stored", help="make it again")
    if document.get("annotations", {}).get(KIND) != "file":
        return FOLDER, layers
    title = layers[0].annotations.get(TITLE, "") if layers else ""
    path = PurePosixPath(title)
    if len(path.parts) != 2 or path.parts[0] != FOLDER or path.name == ".." or str(path) != title or "\0" in title:
        raise WorldError(f"the tree {digest} is said to be the file {title!r}, which cannot be", help="make it again")
    return title, layers


def _layers(files: list[TreeFile]) -> Iterator[tuple[str, list[Entry]]]:
    """A layer a file, sorted by path; beyond the bound, the smallest files in one layer, the last."""
    largest = sorted(files, key=lambda file: -file.source.stat().st_size)[:MOST_LAYERS]
    entries = {file.path: Entry(f"{FOLDER}/{file.path}", file.source, file.executable) for file in files}
    for path in sorted(file.path for file in largest):
        entry = entries.pop(path)
        yield entry.path, [entry]
    if entries:
        yield f"{FOLDER}: {len(entries)} smaller files", list(entries.values())


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
