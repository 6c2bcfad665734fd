"""The ways in which a signature does not count, each with a name."""

from __future__ import annotations

from typing import Literal

from mlci.errors import WorldError

Reason = Literal[
    "too large",
    "malformed",
    "media type",
    "payload type",
    "signature count",
    "unknown signer",
    "bad signature",
    "statement",
    "subject",
    "extra missing",
]


class Refused(WorldError):
    """A bundle that proves nothing; `reason` is one of a fixed set, the message is for people."""

    def __init__(self, reason: Reason, message: str, *, help: str = "") -> None:
        super().__init__(message, help=help)
        self.reason: Reason = reason
