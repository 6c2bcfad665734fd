"""A small project with real data, and mlci run on it as a user would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.enginekit import Engine, running_engine
from tests.registrykit import Proxy, RunningRegistry, proxy_before, running_registry

TINY = Path(__file__).parent / "projects" / "tiny"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class TinyProject:
    """A copy of tests/projects/tiny in a folder of its own."""

    root: Path

    def mlci(self, *arguments: str, **env: str) -> Done:
        """Run mlci to its end."""
        with self.start(*arguments, **env) as process:
            out, err = process.communicate(timeout=240)
        return Done(process.returncode, out, err)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start mlci in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlci", *arguments],
            cwd=self.root,
            env={**_environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one place in a file."""
        text = (self.root / file).read_text()
        assert text.count(old) == 1
        (self.root / file).write_text(text.replace(old, new))

    def statuses(self, done: Done) -> dict[str, str]:
        """How each step of a `--json` run ended; a reused pass is `reused`."""
        return {
            s["name"]: "reused" if s["reused"] and s["status"] == "pass" else s["status"] for s in done.json["steps"]
        }


def _environment() -> dict[str, str]:
    """As a user has it: bytecode is kept, so that a command starts as fast as it does there."""
    return {"NO_COLOR": "1", **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}}


def tiny_data(file: Path, rows: int, seed: float) -> None:
    """Rows whose label follows x, with noise."""
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SELECT setseed(?)", [seed])
        connection.execute(
            "COPY (SELECT id, x, (u < 0.1 + 0.8 * x)::INTEGER AS label FROM"
            " (SELECT range AS id, round(random(), 6) AS x, random() AS u FROM range(?)) ORDER BY id)"
            f" TO '{file}' (FORMAT parquet)",
            [rows],
        )


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with its data, made once."""
    root = tmp_path_factory.mktemp("source") / "tiny"
    shutil.copytree(TINY, root)
    (root / "data").mkdir()
    tiny_data(root / "data" / "train.parquet", 4000, 0.1)
    tiny_data(root / "data" / "holdout.parquet", 3000, 0.2)
    return root


@pytest.fixture
def tiny(tiny_source: Path, tmp_path: Path) -> TinyProject:
    """A fresh copy of the small project; whatever it serves is stopped at the end."""
    project = TinyProject(tmp_path / "tiny")
    shutil.copytree(tiny_source, project.root)
    yield project
    if (project.root / ".mlci" / "deploy").is_dir():
        assert project.mlci("stop").code in (0, 2)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A real registry without a login, shared by all tests: use a repository of one's own (`registry.repository()`)."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real Docker engine, shared by the tests of a file."""
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture
def proxy(registry: RunningRegistry) -> Iterator[Proxy]:
    """A proxy in front of that registry, which writes down what passes and can be told to misbehave."""
    with proxy_before(registry.host) as made:
        yield made
