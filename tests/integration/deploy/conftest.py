"""A deployment that cannot outlive its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci import deploy as delivery
from tests.integration.deploy.deploykit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home" / "production", tmp_path / "images")
    yield made
    delivery.stop(made.folder)
    assert made.processes() == []
