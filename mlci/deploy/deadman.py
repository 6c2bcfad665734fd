"""The dead-man's switch of a canary: gives all traffic to the stable version when mlci is gone, or stands still.

mlci starts it before the first share of the traffic, and talks to it over a socket that is its standard input. Each
byte from there says "I am here", and is answered. None for `LEASE` seconds, or the end of the connection without a
goodbye, and the table of routes that was laid out beforehand is put in place, for Envoy to take at once. That is a
link and a rename: it works with a full disk, and asks no other process for anything.

It holds the environment's lock with mlci, so no other deployment begins before it has done its work. It runs as a file
with `python -I -S`: it imports nothing of the project, and takes a few MiB.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys

LEASE = 5.0
"""Seconds without a word from mlci, by a clock that nobody sets, after which it is taken to hang."""
HERE, GONE, BYE = b"h", b"", b"b"
"""What is said: I am here; the connection ended; mlci needs it no more."""


def main(safe: str, routes: str) -> int:
    """Watch standard input; `safe` is the file that replaces `routes`."""
    taken = False
    while True:
        ready, _, _ = select.select([0], [], [], LEASE)
        if not ready:
            taken = taken or _take_back(safe, routes)
            continue
        heard = _hear()
        if heard.endswith(BYE):
            return 0
        if heard == GONE:
            return 0 if _take_back(safe, routes) else 1
        with contextlib.suppress(OSError):
            os.write(0, HERE)
        taken = False


def _hear() -> bytes:
    try:
        return os.read(0, 4096)
    except OSError:  # the other end was killed with answers of ours unread
        return GONE


def _take_back(safe: str, routes: str) -> bool:
    """Put the safe table in place; False when that is not possible."""
    link = f"{routes}.safe"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)  # noqa: PTH108 - no pathlib: it takes memory
        os.link(safe, link)
        os.replace(link, routes)  # noqa: PTH105
    except OSError as error:
        print(f"cannot replace {routes}: {error}", file=sys.stderr, flush=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
