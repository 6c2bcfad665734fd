"""The Docker engine that answers here, by the package `docker`, with errors in mlci's words."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from mlci.errors import WorldError

TIMEOUT = 600
"""Seconds for one answer: an image is unpacked before the engine answers that it has it."""
_HELP = "start a Docker engine (`docker info` says whether there is one)"


class Gone(Exception):
    """The engine has no such thing (any more)."""


class Refused(Exception):
    """The engine cannot do it; the message is its own."""


class Engine:
    """The engine's API (`docker.APIClient`), raising `Gone` for what is not there and `Refused` for what cannot be."""

    Gone, Refused = Gone, Refused

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        from functools import wraps

        method = getattr(self._client, name)

        @wraps(method)
        def call(*arguments: Any, **options: Any) -> Any:
            with _translated():
                return method(*arguments, **options)

        return call

    def gpus(self, count: int) -> Any:
        """A request for so many GPUs."""
        from docker.types import DeviceRequest

        return DeviceRequest(count=count, capabilities=[["gpu"]])


@contextmanager
def _translated() -> Iterator[None]:
    import docker.errors

    try:
        yield
    except docker.errors.NotFound as error:
        raise Gone(str(error.explanation)) from error
    except docker.errors.APIError as error:
        raise Refused(str(error.explanation or error)) from error


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine that DOCKER_HOST names, or the machine's own.

    Raises WorldError where none answers, where it is on another machine (the proxy could not reach its ports), and for
    whatever it refuses in the body.
    """
    try:
        import docker
        import docker.errors
    except ImportError:
        raise WorldError("the driver `docker` needs the package docker", help="pip install 'mlci[docker]'") from None
    try:
        client = _client(os.environ.get("DOCKER_HOST", ""))
    except docker.errors.DockerException as error:
        raise WorldError(f"no Docker engine answers here: {error}", help=_HELP) from error
    try:
        host = urlsplit(client.base_url)
        if not host.scheme.startswith("http+") and host.hostname not in ("localhost", "127.0.0.1", "::1"):
            what = (
                f"the Docker engine is on another machine ({host.hostname}), where the proxy cannot reach a container"
            )
            raise WorldError(what, help="run mlci there, or unset DOCKER_HOST")
        yield Engine(client)
    except (Gone, Refused) as error:
        raise WorldError(f"the Docker engine says: {error}") from error
    except (docker.errors.DockerException, OSError) as error:
        raise WorldError(f"the Docker engine does not answer any more: {error}", help=_HELP) from error


@lru_cache(maxsize=4)
def _client(_host: str) -> Any:
    """One for each host, its connections kept: a canary's servers are looked at several times a second."""
    import docker

    client = docker.from_env(version="auto", timeout=TIMEOUT).api
    atexit.register(client.close)
    return client
