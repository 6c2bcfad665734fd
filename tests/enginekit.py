"""A Docker engine for tests: the one that answers here, or one of their own."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and the client of the package that it came with."""

    host: str
    client: str

    @property
    def env(self) -> dict[str, str]:
        """The variable by which mlci, and everybody, finds it."""
        return {"DOCKER_HOST": self.host}

    def docker(self, *arguments: str) -> str:
        """Run the client to its end; gives what it printed."""
        env = {**os.environ, **self.env}
        done = subprocess.run([self.client, *arguments], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running_engine(root: Path) -> Iterator[Engine]:
    """An engine with all of its files in `root`, ended at the end; or the machine's own where one answers."""
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker")
    assert client, "install docker.io, or start an engine"
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(client, host):
        yield Engine(host, client)
        return
    with _alone():
        yield from _started(root, client)


@contextmanager
def _alone() -> Iterator[None]:
    """One engine at a time on a machine: they would share its bridge."""
    with (Path(tempfile.gettempdir()) / "mlci-tests-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _started(root: Path, client: str) -> Iterator[Engine]:
    host = f"unix://{root}/docker.sock"
    argv = ["dockerd", "--host", host, "--data-root", f"{root}/data", "--exec-root", f"{root}/exec"]
    argv += ["--pidfile", f"{root}/pid"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not _answers(client, host):
            assert process.poll() is None and time.monotonic() < deadline, (root / "log").read_text()
            time.sleep(0.1)
        yield Engine(host, client)
    finally:
        process.terminate()
        process.wait(30)


def _answers(client: str, host: str) -> bool:
    env = {**os.environ, "DOCKER_HOST": host}
    return subprocess.run([client, "version"], env=env, capture_output=True, check=False).returncode == 0
