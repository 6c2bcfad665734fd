"""Images to build on, as other tools make them."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Sequence

from mlci.store import CONFIG, Descriptor, FolderStore, canonical

GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
ENV = ["PATH=/opt/python/bin:/bin", "PYTHON_VERSION=3.12.4", "PORT=1"]


def layer_of(name: str, content: str) -> tuple[bytes, bytes]:
    """A tar with one file, and the same compressed."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content.encode()))
    return raw.getvalue(), stored(raw.getvalue())


def stored(raw: bytes) -> bytes:
    """A gzip (RFC 1952) of one stored block, the same with every zlib."""
    size = struct.pack("<HH", len(raw), len(raw) ^ 0xFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff\1" + size + raw + struct.pack("<II", zlib.crc32(raw), len(raw))


def put(store: FolderStore, raw: bytes, kind: str) -> Descriptor:
    digest, size = store.put_blob(iter([raw]))
    return Descriptor(kind, digest, size)


def base_of(
    store: FolderStore, architecture: str, content: str = "", *, env: Sequence[str] = ENV, kind: str = DOCKER
) -> Descriptor:
    """An image of one layer for linux, with the file `etc/ARCHITECTURE`, as Docker writes it."""
    plain, compressed = layer_of(f"etc/{architecture}", content)
    layer = put(store, compressed, GZIP)
    diff_id = FolderStore(store.root.with_name("scrap")).put_blob(iter([plain]))[0]
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {
            "Env": list(env),
            "Entrypoint": ["/init"],
            "User": "1000",
            "Cmd": ["sh"],
            "Healthcheck": {"Test": ["x"]},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "debian"}],
    }
    pointer = put(store, json.dumps(config).encode(), CONFIG)
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": pointer.to_json(), "layers": [layer.to_json()]}
    return store.put_manifest(canonical(manifest), kind)
