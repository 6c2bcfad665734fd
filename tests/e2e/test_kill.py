"""kill -9 at random moments: the next run goes on, to the same digests, on a whole store."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from mlci.store import FolderStore
from tests.conftest import TinyProject

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
KILLS = 20


def test_killed_runs_lose_nothing(tiny: TinyProject) -> None:
    began = time.monotonic()
    reference = tiny.mlci("run", "--to", "production", "--json")
    seconds = time.monotonic() - began
    assert reference.code == 0, reference.err
    expected = _digests(reference.json)
    assert tiny.mlci("stop").code == 0
    subprocess.run(["rm", "-rf", str(tiny.root / ".mlci"), str(tiny.root / "build")], check=True)

    chance = random.Random(7)
    for _ in range(KILLS):
        with tiny.start("run", "--to", "production") as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=chance.uniform(0.1, seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        assert FolderStore(tiny.root / ".mlci" / "store").verify() == []

    final = tiny.mlci("run", "--to", "production", "--json")
    assert final.code == 0, final.err
    assert _digests(final.json) == expected


def _digests(run: dict) -> dict[str, str]:
    wanted = {"train", "build", "promote:production", "deploy:production"}
    return {s["name"]: s["receipt"]["subject"][0]["digest"]["sha256"] for s in run["steps"] if s["name"] in wanted}
