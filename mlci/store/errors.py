"""How a store says no."""

from __future__ import annotations

from mlci.errors import WorldError


class NotFound(WorldError):
    """There is no such blob, manifest or tag."""


class CorruptBlob(WorldError):
    """The bytes are not the digest's: the disk or somebody changed them."""
