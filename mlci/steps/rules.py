"""The rules of the gate as its receipt keeps them: the policy asks that a pass was given under the rules of now."""

from __future__ import annotations

from typing import Any

from mlci.config import Project


def judged_by(project: Project) -> dict[str, Any]:
    """What of `gate` decides; the timeout does not."""
    return {key: value for key, value in project.raw["gate"].items() if key != "timeout"}
