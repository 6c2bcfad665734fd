"""Where the evidence beyond the proxy's counts comes from: each source adds its own to the counts of a look.

A source is asked in a thread of its own every few seconds, so one that is slow or hangs never holds up a look. One that
cannot be read, or says what cannot be, is no good news: its metric is `silent`, and nothing goes on until it speaks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from mlci.deploy.analysis import Counts
from mlci.deploy.envoy_config import Wiring
from mlci.errors import Interrupted

PATIENCE = 5.0
"""Seconds that one question may take."""
LATEST = 3
"""An answer is too old after so many intervals, and the patience on top."""
LARGEST = 4 << 20
"""Bytes of an answer that are read at most."""


class Unreadable(Exception):
    """A source gave nothing that can be used; the message says what it gave, without its address."""


class Source(Protocol):
    """Adds its evidence to a look's counts."""

    def start(self) -> None:
        """Begin to look."""
        ...

    def add(self, counts: Counts, wiring: Wiring) -> Counts:
        """The counts with what came in since the last look; at once, whatever the source does."""
        ...

    def stop(self) -> None:
        """Look no more, and return at once: the traffic waits. What is being asked now ends within `PATIENCE`."""
        ...


class Asked:
    """A question that is asked again and again in a thread; `take` gives the answers since the last time."""

    def __init__(self, name: str, every: float, ask: Callable[[threading.Event], Any]) -> None:
        self._every, self._ask = every, ask
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._answers: list[Any] = []
        self._failed: str | None = None
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._work, name=f"metric {name}", daemon=True)

    def start(self) -> None:
        """Ask now for the first time."""
        self._heard = time.monotonic()
        self._thread.start()

    def take(self) -> tuple[list[Any], str | None]:
        """The new answers, and why there are none now (None: there are)."""
        with self._lock:
            answers, self._answers = self._answers, []
            silence = time.monotonic() - self._heard
            late = silence > LATEST * self._every + PATIENCE
            return answers, self._failed or (f"no answer for {silence:.0f} s" if late else None)

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            due = time.monotonic() + self._every
            try:
                answer, failed = self._ask(self._ended), None
            except Interrupted:
                return
            except Unreadable as error:
                answer, failed = None, str(error)
            except Exception as error:  # a thread that ends would be a source that never speaks again
                answer, failed = None, f"{type(error).__name__}: {error}"
            with self._lock:
                self._failed = failed
                if failed is None:
                    self._heard = time.monotonic()
                    self._answers.append(answer)
            self._ended.wait(max(0.0, due - time.monotonic()))


def silent(counts: Counts, name: str, why: str | None) -> Counts:
    """The counts, with this metric as one that cannot be read now, if it cannot."""
    return replace(counts, silent={**counts.silent, name: why}) if why else counts


def get(url: str, *, timeout: float = PATIENCE) -> bytes:
    """The body of an answer of 200; raises Unreadable."""
    import http.client
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise Unreadable("its address is not http:// or https://")
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310
            body = bytes(answer.read(LARGEST + 1))
    except urllib.error.HTTPError as error:
        error.close()
        raise Unreadable(f"HTTP {error.code}") from None
    except urllib.error.URLError as error:
        raise Unreadable(str(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None
    if len(body) > LARGEST:
        raise Unreadable(f"more than {LARGEST >> 20} MiB")
    return body
