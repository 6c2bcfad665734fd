"""Users who stay with a version (strategy `ab`): who came for the first time, who met an error for the first time.

The proxy writes a line for each request of a user. Only a hash of the name is remembered here, and the file is emptied
while it is read and at the end.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from mlci.deploy.analysis import Counts
from mlci.deploy.envoy_config import Wiring

SETTLED = 0.1
"""Seconds after a change of the shares in which a request may still have gone by those of before."""
MOST = 200_000
"""Users that are remembered; more come, but none of them counts."""
_WHOLE = re.compile(rb"\d+\.\d+ \d+ \d+ \S+ \S+ .")
_CHUNK, _FULL = 4 << 20, 16 << 20


@dataclass
class _Version:
    users: int = 0
    greeted_badly: int = 0
    failed: int = 0


class Visitors:
    """Reads the proxy's log of users (see `envoy_config.USERS`)."""

    def __init__(self, log: Path) -> None:
        self._log, self._at, self._rest = log, 0, b""
        self._seen: set[int] = set()
        self._failed: set[int] = set()
        self._share, self._since = -1.0, 0.0

    def start(self) -> None:
        """What was written before is not of this deployment."""
        self._empty()

    def add(self, counts: Counts, wiring: Wiring) -> Counts:
        """The users' firsts since the last look, at the canary's share of them."""
        if wiring.weight != self._share:
            self._share, self._since = wiring.weight, time.time() + SETTLED
        stable, canary = _Version(), _Version()
        for line in self._lines():
            self._take(line, wiring, stable, canary)
        if counts.canary is None or counts.stable is None:
            return counts
        both = [
            replace(tally, failed_users=of.failed, users=of.users, greeted_badly=of.greeted_badly)
            for tally, of in ((counts.canary, canary), (counts.stable, stable))
        ]
        return replace(counts, canary=both[0], stable=both[1], share=wiring.weight)

    def stop(self) -> None:
        """Leave no names behind."""
        self._empty()

    def _take(self, line: bytes, wiring: Wiring, stable: _Version, canary: _Version) -> None:
        came, status, tries, cluster, host, user = line.split(b" ", 5)
        if float(came) < self._since:  # it is known from now on, but came at another share
            stable = canary = _Version()
        failed = tries != b"1" or int(status) >= 500
        if cluster.decode() == wiring.canary_name and wiring.canary is not None:
            version, ports = canary, {str(port) for _, port in wiring.canary.addresses}
            failed |= host.rpartition(b":")[2].decode() not in ports  # it was out, and stable answered in its place
        elif cluster.decode() == wiring.stable.name:
            version = stable
        else:
            return
        known = int.from_bytes(blake2b(user, digest_size=8).digest(), "big")
        if known not in self._seen:
            if len(self._seen) >= MOST:
                return
            self._seen.add(known)
            version.users += 1
            version.greeted_badly += failed
        if failed and known not in self._failed:
            self._failed.add(known)
            version.failed += 1

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._log.open("rb") as file:
                file.seek(self._at)
                raw = file.read(_CHUNK)
        except FileNotFoundError:
            return
        self._at += len(raw)
        *lines, self._rest = (self._rest + raw).split(b"\n")
        if self._at > _FULL and len(raw) < _CHUNK:
            self._empty()
        for line in lines:
            if _WHOLE.match(line):
                yield line

    def _empty(self) -> None:
        """The proxy appends, so what it writes next stands at the beginning."""
        self._at, self._rest = 0, b""
        with suppress(OSError):
            os.truncate(self._log, 0)
