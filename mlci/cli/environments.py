"""Environments named on the command line."""

from __future__ import annotations

from mlci.config import Project
from mlci.errors import UsageError


def check(project: Project, environment: str) -> list[str]:
    """The environments before this one, in order; raises UsageError when the config has no such environment."""
    names = list(project.config.environments)
    if environment not in names:
        known = ", ".join(names) or "none"
        raise UsageError(
            f"there is no environment {environment!r} in {project.file.name}", help=f"environments: {known}"
        )
    return names[: names.index(environment)]
