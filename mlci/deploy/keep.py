"""The version before, kept running for a while: a shell that sleeps, and then this module, which ends it.

Whatever becomes of that shell, the next switch ends what was kept before it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from mlci.deploy import detached, drivers, state
from mlci.deploy.site import GRACE

_LATER = 'sleep "$0" && exec "$@"'
_WAIT = 3600.0
"""Seconds to wait for a deployment that is under way."""


def start(folder: Path, number: int, seconds: float) -> None:
    """End this revision in so many seconds, if it is still the one that is kept."""
    stop(folder)
    argv = ["/bin/sh", "-c", _LATER, f"{seconds:.3f}", sys.executable, "-m", __name__, str(folder), str(number)]
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "HOME") or k.startswith("DOCKER_")}
    detached.start(argv, cwd=folder, env=env, log=folder / "keep.log", lease=folder / "keep")


def stop(folder: Path) -> None:
    """Nothing is ended later any more."""
    detached.stop(folder / "keep", grace=1)


def end(folder: Path, number: int) -> None:
    """End the kept revision now, unless another one is kept by now."""
    now = state.load(folder)
    if now is None or now.kept != number:
        return
    with state.locked(folder, now.environment, wait=_WAIT):
        now = state.load(folder)
        if now is not None and now.kept == number:
            state.save(folder, replace(now, kept=None))  # from now on it is on its way out, whatever becomes of us
            drivers.driver(now.revisions[number].driver).stop(folder / "revisions" / str(number), GRACE)
            state.save(folder, replace(now, kept=None).without_revision(number))


if __name__ == "__main__":
    end(Path(sys.argv[1]), int(sys.argv[2]))
