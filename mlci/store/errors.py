"""The two ways in which a store cannot give what it was asked for."""

from __future__ import annotations

from mlci.errors import WorldError


class NotFound(WorldError):
    """There is no such tag, manifest or blob."""


class CorruptBlob(WorldError):
    """The bytes that are there are not the ones that the digest, or the format, promises."""


class Cut(WorldError):
    """The connection ended in the middle; another try may succeed, `wait` seconds later at the earliest."""

    def __init__(self, message: str, *, help: str = "", wait: float = 0.0) -> None:
        super().__init__(message, help=help)
        self.wait = wait
