"""Small tables and contracts, written as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlci.contract import Contract, load


@pytest.fixture
def contract(tmp_path: Path) -> Callable[..., Contract]:
    """A contract from the text of a YAML file, or from its properties."""

    def make(text: str = "", **parts: Any) -> Contract:
        file = tmp_path / "contract.yaml"
        file.write_text(text or json.dumps(parts), encoding="utf-8")
        return load(file)

    return make


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., Path]:
    """A Parquet file from a query."""

    def write(query: str, name: str = "data.parquet") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
        return file

    return write


@pytest.fixture
def text(tmp_path: Path) -> Callable[..., Path]:
    """A text file."""

    def write(content: str | bytes, name: str = "data.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write
