"""What differs between registries, in one place: how they take large blobs, and how one logs in.

All speak the distribution spec. The figures for hosted registries come from their documentation and from reports of
their users; docs/registries.md says which were tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """One kind of registry.

    `window`: bytes of a PATCH while the digest is not known yet, held in memory so that it can be sent again; None:
    the registry takes a blob in one piece only, so it is written to a temporary file first. `part`: a blob whose digest
    is known is sent in parts of so many bytes when it is larger, so that a cut does not cost all of it; None: in one.
    """

    name: str
    hosts: str
    window: int | None = 16 * MIB
    part: int | None = None
    mounts: bool = True
    login: str = "docker login {host}"


DIALECTS = (
    Dialect("GitHub", r"ghcr\.io", window=4 * MIB, login="in Actions: `permissions: packages: write` and GITHUB_TOKEN"),
    Dialect(
        "Google Artifact Registry",
        r"(?:.+-docker\.pkg\.dev|(?:.+\.)?gcr\.io)",
        window=None,
        login="gcloud auth configure-docker {host}",
    ),
    Dialect(
        "Amazon ECR",
        r"(?:\d+\.dkr\.ecr[.-].+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws)",
        window=10 * MIB,
        login="aws ecr get-login-password | docker login --username AWS --password-stdin {host}",
    ),
    Dialect("Azure", r".+\.azurecr\.(?:io|cn|us)", window=4 * MIB, login="az acr login --name {host}"),
    Dialect("Docker Hub", r"docker\.io", login="docker login"),
    Dialect("Quay", r"quay\.io"),
    Dialect("GitLab", r"registry\.gitlab\.com"),
)
SELF_HOSTED = Dialect("distribution, Harbor, zot or another", r".*", part=128 * MIB)


def dialect_of(host: str) -> Dialect:
    """How to speak with this host."""
    return next((known for known in DIALECTS if re.fullmatch(known.hosts, host)), SELF_HOSTED)
