"""One run of a step at a time in a project, whoever starts it; the system frees the lock when its holder dies."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlci.errors import Interrupted
from mlci.files import try_lock


@contextmanager
def held(file: Path, *, stop: threading.Event, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock; gives its file descriptor, for children that must be dead before the next holder starts."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        said = False
        while not try_lock(handle):
            if not said:
                say("waiting for another run of this step")
                said = True
            if stop.is_set():
                raise Interrupted("stopped while waiting for another run")
            time.sleep(0.1)
        yield handle
    finally:
        os.close(handle)
