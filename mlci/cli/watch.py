"""The live view of `mlci status ENV --watch`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlci.deploy.controller import Status

LOOK = 0.5
"""Seconds between two looks."""


def watch(folder: Path, *, as_json: bool) -> None:
    """Show the environment of this folder anew at each change.

    On a terminal until it is interrupted; elsewhere, a block or a line of JSON for each change, until no deployment is
    under way.
    """
    from mlci import deploy
    from mlci.deploy import progress, view

    live, last = sys.stdout.isatty() and not as_json, ""
    while True:
        running = progress.pid_of(folder)
        status, now = deploy.status(folder) if folder.is_dir() else None, progress.load(folder)
        text = json.dumps(_plain(status, now, running)) if as_json else "\n".join(view.lines(status, now, running))
        if live:
            click.echo(f"\033[H\033[J{text}")
        elif text != last:
            click.echo(text if as_json else f"{text}\n")
        last = text
        if not live and running is None:
            return
        time.sleep(LOOK)


def _plain(status: Status | None, now: Any, running: int | None) -> dict[str, Any]:
    from dataclasses import asdict

    point = now.point if now and status and status.canary else None
    return {"deployment": asdict(status) if status else None, "controller": running, "canary": point}
