"""`mlci.lock`: what the image is made of, by digest, so that it can be built again to the bit. It belongs under git.

`base` pins the image to build on; `inputs` and `image` are those of the build that was recorded last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlci.errors import ConfigError, Problem
from mlci.files import write_atomic

NAME = "mlci.lock"
_VERSION = 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Lock:
    """Digests (`sha256:…`): of bases by their name in `mlci.yaml`, of a build's inputs by name, and of its image."""

    base: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None


def read_lock(root: Path) -> Lock:
    """The lock of a project's folder, empty where there is none; raises ConfigError when it cannot be read."""
    file = root / NAME
    try:
        found = json.loads(file.read_bytes())
        if found.pop("version") != _VERSION:
            raise ValueError("it is of another version")
        lock = Lock(**found)
        digests = {**lock.base, **lock.inputs}.values()
        wrong = [one for one in (*digests, lock.image) if one is not None and not _DIGEST.fullmatch(str(one))]
        if wrong:
            raise ValueError(f"{str(wrong[0])[:80]!r} is no digest")
    except FileNotFoundError:
        return Lock()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        help = "put back the one under version control, or delete it and run `mlci lock`"
        raise ConfigError([Problem(file, 1, 1, f"this lock cannot be read: {error}", help)]) from error
    return lock


def write_lock(root: Path, lock: Lock) -> None:
    """Replace the lock, whole."""
    document = {"version": _VERSION, **asdict(lock)}
    write_atomic(root / NAME, json.dumps(document, indent=2, sort_keys=True) + "\n")
