"""The two ways in which a store cannot give what it was asked for."""

from __future__ import annotations

from mlci.errors import WorldError


class NotFound(WorldError):
    """There is no such tag, manifest or blob."""


class CorruptBlob(WorldError):
    """The bytes that are there are not the ones that the digest, or the format, promises."""
