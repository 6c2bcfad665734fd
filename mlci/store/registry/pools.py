"""Connections: kept open, TLS by the system's certificates (or SSL_CERT_FILE), through a proxy where one is set."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions

from mlci.errors import WorldError
from mlci.store.errors import Cut
from mlci.store.registry.guard import shown
from mlci.store.registry.reference import is_plain

_KEPT = 16
"""Connections to one host that stay open: as many as there are transfers at a time, at most."""


class Pools:
    """Sends requests, one hop each: nothing is followed or repeated here."""

    def __init__(self, connect: float, silence: float) -> None:
        self._timeout = urllib3.Timeout(connect=connect, read=silence)
        self._proxies = getproxies()

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterator[bytes] | None
    ) -> urllib3.BaseHTTPResponse:
        """The answer, its body not read yet. Raises Cut, or WorldError for a certificate that does not hold."""
        with cuts(url):
            return self._pool(url).urlopen(
                method,
                url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=self._timeout,
            )

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme) or self._proxies.get("all")
        if proxy and not is_plain(parts.netloc) and not proxy_bypass(parts.hostname or ""):
            return self._proxied
        return self._tls if parts.scheme == "https" else self._plain

    @cached_property
    def _plain(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(maxsize=_KEPT)

    @cached_property
    def _tls(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(maxsize=_KEPT, ssl_context=ssl.create_default_context())

    @cached_property
    def _proxied(self) -> urllib3.PoolManager:
        proxy = self._proxies.get("https") or self._proxies.get("all") or self._proxies["http"]
        login = urllib3.util.make_headers(proxy_basic_auth=urllib3.util.parse_url(proxy).auth or "")
        return urllib3.ProxyManager(proxy, maxsize=_KEPT, proxy_headers=login, ssl_context=ssl.create_default_context())


@contextmanager
def cuts(url: str) -> Iterator[None]:
    """Turns what goes wrong on the wire into Cut, or into WorldError where another try cannot mend it."""
    host = urlsplit(url).netloc
    try:
        yield
    except (exceptions.SSLError, ssl.SSLError) as error:
        raise WorldError(
            f"the connection to {host} is not secure: {error}",
            help="let SSL_CERT_FILE name the certificate of its authority, if it has its own",
        ) from error
    except (exceptions.NameResolutionError, exceptions.NewConnectionError) as error:
        why = str(error.__cause__ or error)
        raise Cut(f"cannot reach {host}: {why}", help="look at the network, and at the spelling of the host") from error
    except (exceptions.TimeoutError, TimeoutError) as error:
        raise Cut(f"{host} does not answer ({shown(url)})", help="try again later") from error
    except (exceptions.HTTPError, OSError) as error:
        raise Cut(f"the connection to {host} was cut ({shown(url)})", help="run it once more") from error
