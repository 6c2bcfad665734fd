"""What a GitHub runner gives and takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlci.github.annotations import Annotation, commands, on_runner

__all__ = ["Annotation", "add_summary", "commands", "on_runner"]

_LIMIT = 1_000_000
"""A step's summary may have 1 MiB."""


def add_summary(markdown: Callable[[], str]) -> None:
    """Append to the job's summary page; outside GitHub nothing happens, and the text is not even made."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        text = markdown().encode()[:_LIMIT].decode("utf-8", "ignore")
        with suppress(OSError), Path(file).open("a", encoding="utf-8") as out:
            out.write(text + "\n")
