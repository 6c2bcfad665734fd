"""Every way in which mlci stops, each with its exit code and the way out.

Exit codes: 0 done, 1 a verdict (not good enough), 2 config or usage, 3 the world is broken, 4 deployed and
taken back, 70 a fault of mlci itself, 130 interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OK, VERDICT, CONFIG, WORLD, ROLLED_BACK, FAULT, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130


class MlciError(Exception):
    """An end that a person can do something about: printed without a traceback.

    `message` says what was being done and what was found; `help` says what to do next.
    """

    exit_code = FAULT

    def __init__(self, message: str, *, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(MlciError):
    """The command or the project does not say what to do."""

    exit_code = CONFIG


class WorldError(MlciError):
    """Something outside the project failed: a command, a file, a process, the network."""

    exit_code = WORLD


class Interrupted(MlciError):
    """The person or the machine asked mlci to stop."""

    exit_code = INTERRUPTED


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: where it stands (1-based line and column), what is wrong, and the way out."""

    file: Path
    line: int
    column: int
    message: str
    help: str = ""
    path: str = "$"
    width: int = 1


class ConfigError(MlciError):
    """One or more mistakes in `mlci.yaml` or a file it names; all of them at once."""

    exit_code = CONFIG

    def __init__(self, problems: Sequence[Problem]) -> None:
        n = len(problems)
        super().__init__(f"{n} mistake{'s' if n != 1 else ''} in the configuration")
        self.problems = tuple(problems)
