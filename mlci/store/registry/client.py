"""Requests to one registry: who we are, what is tried again and when, where we let ourselves be sent, what we read.

A request that can be repeated is, after a cut, 429 or a failing server: with the wait that the registry asks for
(Retry-After) or a growing, random one, until a deadline. What is streamed is for the caller to repeat: it ends in Cut.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from mlci.errors import WorldError
from mlci.store.errors import Cut, NotFound
from mlci.store.registry.auth import TOKEN_BYTES, Auth
from mlci.store.registry.dialects import dialect_of
from mlci.store.registry.guard import follow, same_host, shown
from mlci.store.registry.login import find_login
from mlci.store.registry.reference import Reference

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from mlci.store.registry.pools import Pools

ERROR_BYTES = 64 << 10
_TO_TRY_AGAIN = (408, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_AGENT = "mlci"
CHANCE = random.SystemRandom()
Scopes = tuple[str, ...]


@dataclass(frozen=True)
class Patience:
    """How long to wait: seconds to connect, of silence, and for one request with all its repetitions; and how often."""

    connect: float = 15.0
    silence: float = 60.0
    total: float = 240.0
    tries: int = 6
    pause: float = 0.25
    """The first wait before another try; each one later is twice as long, and then a random share of it."""

    def wait(self, attempt: int) -> float:
        """Seconds before the try after this one (0 is the first)."""
        return CHANCE.uniform(0.5, 1) * min(self.pause * 2.0**attempt, 15.0)


@dataclass(frozen=True)
class Answer:
    """A whole answer; `url` is who gave it, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Client:
    """One registry, as one login, for one repository; used by many threads."""

    def __init__(self, reference: Reference, patience: Patience) -> None:
        from mlci.store.registry.pools import Pools

        self.registry = reference.registry
        self.patience = patience
        self._pools: Pools = Pools(patience.connect, patience.silence)
        self._auth = Auth(self.registry, lambda: find_login(reference), self._ask_for_token)

    def ask(
        self,
        method: str,
        url: str,
        scopes: Scopes,
        *,
        ok: tuple[int, ...] = (200,),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int = ERROR_BYTES,
        again: bool = True,
    ) -> Answer:
        """The answer, when its status is one of `ok`; `url` may be a path. Raises NotFound (404) and WorldError.

        `most`: a larger body of an `ok` answer is refused. `again`: whether to try more than once.
        """
        deadline = time.monotonic() + self.patience.total
        for attempt in itertools.count(0 if again else self.patience.tries):
            try:
                response, at = self._go(method, url, dict(headers or {}), body, scopes)
                read = _read(response, most, response.status in ok, deadline, at)
            except Cut as error:
                if not self.pause(attempt, error.wait, deadline):
                    raise
                continue
            answer = Answer(response.status, response.headers, read, at)
            if answer.status in ok or not self._may_mend(answer, attempt, deadline):
                break
        return answer if answer.status in ok else self.fail(method, answer)

    def open(self, url: str, scopes: Scopes, headers: Mapping[str, str], ok: tuple[int, ...]) -> BaseHTTPResponse:
        """A GET whose body is left to read, with the same patience until it begins."""
        deadline = time.monotonic() + self.patience.total
        for attempt in itertools.count():
            try:
                response, at = self._go("GET", url, dict(headers), None, scopes)
                if response.status in ok:
                    return response
                read = _read(response, ERROR_BYTES, False, deadline, at)
            except Cut as error:
                if not self.pause(attempt, error.wait, deadline):
                    raise
                continue
            answer = Answer(response.status, response.headers, read, at)
            if not self._may_mend(answer, attempt, deadline):
                break
        return self.fail("GET", answer)

    def pause(self, attempt: int, asked: float = 0.0, deadline: float = math.inf) -> bool:
        """Wait before another try, as long as was `asked` for at least; False, at once, when there is to be none."""
        wait = max(asked, self.patience.wait(attempt))
        if attempt + 1 >= self.patience.tries or min(deadline - time.monotonic(), self.patience.total) < wait:
            return False
        time.sleep(wait)
        return True

    def _may_mend(self, answer: Answer, attempt: int, deadline: float) -> bool:
        return answer.status in _TO_TRY_AGAIN and self.pause(attempt, retry_after(answer.headers), deadline)

    def send(
        self,
        method: str,
        url: str,
        scopes: Scopes,
        chunks: Iterator[bytes],
        headers: Mapping[str, str],
        ok: tuple[int, ...],
    ) -> Answer:
        """Stream a body, once. Raises Cut where another try may do, NotFound, WorldError, and what `chunks` does."""
        response, at = self._go(method, url, dict(headers), chunks, scopes)
        answer = Answer(
            response.status, response.headers, _read(response, ERROR_BYTES, False, time.monotonic() + 60, at), at
        )
        if answer.status in _TO_TRY_AGAIN or answer.status == 401:
            raise Cut(f"{self._said(method, answer)}", wait=retry_after(answer.headers))
        return answer if answer.status in ok else self.fail(method, answer)

    def fail(self, method: str, answer: Answer, *, absent: bool = False) -> NoReturn:
        """Raise what an answer means to people; `absent`: that something is not there, as 404 does."""
        message = self._said(method, answer)
        if answer.status == 404 or absent:
            raise NotFound(message)
        host = self.registry.host
        login = dialect_of(host).login.format(host=host)
        used = f"the login of {self._auth.origin} was used" if self._auth.origin else "no login was found for it"
        help = {
            401: f"{used}; log in: {login}",
            403: f"{used}; it needs the right to do this there: {login}",
            413: "something in front of the registry limits the size of an upload",
            429: "wait, or log in: with a login more is allowed",
        }.get(answer.status, "look at the registry's log" if answer.status >= 500 else "")
        raise WorldError(message, help=help)

    def _said(self, method: str, answer: Answer) -> str:
        """`HOST answers 403 to GET /v2/…: DENIED: …`."""
        what = f"{urlsplit(answer.url).netloc} answers {answer.status} to {method} {urlsplit(answer.url).path}"
        try:
            errors = json.loads(answer.body)["errors"]
            why = "; ".join(f"{error.get('code', '')}: {error.get('message', '')}" for error in errors[:3])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            why = ""
        return self._auth.mask(f"{what}: {why[:500]}" if why else what)

    def _go(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None, scopes: Scopes
    ) -> tuple[BaseHTTPResponse, str]:
        """One request, redirected where it may be, and once more with a login when the registry asks for one."""
        at = url if "://" in url else self.registry.base + url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._authorised(method, at, headers, body, scopes)
            if response.status not in _REDIRECTS:
                return response, at
            target = response.headers.get("Location", "")
            response.close()
            if method not in ("GET", "HEAD"):
                raise WorldError(f"{self.registry.host} redirects {method} {shown(at)}, which is not followed")
            at = follow(self.registry, at, target, "another place for the same")
        raise WorldError(f"{self.registry.host} redirects {method} {shown(url)} without an end")

    def _authorised(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Iterator[bytes] | None, scopes: Scopes
    ) -> BaseHTTPResponse:
        """With our credentials if, and only if, this is the registry itself."""
        if not same_host(url, self.registry.base):
            return self._pools.request(method, url, {"User-Agent": _AGENT, **headers}, body)
        for attempt in range(2):
            credential = self._auth.header(scopes)
            mine = {"Authorization": credential} if credential else {}
            response = self._pools.request(method, url, {"User-Agent": _AGENT, **headers, **mine}, body)
            challenge = response.headers.get("WWW-Authenticate", "")
            if response.status != 401 or attempt or not self._auth.renew(challenge, url, scopes, credential):
                break
            if not isinstance(body, bytes | None):
                break  # it has been read; the next try has the new login
            response.close()
        return response

    def _ask_for_token(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        deadline = time.monotonic() + self.patience.total
        for attempt in itertools.count():
            try:
                response = self._pools.request(method, url, {"User-Agent": _AGENT, **headers}, body)
                read = _read(response, TOKEN_BYTES, response.status == 200, deadline, url)
            except Cut as error:
                if not self.pause(attempt, error.wait, deadline):
                    raise WorldError(error.message, help=error.help) from error
                continue
            if not self._may_mend(Answer(response.status, response.headers, read, url), attempt, deadline):
                break
        return response.status, read


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the answer asks to wait: a number or a date (RFC 9110, "Retry-After"); 0 when it does not."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


def _read(response: BaseHTTPResponse, most: int, whole: bool, deadline: float, url: str) -> bytes:
    """The body, of `most` bytes; a longer one is cut off, or an error when it is wanted `whole`."""
    from mlci.store.registry.pools import cuts

    read = bytearray()
    with cuts(url):
        while chunk := response.read1(1 << 16):
            read += chunk
            if len(read) > most:
                response.close()
                if whole:
                    raise WorldError(f"{shown(url)} gives more than the {most:,} bytes that are read of such an answer")
                return bytes(read[:most])
            if time.monotonic() > deadline:
                response.close()
                raise Cut(f"{shown(url)} does not come to an end")
    response.release_conn()
    return bytes(read)
