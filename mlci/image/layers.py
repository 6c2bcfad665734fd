"""Layers: uncompressed tar archives whose bytes depend on names, contents and the executable bit alone.

Written as a stream, never to a temporary file: sorted, folders before what is in them, owner 0 without a name, time 0,
modes 0755 and 0644; a pax header (POSIX.1-2001) only where a name or a size does not fit. Uncompressed, because weights
do not compress, a gzip costs more than it saves within a data centre, and its bytes depend on the library.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlci.errors import WorldError
from mlci.store import chunks_of

_BLOCK = 512


@dataclass(frozen=True)
class Entry:
    """A file of a layer: its posix path in the image (without the first `/`), its bytes, whether it may be executed."""

    path: str
    source: Path | bytes
    executable: bool = False


def tar_chunks(entries: Sequence[Entry]) -> Iterator[bytes]:
    """The archive, in pieces of a MiB at most.

    Raises WorldError when a file cannot be read or changes its size meanwhile, and ValueError for a path that is no
    plain relative one or is there twice, as a file or as a file and a folder.
    """
    files = {_plain(entry.path): entry for entry in entries}
    folders = {str(parent) for path in files for parent in list(PurePosixPath(path).parents)[:-1]}
    if len(files) < len(entries) or not folders.isdisjoint(files):
        raise ValueError("two entries of a layer have the same path")
    for path in sorted((*files, *folders)):
        if path in folders:
            yield _header(f"{path}/", tarfile.DIRTYPE, 0o755, 0)
        else:
            yield from _file(files[path])
    yield b"\0" * (2 * _BLOCK)


def _plain(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\0" in path:
        raise ValueError(f"{path!r} cannot be a path in a layer")
    return path


def _file(entry: Entry) -> Iterator[bytes]:
    mode = 0o755 if entry.executable else 0o644
    if isinstance(entry.source, bytes):
        size = len(entry.source)
        yield _header(entry.path, tarfile.REGTYPE, mode, size)
        yield entry.source
    else:
        size = _size(entry.source)
        yield _header(entry.path, tarfile.REGTYPE, mode, size)
        read = 0
        for chunk in chunks_of(entry.source):
            read += len(chunk)
            if read > size:
                break  # another process appends to it; what was promised in the header is passed already
            yield chunk
        if read != size:
            raise WorldError(f"{entry.source} changed while it was read", help="build again when nothing writes to it")
    yield b"\0" * (-size % _BLOCK)


def _size(source: Path) -> int:
    try:
        return source.stat().st_size
    except OSError as error:
        raise WorldError(f"cannot read {source}: {error.strerror}") from error


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
