"""What a suite is: a module, or an object, with the four functions of `Kind`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mlci.config.judging import Columns
from mlci.config.judging import Suite as Options

Severity = Literal["error", "warn", "note"]


@dataclass(frozen=True)
class Found:
    """One finding: what is wrong, how bad it is, how it shows, and what was checked.

    `crashed` marks a check that gave no verdict: it is an error whatever severity the suite has.
    """

    title: str
    severity: Severity
    detail: str = ""
    checked: str = ""
    crashed: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a suite found, how many checks gave a verdict, and its page where it makes one."""

    findings: tuple[Found, ...]
    checks: int
    html: Path | None = None


@dataclass(frozen=True)
class Wants:
    """What a suite reads of the training data; the holdout and the predictions for it are always there.

    `train`: never, where `train` of the suite names it, also where the training reads one dataset, or not without.
    `predictions`: what the challenger says of the training data too.
    """

    train: Literal["no", "named", "known", "required"] = "no"
    predictions: bool = False


@dataclass(frozen=True)
class Rows:
    """A table, and what the challenger says of its rows in the same order, as Parquet; `of`: rows before a sample."""

    table: Path
    predictions: Path | None
    rows: int
    of: int


@dataclass(frozen=True)
class Job:
    """One suite to run. `folder` is empty and for its files, `root` the project, `env` the environment of commands."""

    argument: str
    options: Options
    holdout: Rows
    train: Rows | None
    columns: Columns
    task: str
    root: Path
    folder: Path
    env: Mapping[str, str]
    log: Path
    say: Callable[[str], None]
    stop: threading.Event
    lock: int | None = None


class Kind(Protocol):
    """A kind of suite. `argument` is what stands after the colon in `kind:argument`."""

    def mistake(self, argument: str, options: Options, task: str) -> tuple[str, str] | None:
        """What is wrong with how the suite is asked for, in a gate of that task, and the way out; None if nothing."""
        ...

    def identity(self, argument: str) -> str:
        """What decides besides the options and the data: a version, or a digest. It goes into the step's key."""
        ...

    def wants(self, argument: str) -> Wants:
        """What the suite reads of the training data."""
        ...

    def run(self, job: Job) -> Outcome:
        """Run it. Raises WorldError when it cannot be run to its end."""
        ...
