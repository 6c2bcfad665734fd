"""The platform that an image is for: as OCI names it, and as uv chooses wheels for it."""

from __future__ import annotations

import platform

from mlci.errors import UsageError

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_WHEELS = {
    "linux/amd64": "x86_64-manylinux_2_28",
    "linux/arm64": "aarch64-manylinux_2_28",
    "darwin/amd64": "x86_64-apple-darwin",
    "darwin/arm64": "aarch64-apple-darwin",
}
"""One baseline for all machines of a kind (PEP 600), or the newest glibc around would choose the wheels."""
_WHEELS_MUSL = {"linux/amd64": "x86_64-unknown-linux-musl", "linux/arm64": "aarch64-unknown-linux-musl"}


def host_platform() -> str:
    """This machine, as `os/architecture` in the words of Go and OCI: `linux/amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}"


def wheels_for(name: str) -> str:
    """uv's name (`--python-platform`) of the wheels that run on the platform; raises UsageError for an unknown one."""
    musl = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    known = {**_WHEELS, **_WHEELS_MUSL} if musl else _WHEELS
    if name not in known:
        raise UsageError(f"requirements cannot be installed for {name}", help=f"known: {', '.join(known)}")
    return known[name]
