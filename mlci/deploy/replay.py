"""Traffic made from rows: each is a POST of `{"instances": [row]}`, sent at a given rate whatever the answers do.

The loop is open: request k is due at start + k / rate, and a bounded number of workers, each with a connection that
stays open, take them in turn. When all of them wait for slow answers, requests go out late, never in a burst beyond
the workers.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlci.deploy.health import connect
from mlci.errors import UsageError

if TYPE_CHECKING:
    from http.client import HTTPConnection

ROWS = 2000
"""Rows that are read and sent again and again."""
WORKERS = 32
PATIENCE = 90.0
"""Seconds to wait for one answer."""


@dataclass(frozen=True)
class Sent:
    """`sent` = answered + lost + in flight. `errors` are answers of 5xx; `lost` had no HTTP answer at all.

    `resent` counts requests that met a connection which was closed while idle, and were sent once more on a new one.
    """

    sent: int = 0
    answered: int = 0
    errors: int = 0
    lost: int = 0
    resent: int = 0


def bodies(rows: Callable[[], Iterable[dict[str, Any]]], limit: int = ROWS) -> list[bytes]:
    """The first rows as request bodies; raises UsageError when there is none."""
    found = [json.dumps({"instances": [row]}).encode() for row in itertools.islice(rows(), limit)]
    if not found:
        raise UsageError("there are no rows to replay", help="name another dataset in `deploy.replay`")
    return found


class Replay:
    """Sends requests from `start` until `stop`; `user` makes the headers that say whose row it is."""

    def __init__(
        self,
        bodies: list[bytes],
        *,
        host: str,
        port: int,
        path: str,
        rate: float,
        tls: bool = False,
        user: Callable[[int], dict[str, str]] = lambda _: {},
    ) -> None:
        self._rows, self._user = len(bodies), user
        self._connect = partial(connect, host, port, timeout=PATIENCE, tls=tls)
        self._path = path
        self._rate = rate
        self._lock = threading.Lock()
        self._due: Iterator[tuple[int, bytes]] = enumerate(itertools.cycle(bodies))
        self._counts = Sent()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"replay-{n}", daemon=True)
            for n in range(max(2, min(WORKERS, round(rate / 10))))
        ]

    def start(self) -> None:
        """Begin to send."""
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Sent:
        """Send no more, wait for the answers that are still due, and return what became of all requests."""
        self._ended.set()
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return self.counts()

    def counts(self) -> Sent:
        """What became of the requests so far."""
        with self._lock:
            return self._counts

    def _work(self) -> None:
        connection = self._connect()
        while not self._ended.is_set():
            with self._lock:
                number, body = next(self._due)
            if self._ended.wait(max(0.0, self._started + number / self._rate - time.monotonic())):
                break
            self._add(sent=1)
            status = self._send(connection, body, self._user(number % self._rows))
            if status is None:
                self._add(lost=1)
            else:
                self._add(answered=1, errors=int(status >= 500))
        connection.close()

    def _send(self, connection: HTTPConnection, body: bytes, user: dict[str, str]) -> int | None:
        """The status of the answer, or None."""
        from http.client import HTTPException

        reused = connection.sock is not None
        try:
            return _post(connection, self._path, body, user)
        except (ConnectionResetError, BrokenPipeError, ConnectionAbortedError):
            connection.close()
            if not reused:
                return None
        except (OSError, HTTPException):
            connection.close()
            return None
        self._add(resent=1)
        try:
            return _post(connection, self._path, body, user)
        except (OSError, HTTPException):
            connection.close()
            return None

    def _add(self, **more: int) -> None:
        with self._lock:
            now = self._counts
            self._counts = replace(now, **{name: getattr(now, name) + n for name, n in more.items()})


def _post(connection: HTTPConnection, path: str, body: bytes, user: dict[str, str]) -> int:
    connection.request("POST", path, body, {"Content-Type": "application/json", **user})
    response = connection.getresponse()
    response.read()
    return response.status
