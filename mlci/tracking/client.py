"""Logs a step to a tracker that runs beside it, in a process of its own.

MLflow takes seconds to import; started together with a training it is ready before the training ends, and it
costs mlci no memory. The two speak JSON, a line each way. A tracker that fails never fails a step: what went
wrong is returned as text.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_READY = 30.0
"""Seconds to wait for the tracker's answer."""


class Tracker:
    """A tracker at work: it opens and closes one run, or adds to runs of before; what fails is in `problem`."""

    def __init__(self, uri: str, root: Path, log: Path) -> None:
        self.uri = uri
        self.problem = ""
        self._log = log
        with log.open("w") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlci.tracking.mlflow"],
                cwd=root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                env={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10", **os.environ},
                text=True,
                start_new_session=True,
            )

    def start(self, **fields: Any) -> None:
        """Open the run: project, params, tags."""
        self._send({"do": "start", "uri": self.uri, **fields})

    def finish(self, **fields: Any) -> str | None:
        """Log the metrics and close the run as FINISHED; returns its id."""
        self._send({"do": "finish", **fields})
        answer = self._answer("run_id")
        return str(answer["run_id"]) if answer else None

    def note(self, run_id: str, **fields: Any) -> dict[str, Any] | None:
        """Add metrics and tags to a run that was finished, and give its version of a registered model an alias.

        Returns `{"version": …}`, which is None where no model was asked for; None alone when it failed.
        """
        self._send({"do": "note", "uri": self.uri, "run_id": run_id, **fields})
        return self._answer("version")

    def close(self) -> None:
        """End the tracker; a run that is still open is closed as KILLED by its end of input."""
        try:
            self._process.communicate(timeout=_READY)
        except (subprocess.TimeoutExpired, ValueError, OSError):
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:
            self.problem = self.problem or self._last_words()

    def _answer(self, key: str) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        guard = threading.Timer(_READY, self._process.kill)
        guard.start()
        line = self._process.stdout.readline()
        guard.cancel()
        if not line:
            self.problem = self.problem or self._last_words()
            return None
        try:
            answer: dict[str, Any] = json.loads(line)
            return {key: answer[key]}
        except (ValueError, KeyError, TypeError):
            self.problem = self.problem or f"the tracker answered {line[:200]!r}"
            return None

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]  # other lines may follow it
        return without_password((errors or lines)[-1]) if lines else "the tracker ended without a word"


def without_password(uri: str) -> str:
    """A URI that can be kept: without user and password (RFC 3986, userinfo)."""
    return re.sub(r"(?<=://)[^/@]*@", "", uri)


@contextmanager
def tracked(uri: str | None, root: Path, log: Path) -> Iterator[Tracker | None]:
    """A tracker for the time of a step, or None where none is configured."""
    if uri is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    tracker = Tracker(uri, root, log)
    try:
        yield tracker
    finally:
        tracker.close()
