"""What a registry reference says: which host, spoken to how, which repository, which tag or digest.

`[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]` as Docker reads it: a first part with a dot or a colon, or `localhost`, is a
host; without one it is Docker Hub, where a single name is `library/NAME` (distribution/reference, "normalize.go").
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from functools import cached_property

from mlci.errors import UsageError
from mlci.store.digest import is_digest
from mlci.store.index import check_tag

HUB = "docker.io"
INSECURE = "MLCI_INSECURE_REGISTRIES"
"""A variable with hosts (`HOST[:PORT]`, commas between) that are spoken to by http; loopback is in any case."""
_HUB_NAMES = (HUB, "index.docker.io", "registry-1.docker.io")
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_LONGEST = 255
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Registry:
    """A host, as people write it (`docker.io`, `ghcr.io`, `localhost:5000`)."""

    host: str

    @cached_property
    def base(self) -> str:
        """Scheme and host of its API: http on loopback and where MLCI_INSECURE_REGISTRIES says so, else https."""
        return f"{'http' if is_plain(self.host) else 'https'}://{'registry-1.docker.io' if self.is_hub else self.host}"

    @property
    def is_hub(self) -> bool:
        return self.host == HUB

    @cached_property
    def is_private(self) -> bool:
        """Whether it is on this machine or in a private network."""
        found = addresses(name_of(self.host))
        return bool(found) and not any(address.is_global for address in found)


@dataclass(frozen=True)
class Reference:
    """A repository of a registry, and what in it is meant."""

    registry: Registry
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """`HOST/REPOSITORY`."""
        return f"{self.registry.host}/{self.repository}"


def parse_reference(text: str) -> Reference:
    """Read a reference; raises UsageError when it is none."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise UsageError(f"{text!r} has no digest after the @", help="a digest is `sha256:` and 64 of 0-9 and a-f")
    host, slash, rest = name.partition("/")
    if not slash or not looks_like_host(host):
        host, rest = HUB, name
    repository, colon, tag = rest.partition(":")
    if colon:
        check_tag(tag)
    if host.lower() in _HUB_NAMES:
        host = HUB
        repository = repository if "/" in repository else f"library/{repository}"
    if not _HOST.fullmatch(host) or not _NAME.fullmatch(repository) or len(repository) > _LONGEST:
        raise UsageError(
            f"{text!r} is not the name of an image", help="it looks like ghcr.io/owner/name:tag, in lower case"
        )
    return Reference(Registry(host.lower()), repository, tag or None, digest or None)


def looks_like_host(part: str) -> bool:
    """Whether the first part of a reference is a host, and not the beginning of a repository on Docker Hub."""
    return "." in part or ":" in part or part == "localhost"


def name_of(host: str) -> str:
    """A host without its port, and an IPv6 address without its brackets."""
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def is_plain(host: str) -> bool:
    """Whether this host is spoken to without TLS."""
    if host in (one.strip() for one in os.environ.get(INSECURE, "").split(",")):
        return True
    name = name_of(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def addresses(name: str) -> list[_Address]:
    """The addresses of a host name; none when it cannot be looked up from here (a proxy may be able to)."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    known = (ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)
    return [getattr(address, "ipv4_mapped", None) or address for address in known]
