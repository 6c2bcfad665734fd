"""Who made a record, where, from what: the commit, the person or the CI run, the versions."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any


def now() -> str:
    """The time in UTC, RFC 3339 with microseconds, so that records sort by it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=8)
def source(root: Path) -> dict[str, Any]:
    """The git commit of a folder and whether the tree had changes; empty where there is no git."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {}
    return {"commit": commit.strip(), "dirty": bool(_git(root, "status", "--porcelain", "--", "."))}


def last_change(root: Path, file: str) -> dict[str, str]:
    """The commit that last changed a file: `commit`, `who` and `at` (RFC 3339); empty where git does not know.

    Without `commit` the file has changes that are not committed. In a shallow clone the oldest commit seems to have
    made everything, so it says nothing.
    """
    found = _git(root, "log", "-1", "--format=%H%x00%P%x00%an%x00%cI", "--", file)
    if not found:
        return {}
    if _git(root, "status", "--porcelain", "--", file):
        return {"commit": ""}
    commit, parents, who, at = found.strip().split("\0")
    if not parents and _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        return {}
    return {"commit": commit, "who": who, "at": at}


@lru_cache(maxsize=1)
def builder() -> dict[str, Any]:
    """The person and the machine, or the CI run, and the versions of what ran."""
    from importlib.metadata import version

    env = os.environ
    who: dict[str, Any] = {"user": _user(), "host": socket.gethostname()}
    if env.get("GITHUB_ACTIONS") == "true":
        server = env.get("GITHUB_SERVER_URL", "https://github.com")
        repository = f"{server}/{env.get('GITHUB_REPOSITORY')}"
        who = {"user": env.get("GITHUB_ACTOR", ""), "ci": f"{repository}/actions/runs/{env.get('GITHUB_RUN_ID')}"}
        who |= {"repository": repository, "ref": env.get("GITHUB_REF", "")}
        who |= {"workflow": f"{server}/{env['GITHUB_WORKFLOW_REF']}"} if env.get("GITHUB_WORKFLOW_REF") else {}
    who["versions"] = {
        "mlci": version("mlci"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}".lower(),
    }
    return who


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        return str(os.getuid())


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
