"""Layers: uncompressed tar archives whose bytes depend on names, contents and the executable bit alone.

Written as a stream, never to a temporary file. Owner 0, time 0, modes 0755 and 0644, folders before what is in them,
everything sorted; POSIX.1-2001 (pax) headers only where a name or a size needs them.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlci.errors import WorldError

_BLOCK = 512
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file of a layer: its path in the image (relative), where its bytes come from, and whether it can be run."""

    path: str
    source: Path | bytes
    executable: bool = False


def folder_entries(folder: Path, under: str) -> list[Entry]:
    """All files of a folder, to stand under another one in the image; links are followed."""
    return [
        Entry(f"{under}/{path.relative_to(folder).as_posix()}", path, os.access(path, os.X_OK))
        for path in folder.rglob("*")
        if path.is_file()
    ]


def tar_chunks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The archive, in pieces; raises WorldError when a file changes its size while it is read."""
    made: set[str] = set()
    for entry in sorted(entries, key=lambda e: e.path):
        for folder in reversed(PurePosixPath(entry.path).parents[:-1]):
            if str(folder) not in made:
                made.add(str(folder))
                yield _header(f"{folder}/", tarfile.DIRTYPE, 0o755, 0)
        yield from _file(entry)
    yield b"\0" * (2 * _BLOCK)


def _file(entry: Entry) -> Iterator[bytes]:
    size = entry.source.stat().st_size if isinstance(entry.source, Path) else len(entry.source)
    yield _header(entry.path, tarfile.REGTYPE, 0o755 if entry.executable else 0o644, size)
    written = 0
    for chunk in _chunks(entry.source):
        written += len(chunk)
        yield chunk
    if written != size:
        raise WorldError(f"{entry.path} changed its size from {size} to {written} bytes while it was read")
    yield b"\0" * (-size % _BLOCK)


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, 0
    return info.tobuf(tarfile.PAX_FORMAT)


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
