"""A project in a folder, written by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlci.config import load
from mlci.errors import ConfigError, Problem

HEAD = "version: 1\nproject: x\n"
Mistakes = Callable[..., list[Problem]]


@pytest.fixture
def mistakes(tmp_path: Path) -> Mistakes:
    """The problems of a text (after the two lines that every file has), with overrides."""

    def of(body: str, *overrides: str, head: str = HEAD) -> list[Problem]:
        file = tmp_path / "mlci.yaml"
        file.write_bytes((head + body).encode())
        try:
            load(file, overrides)
        except ConfigError as error:
            return list(error.problems)
        return []

    return of


@pytest.fixture
def whole() -> str:
    """A file that uses every section."""
    return (Path(__file__).parent / "whole.yaml").read_text()
