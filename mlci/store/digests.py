"""Digests and tags: checked before they become paths (OCI image spec, descriptor; distribution spec, tags)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mlci.errors import UsageError

CHUNK = 1 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def is_digest(reference: str) -> bool:
    """Whether a reference is a digest, not a tag."""
    return _DIGEST.fullmatch(reference) is not None


def hex_of(digest: str) -> str:
    """The 64 characters of a digest; raises UsageError when it is none, so that it cannot lead out of the store."""
    if not is_digest(digest):
        raise UsageError(f"{digest!r} is not a digest", help="a digest is sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")


def checked_tag(tag: str) -> str:
    """The tag itself, if it may be one."""
    if _TAG.fullmatch(tag) is None:
        raise UsageError(f"{tag!r} cannot be a tag", help="letters, digits, `_`, `.` and `-`; 128 characters at most")
    return tag


def digest_of(raw: bytes) -> str:
    """The digest of bytes in memory."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def read_chunks(source: Path | BinaryIO) -> Iterator[bytes]:
    """A file in pieces of 1 MiB."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield from read_chunks(stream)
    else:
        while chunk := source.read(CHUNK):
            yield chunk
