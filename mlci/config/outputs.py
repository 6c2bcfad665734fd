"""Where a training may write: inside the project, to paths of their own, never onto what it reads."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

Parts = tuple[str, ...]
_LEVELS = 100


def outputs(written: Mapping[str, str], read: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The outputs that cannot be: (name, what is wrong, the way out). Inputs are paths, folders or globs."""
    seen: dict[Parts, str] = {}
    for name, raw in written.items():
        path = _parts(raw)
        if not raw or path == (".",) or path[0] in ("", "..") or len(path) > _LEVELS:
            yield name, f"the output {raw!r} is not inside the project", "a path such as build/model, below mlci.yaml"
            continue
        if path in seen:
            yield name, f"the outputs {seen[path]!r} and {name!r} are the same path", "give each a path of its own"
        seen.setdefault(path, name)
        overlapping = next((pattern for pattern in read if _overlap(path, _parts(pattern))), None)
        if overlapping is not None:
            message = f"the output {raw!r} overlaps with the input {overlapping!r}"
            yield name, message, "write it to a folder of its own, such as build/"


def _parts(path: str) -> Parts:
    return tuple(posixpath.normpath(path).split("/"))


def _overlap(output: Parts, pattern: Parts) -> bool:
    """Whether an input is the output, lies inside it, or is a folder above it. A glob means files, not folders."""
    is_glob = any(sign in part for part in pattern for sign in "*?[")
    is_inside = pattern[: len(output)] == output
    is_above = not is_glob and (output[: len(pattern)] == pattern or pattern == (".",))
    return is_inside or is_above or (is_glob and len(pattern) <= _LEVELS and _matches(output, pattern))


@lru_cache(maxsize=1024)
def _matches(path: Parts, pattern: Parts) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or (bool(path) and _matches(path[1:], pattern))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])
