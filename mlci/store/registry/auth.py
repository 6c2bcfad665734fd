"""How we prove who we are to one registry: Basic, or a token for just what is being done (distribution "token auth").

Nothing is asked for before the registry does. Tokens are kept for one registry and one scope, in memory, until shortly
before they end, and the only places that see a credential are the registry and the realm it names, which is checked.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from mlci.errors import WorldError
from mlci.store.registry.guard import follow
from mlci.store.registry.login import Login
from mlci.store.registry.reference import Registry

TOKEN_BYTES = 64 << 10
SPARE_SECONDS = 10.0
"""A token is not used any more so long before it ends."""
_CLIENT = "mlci"
_SCHEME = re.compile(r"(?:^|,)\s*(bearer|basic)(?=\s|,|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')

Ask = Callable[[str, str, dict[str, str], "bytes | None"], "tuple[int, bytes]"]
"""(method, URL, headers, body) -> (status, body of TOKEN_BYTES at most); without retrying for a new login."""


@dataclass(frozen=True)
class _Token:
    value: str
    ends: float


class Auth:
    """The credentials for one registry; used by many threads."""

    def __init__(self, registry: Registry, login: Callable[[], Login | None], ask: Ask) -> None:
        self._registry = registry
        self._find = login
        self._ask = ask
        self._login: Login | None = None
        self._scheme = ""
        self._challenge: dict[str, str] = {}
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._lock = threading.RLock()

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """The Authorization header to send, as far as it is known what the registry wants."""
        with self._lock:
            if self._scheme == "basic":
                return self._login.basic if self._login else None
            if self._scheme == "bearer":
                token = self._tokens.get(scopes)
                if token is None or token.ends <= time.monotonic():
                    token = self._tokens[scopes] = self._fetch(scopes)
                return f"Bearer {token.value}"
            return None

    def renew(self, challenge: str, base: str, scopes: tuple[str, ...], refused: str | None) -> bool:
        """After a 401: whether there is something else than the `refused` header to try now.

        `challenge` is the WWW-Authenticate header, `base` the URL that was asked. Raises WorldError when the place for
        tokens refuses or cannot be trusted.
        """
        with self._lock:
            scheme, parameters = _parse(challenge)
            if not scheme or (scheme == "basic" and refused == self.header(scopes) and refused is not None):
                return False
            if self._login is None:
                self._login = self._find()
            if scheme == "bearer":
                parameters["realm"] = follow(self._registry, base, parameters.get("realm", ""), "the place for tokens")
                known = self._tokens.get(scopes)
                if known and refused == f"Bearer {known.value}":
                    del self._tokens[scopes]
            self._scheme, self._challenge = scheme, parameters
            new = self.header(scopes)
            return new is not None and new != refused

    @property
    def origin(self) -> str | None:
        """Where the login in use comes from, for people."""
        return self._login.origin if self._login else None

    def mask(self, text: str) -> str:
        """A text from outside without our secrets."""
        tokens = [token.value for token in list(self._tokens.values())]
        for secret in sorted((*tokens, *(self._login.secrets if self._login else ())), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _fetch(self, scopes: tuple[str, ...]) -> _Token:
        login = self._login
        if login and login.registry_token:
            return _Token(login.registry_token, float("inf"))
        status, body = 404, b""
        if login and login.identity_token:
            status, body = self._post(login.identity_token, scopes)
        if status in (404, 405):
            status, body = self._get(login, scopes)
        place = urlsplit(self._challenge["realm"]).hostname
        if status != 200:
            whose = f"the login from {login.origin}" if login else "a request without a login"
            raise WorldError(
                f"{place} gives no token for {self._registry.host} ({' '.join(scopes)}): {status} to {whose}",
                help=f"log in again: docker login {self._registry.host}",
            )
        return _read(body, f"{place} gives a token for {self._registry.host} that cannot be read")

    def _get(self, login: Login | None, scopes: tuple[str, ...]) -> tuple[int, bytes]:
        query = [("scope", scope) for scope in scopes]
        if service := self._challenge.get("service"):
            query.insert(0, ("service", service))
        realm = self._challenge["realm"]
        headers = {"Authorization": login.basic} if login and login.password else {}
        return self._ask("GET", f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}", headers, None)

    def _post(self, identity_token: str, scopes: tuple[str, ...]) -> tuple[int, bytes]:
        """OAuth 2 (distribution "oauth"): the identity token for a token of these scopes."""
        form = {
            "grant_type": "refresh_token",
            "service": self._challenge.get("service", ""),
            "scope": " ".join(scopes),
            "client_id": _CLIENT,
            "refresh_token": identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", self._challenge["realm"], headers, urlencode(form).encode())


def _parse(challenge: str) -> tuple[str, dict[str, str]]:
    """The scheme to use, Bearer before Basic, and its parameters (RFC 9110, "WWW-Authenticate")."""
    found: dict[str, dict[str, str]] = {}
    starts = list(_SCHEME.finditer(challenge))
    for start, after in itertools.zip_longest(starts, starts[1:]):
        part = challenge[start.end() : after.start() if after else None]
        found[start[1].lower()] = {
            key.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for key, quoted, plain in _PARAMETER.findall(part)
        }
    return next(((scheme, found[scheme]) for scheme in ("bearer", "basic") if scheme in found), ("", {}))


def _read(body: bytes, problem: str) -> _Token:
    try:
        answer: dict[str, Any] = json.loads(body)
        value = answer.get("token") or answer["access_token"]
        seconds = float(answer.get("expires_in") or 60)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WorldError(problem) from None
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise WorldError(problem)
    return _Token(value, time.monotonic() + max(seconds - SPARE_SECONDS, min(seconds, 1.0)))
