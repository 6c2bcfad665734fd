"""Annotations: lines that a GitHub runner reads from a step's output and shows at a place of a file.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SHOWN = 10
"""A runner keeps so many of each level from one step and drops the rest without a word."""


@dataclass(frozen=True)
class Annotation:
    """A remark on a line (1-based; None: on the whole file)."""

    level: Literal["error", "warning", "notice"]
    title: str
    message: str
    file: Path
    line: int | None = None

    def command(self) -> str:
        """The line for the runner. Nothing in the message or the names can end it or begin another one."""
        properties = {"file": _in_workspace(self.file), "line": self.line, "title": self.title}
        said = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None)
        return f"::{self.level} {said}::{_data(self.message)}"


def on_runner() -> bool:
    """Whether a GitHub runner reads the output."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def commands(annotations: Sequence[Annotation]) -> list[str]:
    """The lines for a runner, errors first. Where a level has more than it keeps, its last one says how many more."""
    return [line for level in ("error", "warning", "notice") for line in _level(level, annotations)]


def _level(level: str, annotations: Sequence[Annotation]) -> list[str]:
    found = [annotation for annotation in annotations if annotation.level == level]
    if len(found) <= _SHOWN:
        return [annotation.command() for annotation in found]
    last = found[_SHOWN - 1]
    more = Annotation(last.level, "more", f"and {len(found) - _SHOWN + 1} more, in the step's log", last.file)
    return [annotation.command() for annotation in (*found[: _SHOWN - 1], more)]


def _in_workspace(file: Path) -> str:
    """The path from the checkout's root, which is how GitHub knows the file."""
    try:
        return file.resolve().relative_to(Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()).as_posix()
    except ValueError:
        return file.as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
