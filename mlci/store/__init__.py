"""Content-addressed storage in OCI form: blobs, manifests, tags, referrers; a folder today, the same for a registry."""

from mlci.store.artifact import put_artifact, read_layers
from mlci.store.copy import copy
from mlci.store.errors import CorruptBlob, NotFound
from mlci.store.layout import FolderStore
from mlci.store.protocol import CONFIG, INDEX, LAYER_TAR, MANIFEST, Descriptor, Manifest, Store
from mlci.store.tree import get_tree, put_tree

__all__ = [
    "CONFIG",
    "INDEX",
    "LAYER_TAR",
    "MANIFEST",
    "CorruptBlob",
    "Descriptor",
    "FolderStore",
    "Manifest",
    "NotFound",
    "Store",
    "copy",
    "get_tree",
    "put_artifact",
    "put_tree",
    "read_layers",
]
