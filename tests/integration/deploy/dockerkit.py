"""The small servers as images in a store, and an environment that runs them as containers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mlci import deploy as delivery
from mlci.config.model import Container, Deploy
from mlci.deploy.drivers import docker
from mlci.store import Descriptor, FolderStore
from tests.enginekit import Engine
from tests.integration.deploy.deploykit import ROWS, SERVER, Site
from tests.pythonkit import files_layer, image_of


@dataclass
class DockerSite(Site):
    """One environment with the driver `docker`; `images` is the store."""

    engine: Engine = field(default_factory=lambda: Engine("", ""))
    base: tuple[Descriptor, ...] = ()

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.images)

    def built(self, name: str, cmd: list[str] | None = None, **env: Any) -> tuple[str, dict[str, Any]]:
        """The digest and config of an image whose server answers its name."""
        config = {
            "Cmd": cmd or ["python", "/app/serve.py"],
            "Env": ["PYTHONUNBUFFERED=1", "PORT=8080", *(f"{k}={v}" for k, v in {"NAME": name, **env}.items())],
            "WorkingDir": "/app",
            "Labels": {"dev.mlci.ready": "/healthz"},
        }
        code = files_layer(self.store, {"app/serve.py": SERVER.encode(), "app/name": name.encode()})
        return image_of(self.store, [*self.base, code], config), config

    def request(
        self, name: str, config: Deploy | None = None, cmd: list[str] | None = None, **env: Any
    ) -> delivery.Request:
        digest, image_config = self.built(name, cmd, **env)
        config = config or in_docker()
        rows = (lambda: ROWS) if config.replay else None
        source = f"oci:{self.images}@{digest}"
        return delivery.Request("production", digest, None, image_config, config, rows, source)

    def containers(self) -> list[dict[str, Any]]:
        """All of this environment, as the engine describes them."""
        where = f"label={docker.ENVIRONMENT}={self.folder}"
        ids = self.engine.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", where).split()
        return json.loads(self.engine.docker("inspect", *ids)) if ids else []

    def networks(self) -> list[str]:
        """Its networks."""
        return self.engine.docker("network", "ls", "--quiet", "--filter", f"label={docker.ENVIRONMENT}").split()


def in_docker(strategy: str = "blue-green", container: Container | None = None, **more: Any) -> Deploy:
    return Deploy(
        driver="docker", strategy=strategy, container=container or Container(), **{"ready_timeout": 20.0, **more}
    )
