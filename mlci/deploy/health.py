"""Is a version fit for traffic? Its ready path answers 200, then it answers the warm-up requests."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.deploy.drivers import Address, Driver, alive, last_words
from mlci.deploy.state import Revision
from mlci.errors import Interrupted

if TYPE_CHECKING:
    from http.client import HTTPConnection

WARM_UP = 20
"""Requests, one after another, that a version answers before any caller's."""


class Unfit(Exception):
    """A version cannot take traffic; the message is the reason, `log` its last words."""

    def __init__(self, reason: str, log: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {log[-1]}" if log else reason)
        self.log = list(log)


@dataclass(frozen=True)
class Warmth:
    """What the warm-up found: requests sent, how many failed, the slowest answer in seconds, and one failure."""

    sent: int
    failed: int
    slowest: float
    example: str


def wait_ready(revision: Revision, driver: Driver, folder: Path, *, timeout: float, stop: threading.Event) -> None:
    """Wait until the ready path of every server answers 200.

    Raises Unfit when the version ends, or the time (seconds) is over, and Interrupted when `stop` is set.
    """
    deadline = time.monotonic() + timeout
    while not (all(ready(revision, at, timeout=2.0) for at in revision.addresses) and alive(driver, folder)):
        if stop.is_set():
            raise Interrupted("the deployment was stopped")
        if not alive(driver, folder):
            raise Unfit("it ended before it was ready", last_words(driver, folder))
        if time.monotonic() > deadline:
            what = f"it was not ready within {timeout:g} s ({revision.ready} did not answer 200)"
            raise Unfit(what, last_words(driver, folder))
        time.sleep(0.02)


def ready(revision: Revision, at: Address, *, timeout: float) -> bool:
    """Does the ready path of this server answer 200 now?"""
    return ask(*at, revision.ready, timeout=timeout) == 200


def warm_up(revision: Revision, path: str, bodies: Sequence[bytes]) -> Warmth:
    """Send the first rows straight to each server of the version, or ask its ready path where there are none."""
    requests: list[tuple[str, bytes | None]] = [(path, body) for body in bodies[:WARM_UP]]
    requests = requests or [(revision.ready, None)] * 5
    failed, slowest, example = 0, 0.0, ""
    sent = len(requests) * len(revision.addresses)
    for at, (where, body) in itertools.product(revision.addresses, requests):
        begun = time.monotonic()
        status = ask(*at, where, timeout=30.0, body=body)
        slowest = max(slowest, time.monotonic() - begun)
        if status is None:  # each of the rest would take its whole timeout
            return Warmth(sent, sent, slowest, "no answer")
        if status >= 500:
            failed += 1
            example = f"HTTP {status}"
    return Warmth(sent, failed, slowest, example)


def ask(
    host: str, port: int | None, path: str, *, timeout: float, body: bytes | None = None, tls: bool = False
) -> int | None:
    """The status of one request on a connection of its own (POST when there is a body), or None without an answer."""
    from http.client import HTTPException

    connection = connect(host, port, timeout=timeout, tls=tls)
    try:
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


def connect(host: str, port: int | None, *, timeout: float, tls: bool = False) -> HTTPConnection:
    """A connection to a version, or to the proxy of this machine: whose certificate has no name for loopback."""
    from http.client import HTTPConnection

    if not tls:
        return HTTPConnection(host, port, timeout=timeout)
    import ssl
    from http.client import HTTPSConnection

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=timeout, context=context)
