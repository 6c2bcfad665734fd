"""Content-addressed storage in the OCI formats: a folder today, a registry by the same protocol."""

from mlci.store.artifact import put_artifact, read_layers
from mlci.store.copy import copy
from mlci.store.digest import chunks_of, digest_of, is_digest, sha256
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.index import canonical
from mlci.store.layout import FolderStore
from mlci.store.protocol import CONFIG, EMPTY, INDEX, LAYER_TAR, MANIFEST, Descriptor, Manifest, Store
from mlci.store.tree import TreeFile, files_of, get_tree, put_tree

__all__ = [
    "CONFIG",
    "EMPTY",
    "INDEX",
    "LAYER_TAR",
    "MANIFEST",
    "CorruptBlob",
    "Descriptor",
    "FolderStore",
    "Manifest",
    "NotFound",
    "Store",
    "TreeFile",
    "canonical",
    "chunks_of",
    "copy",
    "digest_of",
    "files_of",
    "get_tree",
    "is_digest",
    "put_artifact",
    "put_tree",
    "read_layers",
    "sha256",
]
