"""The same request to both versions: the rows of a dataset, sent straight to a server of each, the answers compared.

No caller sees these answers. Each row is sent once, in an order that is shuffled but always the same, so what was
compared so far is a fair sample of the rows; the second time it would be no new evidence.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlci.deploy.analysis import Counts
from mlci.deploy.drivers import Address
from mlci.deploy.envoy_config import Wiring
from mlci.deploy.health import connect
from mlci.deploy.sources import LARGEST, PATIENCE, silent

if TYPE_CHECKING:
    from http.client import HTTPConnection

RATE = 50.0
"""Pairs a second at most."""


class Pairs:
    """Compares the servers' answers (canary, stable), from row `skip` on; numbers may differ by `difference`."""

    def __init__(
        self,
        bodies: Sequence[bytes],
        servers: tuple[Sequence[Address], Sequence[Address]],
        *,
        path: str,
        rate: float = RATE,
        difference: float = 0.0,
        skip: int = 0,
    ) -> None:
        self._bodies = list(bodies)
        random.Random(0).shuffle(self._bodies)  # noqa: S311 - nobody guesses it
        self._bodies = self._bodies[skip:]
        self._servers, self._path, self._difference = servers, path, difference
        self._pause = 1 / min(rate, RATE)
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._found = (0, 0)
        self._failed: str | None = None
        self._thread = threading.Thread(target=self._work, name="pairs", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def add(self, counts: Counts, wiring: Wiring) -> Counts:
        """The pairs since the last look. After the last row there are no more, and nothing is wrong with that."""
        with self._lock:
            found, why = self._found, self._failed
            if counts.canary is not None and counts.stable is not None:
                self._found = (0, 0)
                counts = replace(counts, pairs=found)
        return silent(counts, "predictions", why)

    def stop(self) -> None:
        """Send no more."""
        self._ended.set()

    def _work(self) -> None:
        lines = [[connect(*at, timeout=PATIENCE) for at in of] for of in self._servers]
        for number, body in enumerate(self._bodies):
            due = time.monotonic() + self._pause
            canary, stable = (_answer(of[number % len(of)], self._path, body) for of in lines)
            with self._lock:
                # What stable does not answer well says nothing about the canary.
                self._failed = None if stable is not None else "the stable version does not answer the rows"
                if stable is not None:
                    differ = canary is None or not same(canary, stable, self._difference)
                    self._found = (self._found[0] + 1, self._found[1] + differ)
            if self._ended.wait(max(0.0, due - time.monotonic())):
                break
        for line in itertools.chain(*lines):
            line.close()


def _answer(line: HTTPConnection, path: str, body: bytes) -> bytes | None:
    """The body of an answer of 2xx; a connection that was closed while it was idle is opened once more."""
    from http.client import HTTPException

    for _ in range(1 if line.sock is None else 2):
        try:
            line.request("POST", path, body, {"Content-Type": "application/json"})
            answer = line.getresponse()
            said = answer.read(LARGEST)
            if answer.isclosed() or not answer.read(1):
                return said if 200 <= answer.status < 300 else None
            line.close()
            return None
        except (OSError, HTTPException):
            line.close()
    return None


def same(one: bytes, other: bytes, difference: float = 0.0) -> bool:
    """Do both say the same: `predictions` of a JSON object if it has them, else all of it; bytes where it is no JSON.

    Numbers may differ by `difference`; what else an object says (a request's id, the model's name) does not count.
    """
    if one == other:
        return True
    with suppress(ValueError, RecursionError):
        return _same(_said(one), _said(other), difference)
    return False


def _said(raw: bytes) -> Any:
    found = json.loads(raw)
    return found["predictions"] if isinstance(found, dict) and "predictions" in found else found


def _same(one: Any, other: Any, difference: float) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or abs(one - other) <= difference or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b, difference) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name], difference) for name in one)
    return bool(one == other)
