"""A model or an image of the store as files on disk, made once and named by digest."""

from __future__ import annotations

from pathlib import Path

from mlci import image
from mlci.store import Store


def materialise(store: Store, digest: str, home: Path) -> Path:
    """The file or folder behind a tree's digest."""
    return image.get_tree(store, digest, home / "trees" / digest.removeprefix("sha256:"))


def unpacked(store: Store, digest: str, home: Path) -> image.Unpacked:
    """An image's own files and its config; what it stands on is for containers."""
    return image.unpack(store, digest, home / "images" / digest.removeprefix("sha256:"), base=False)
