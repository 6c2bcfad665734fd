"""A deployment that cannot outlive its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci import deploy as delivery
from mlci.store import Descriptor, FolderStore
from tests.enginekit import Engine
from tests.integration.deploy.deploykit import Site
from tests.integration.deploy.dockerkit import DockerSite
from tests.pythonkit import python_layer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home" / "production", tmp_path / "images")
    yield made
    delivery.stop(made.folder)
    assert made.everything() == []


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Descriptor]:
    """A store with a layer that has Python, made once."""
    images = tmp_path_factory.mktemp("images")
    return images, python_layer(FolderStore(images))


@pytest.fixture
def docker_site(
    tmp_path: Path, engine: Engine, containers: tuple[Path, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> Iterator[DockerSite]:
    for name, value in engine.env.items():
        monkeypatch.setenv(name, value)
    images, base = containers
    made = DockerSite(tmp_path / "home" / "production", images, engine=engine, base=(base,))
    yield made
    delivery.stop(made.folder)
    assert (made.everything(), made.containers(), made.networks()) == ([], [], [])
