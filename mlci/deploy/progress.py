"""How far a canary is, on disk after every look: what `--resume` goes on from and `mlci status ENV --watch` shows.

It is not the journal: without it a canary starts over. So it is written without waiting for the disk, and one that
cannot be read, or belongs to another canary or plan, is none.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf, log
from pathlib import Path
from typing import Any

from mlci.deploy import analysis

FILE = "canary.json"


@dataclass(frozen=True)
class Progress:
    """A canary at its last look. `point` is the timeline's; `since` is the same of the step's first look."""

    revision: int
    plan: dict[str, Any]
    state: dict[str, Any]
    point: dict[str, Any]
    since: dict[str, Any]


def save(folder: Path, progress: Progress) -> None:
    """Write it beside the journal; nothing happens when the disk is full."""
    new = folder / f".{FILE}"
    with suppress(OSError):
        new.write_text(json.dumps(asdict(progress)))
        new.replace(folder / FILE)


def load(folder: Path) -> Progress | None:
    """What the last canary wrote, or None."""
    try:
        return Progress(**json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def forget(folder: Path) -> None:
    """The canary is over."""
    with suppress(OSError):
        (folder / FILE).unlink()


def plain(plan: analysis.Plan) -> dict[str, Any]:
    """The plan as JSON gives it back."""
    return dict(json.loads(json.dumps(asdict(plan))))


def resumed(folder: Path, revision: int, plan: analysis.Plan) -> analysis.State | None:
    """The evidence of this revision's canary by this plan, or None."""
    found = load(folder)
    if found is None or found.revision != revision or found.plan != plain(plan):
        return None
    try:
        return analysis.State.from_json(found.state)
    except (KeyError, TypeError, ValueError):
        return None


def seconds_to_go(progress: Progress) -> float | None:
    """Seconds until the evidence to go on is complete, if it grows as it did in this step; None where it does not."""
    now, then = progress.point, progress.since
    seconds = now["t"] - then["t"]
    if seconds <= 0 or not now["needed"]:
        return None
    longest = 0.0
    for name, value in now["clear"].items():
        missing = log(now["needed"]) - log(max(value, 1e-300))
        speed = (log(max(value, 1e-300)) - log(max(then["clear"].get(name, 1.0), 1e-300))) / seconds
        longest = max(longest, 0.0 if missing <= 0 else missing / speed if speed > 0 else inf)
    return None if longest == inf else longest


def rate(progress: Progress) -> float:
    """Requests per second in this step, of both versions."""
    now, then = progress.point, progress.since
    new = sum(now[who]["requests"] - then[who]["requests"] for who in ("stable", "canary"))
    seconds = now["t"] - then["t"]
    return float(new / seconds) if seconds > 0 else 0.0


def pid_of(folder: Path) -> int | None:
    """Who holds the environment's lock now: the controller, or its guard after it."""
    import fcntl

    try:
        handle = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(handle, 32, 0).decode().strip() or 0) or None
    finally:
        os.close(handle)
    return None
