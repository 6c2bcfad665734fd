"""Whose results a run may use, and who may use its own: `main`, one pull request, one branch, or people's machines.

What `main` uses is written by runs of the default branch alone. A run that cannot show that it is one of these, writes
where `main` does not look. With `store.trust` the signature says whose a result is, so `main` looks there too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAIN, PEOPLE = "", "dev."
_OF_MAIN = ("push", "schedule", "workflow_dispatch")
"""GitHub's events that, on the default branch, run what is merged there; others may have checked out anything."""
_MOST_EVENT = 32 << 20
_LONGEST_TAG = 128


@dataclass(frozen=True)
class Scope:
    """What the tags begin with: of the results that are written, and of those that are used, in order."""

    writes: str
    reads: tuple[str, ...]


def scope(*, trust: bool, env: Mapping[str, str] = os.environ) -> Scope:
    """The scope of this process; `trust`: only results that somebody trusted has signed will be used."""
    own = _own(env)
    people = (PEOPLE,) if trust else ()
    return Scope(own, tuple(dict.fromkeys((own, MAIN, *people))))


def tag(scope: str, step: str, key: str) -> str:
    """The name of a step's result in the shared store: `result-STEP-KEY`, `pr-12.result-STEP-KEY`."""
    found = f"{scope}result-{step.replace(':', '.')}-{key}"
    if len(found) > _LONGEST_TAG:
        found = f"{scope}result-{step.partition(':')[0]}.{hashlib.sha256(step.encode()).hexdigest()[:16]}-{key}"
    return found


def default_branch(env: Mapping[str, str] = os.environ) -> str | None:
    """The name of the repository's default branch, as GitHub and GitLab tell it to a job; None elsewhere."""
    if env.get("GITLAB_CI") == "true":
        return env.get("CI_DEFAULT_BRANCH") or None
    repository = _payload(env.get("GITHUB_EVENT_PATH", "")).get("repository") if env.get("GITHUB_ACTIONS") else None
    name = repository.get("default_branch") if isinstance(repository, dict) else None
    return name if isinstance(name, str) and name else None


def _own(env: Mapping[str, str]) -> str:
    if env.get("GITHUB_ACTIONS") == "true":
        return _github(env)
    if env.get("GITLAB_CI") == "true":
        if number := env.get("CI_MERGE_REQUEST_IID"):
            return f"pr-{number[:9]}."
        ours = env.get("CI_COMMIT_BRANCH") and env.get("CI_COMMIT_BRANCH") == env.get("CI_DEFAULT_BRANCH")
        return MAIN if ours else _ref(env.get("CI_COMMIT_REF_NAME", ""))
    return PEOPLE


def _github(env: Mapping[str, str]) -> str:
    """By the event first: in `pull_request_target` GITHUB_REF is the branch that the request is for."""
    event, ref = env.get("GITHUB_EVENT_NAME", ""), env.get("GITHUB_REF", "")
    payload = _payload(env.get("GITHUB_EVENT_PATH", ""))
    number = payload.get("number") if event.startswith("pull_request") else None
    if not isinstance(number, int) and (found := re.fullmatch(r"refs/pull/([0-9]{1,9})/\w+", ref)):
        number = int(found[1])
    if isinstance(number, int):
        return f"pr-{number}."
    default = default_branch(env)
    if event in _OF_MAIN and default and ref == f"refs/heads/{default}":
        return MAIN
    return _ref(f"{event} {ref}")


def _payload(file: str) -> dict[str, Any]:
    """What GitHub tells of the event; empty where it cannot be read."""
    try:
        with Path(file).open("rb") as stream:
            found = json.loads(stream.read(_MOST_EVENT))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _ref(name: str) -> str:
    return f"ref-{hashlib.sha256(name.encode()).hexdigest()[:8]}."
