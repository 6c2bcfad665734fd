"""Zstandard (RFC 8878) for layers: the standard library's from Python 3.14 on, its backport before.

What a compressor writes depends on its version, so a compressed layer has the digest of one version, and the diff id of
all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

from mlci.errors import WorldError

LEVEL = 3
_WINDOW = 27
"""The largest window that is read, as a power of two: 128 MiB of memory, which every decoder must allow."""


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes as one frame; raises WorldError where the library is not installed."""
    library = _library()
    compressor = library.ZstdCompressor(level=LEVEL)
    for chunk in chunks:
        if out := compressor.compress(chunk):
            yield out
    yield compressor.flush()


def reader(stream: BinaryIO) -> BinaryIO:
    """What a stream holds, uncompressed; raises WorldError where the library is not installed."""
    library = _library()
    limit = {library.DecompressionParameter.window_log_max: _WINDOW}
    return cast("BinaryIO", library.ZstdFile(stream, options=limit))


def errors() -> tuple[type[Exception], ...]:
    """What reading a broken stream raises."""
    try:
        return (_library().ZstdError,)
    except WorldError:
        return ()


def _library() -> Any:
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise WorldError("layers compressed by zstd need a package", help="pip install 'mlci[zstd]'") from None
    return zstd
