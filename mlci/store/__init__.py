"""Content-addressed storage in the OCI formats: a folder, or a registry by the same protocol."""

from mlci.store.artifact import Document, artifact, attach, blob_of, put_artifact, put_blobs, read_layers
from mlci.store.copy import Tally, bring, copy, copy_blobs, gather, is_one_place
from mlci.store.digest import chunks_of, digest_of, is_digest, sha256
from mlci.store.errors import CorruptBlob, Cut, NotFound
from mlci.store.index import canonical
from mlci.store.layout import FolderStore
from mlci.store.location import Location, base_location, locate, open_store
from mlci.store.protocol import CONFIG, EMPTY, INDEX, LAYER_TAR, MANIFEST, Descriptor, Manifest, Store

__all__ = [
    "CONFIG",
    "EMPTY",
    "INDEX",
    "LAYER_TAR",
    "MANIFEST",
    "CorruptBlob",
    "Cut",
    "Descriptor",
    "Document",
    "FolderStore",
    "Location",
    "Manifest",
    "NotFound",
    "Store",
    "Tally",
    "artifact",
    "attach",
    "base_location",
    "blob_of",
    "bring",
    "canonical",
    "chunks_of",
    "copy",
    "copy_blobs",
    "digest_of",
    "gather",
    "is_digest",
    "is_one_place",
    "locate",
    "open_store",
    "put_artifact",
    "put_blobs",
    "read_layers",
    "sha256",
]
