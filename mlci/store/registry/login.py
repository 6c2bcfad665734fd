"""Who we are at a registry: what `docker login` and its like have left, credential helpers, and CI's own variables.

Files in order: $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or ~/.docker/config.json, and podman's auth.json. In
each a helper for the host comes first, then the store of all, then what is written in the file itself, for the
repository before its host (containers-auth.json(5), docker/cli "config"). Secrets are in no message and no `repr`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.errors import WorldError
from mlci.store.registry.reference import HUB, Reference

HUB_KEY = "https://index.docker.io/v1/"
IDENTITY = "<token>"
"""The user name with which a helper says that the secret is an identity token."""
_HELPER_SECONDS = 60
_MOST_BYTES = 1 << 20
_CI = (("ghcr.io", "GITHUB_ACTOR", "GITHUB_TOKEN"), ("$CI_REGISTRY", "CI_REGISTRY_USER", "CI_REGISTRY_PASSWORD"))
"""Host, user, secret: GitHub's and GitLab's own registries in their own CI."""


@dataclass(frozen=True)
class Login:
    """A user and a password, or an identity token, or a token for the registry itself; and where it was found."""

    origin: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The Authorization header of this user and password (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        basic = self.basic.removeprefix("Basic ") if self.password else ""
        return tuple(filter(None, (self.password, self.identity_token, self.registry_token, basic)))


def find_login(reference: Reference) -> Login | None:
    """The login for a repository, or None. Raises WorldError for a file that cannot be read and a helper that fails."""
    for file in _files():
        found = _in_file(file, reference)
        if found:
            return found
    return _in_ci(reference.registry.host)


def _files() -> Iterator[Path]:
    explicit = os.environ.get("REGISTRY_AUTH_FILE")
    if explicit:
        yield Path(explicit)
    yield Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "containers" / "auth.json"


def _in_file(file: Path, reference: Reference) -> Login | None:
    try:
        with file.open("rb") as stream:
            document = json.loads(stream.read(_MOST_BYTES))
        sections = [document.get(name) or {} for name in ("credHelpers", "auths")]
        helpers, logins = ({_plain(key): value for key, value in section.items()} for section in sections)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the JSON of a login"
        raise WorldError(f"cannot read {file}: {why}", help="log in again, or delete that file") from None
    keys = _keys(reference)
    if helper := next((helpers[key] for key in keys if key in helpers), document.get("credsStore")):
        found = _from_helper(str(helper), HUB_KEY if reference.registry.is_hub else reference.registry.host)
        if found:
            return found
    entry = next((logins[key] for key in keys if key in logins), None)
    return _from_entry(entry, str(file)) if isinstance(entry, dict) else None


def _keys(reference: Reference) -> list[str]:
    """`host/a/b`, `host/a`, `host`: the longest first; Docker Hub goes by two names."""
    parts = reference.repository.split("/")
    hosts = [HUB, "index.docker.io"] if reference.registry.is_hub else [reference.registry.host]
    return ["/".join([host, *parts[:count]]) for count in range(len(parts), -1, -1) for host in hosts]


def _plain(key: str) -> str:
    return re.sub(r"^https?://|/v[12]/?$|/$", "", key)


def _from_entry(entry: dict[str, Any], origin: str) -> Login | None:
    try:
        user, _, password = base64.b64decode(entry.get("auth") or "", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        raise WorldError(f"{origin} has a login that cannot be decoded", help="log in again") from None
    found = Login(
        origin,
        user or str(entry.get("username") or ""),
        password.rstrip("\0") or str(entry.get("password") or ""),
        str(entry.get("identitytoken") or ""),
        str(entry.get("registrytoken") or ""),
    )
    return found if found.secrets else None


def _from_helper(name: str, host: str) -> Login | None:
    """Ask `docker-credential-NAME get` (docker-credential-helpers, "Development")."""
    program = f"docker-credential-{name}"
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise WorldError(f"{name!r} is not the name of a credential helper", help="look at your Docker configuration")
    try:
        done = subprocess.run(
            [program, "get"], input=host.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        raise WorldError(f"{program} is not there to ask for the login at {host}", help="install it") from None
    except (OSError, subprocess.TimeoutExpired):
        raise WorldError(f"{program} did not answer with the login at {host}", help="try it by hand") from None
    said = done.stdout[:_MOST_BYTES].decode("utf-8", "replace")
    if done.returncode and ("credentials not found" in said or "no credentials" in said.lower()):
        return None
    try:
        answer = json.loads(said) if not done.returncode else {}
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        raise WorldError(
            f"{program} has no login for {host} (exit code {done.returncode})", help="log in again, or try it by hand"
        ) from None
    return Login(program, identity_token=secret) if user == IDENTITY else Login(program, user, secret)


def _in_ci(host: str) -> Login | None:
    for name, user, secret in _CI:
        known = os.environ.get(name[1:], "") if name.startswith("$") else name
        if known == host and os.environ.get(secret):
            return Login(f"${secret}", os.environ.get(user) or "mlci", os.environ[secret])
    return None
