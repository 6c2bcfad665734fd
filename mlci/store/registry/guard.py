"""Where a registry may send us: upload locations, redirects, the next page of a list, the place that gives out tokens.

All of these come from outside. None may take a request from https to http, to a private network that the registry is
not in itself, or to the link-local addresses where clouds keep their credentials.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from mlci.errors import WorldError
from mlci.store.registry.reference import Registry, addresses, is_plain


def follow(registry: Registry, base: str, target: str, what: str) -> str:
    """The absolute URL that `target`, found in an answer to `base`, leads to; raises WorldError if it may not."""
    try:
        url = urljoin(base, target)
        parts = urlsplit(url)
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(registry, target, what, "it is not a URL") from None
    if parts.scheme not in ("http", "https") or not name or parts.username is not None:
        raise _refused(registry, url, what, "it is not an address to go to")
    if same_host(url, registry.base):
        return url
    if parts.scheme == "http" and (registry.base.startswith("https:") or not is_plain(parts.netloc)):
        raise _refused(registry, url, what, "it would be sent without TLS")
    for address in addresses(name):
        if address.is_link_local or not (address.is_global or registry.is_private):
            raise _refused(registry, url, what, f"{address} is not a public address")
    return url


def same_host(one: str, other: str) -> bool:
    """Whether two URLs have one scheme, host and port; only then do they share credentials."""
    return _origin(one) == _origin(other)


def shown(url: str) -> str:
    """A URL without its query, which may be signed."""
    return url.partition("?")[0]


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _refused(registry: Registry, url: str, what: str, why: str) -> WorldError:
    return WorldError(
        f"{registry.host} names {shown(url)} as {what}, which is refused: {why}",
        help="look at the configuration of that registry",
    )
