"""Files that a step reads: found by path or glob, named relative to the project, hashed once a change."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlci.config import Project
from mlci.errors import ConfigError, WorldError
from mlci.evidence.receipt import Material
from mlci.files import write_atomic

_CHUNK = 1 << 20
_MADE = {".git", ".mlci", "__pycache__"}
_SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within its timestamp's grain: its digest is not remembered."""


def expand(project: Project, pattern: str, where: tuple[str | int, ...]) -> list[Path]:
    """The files of a path, a folder or a glob, sorted; raises ConfigError, at `where`, when there is none."""
    path = project.root / pattern
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file()]
    elif path.is_file():
        return [path]
    else:
        names = glob.glob(pattern, root_dir=project.root, recursive=True)  # noqa: PTH207 - also takes absolute patterns
        found = [project.root / name for name in names if (project.root / name).is_file()]
    kept = sorted(p for p in found if not _made(project, p))
    if not kept:
        raise ConfigError([project.problem(where, f"no file matches {pattern!r}", f"looked in {project.root}")])
    return kept


def _made(project: Project, path: Path) -> bool:
    """What mlci, git, Python or the training itself makes is never an input of a folder or a glob."""
    outputs = project.config.train.outputs.values() if project.config.train else ()
    inside = any(path.is_relative_to(project.root / output) for output in outputs)
    return inside or path.suffix == ".pyc" or not _MADE.isdisjoint(path.relative_to(path.anchor).parts)


def relative(project: Project, path: Path) -> str:
    """The name of a file in keys and receipts: relative to the project, with forward slashes.

    What mlci.yaml names by an absolute path keeps it when it is outside: the way there from here is another elsewhere.
    """
    if not path.is_relative_to(project.root):
        real, root = path.resolve(), project.root.resolve()
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else path.as_posix()
    return Path(os.path.relpath(path, project.root)).as_posix()


def materials(project: Project, home: Path, files: Iterable[tuple[Path, str]]) -> tuple[Material, ...]:
    """Each file (with how it came to be read) as a material, hashed; the first reason for a file stands."""
    reasons: dict[Path, str] = {}
    for path, via in files:
        reasons.setdefault(path, via)
    digests = hash_files(list(reasons), home)
    return tuple(
        Material(relative(project, path), digest, reasons[path]) for path, digest in zip(reasons, digests, strict=True)
    )


def combined(parts: Sequence[Material]) -> str:
    """One digest for a set of files: over their names and contents."""
    raw = json.dumps(sorted((m.name, m.digest) for m in parts), separators=(",", ":"))
    return "sha256:" + hashlib.sha256(raw.encode()).hexdigest()


_lock = threading.Lock()


def hash_files(files: Sequence[Path], home: Path) -> list[str]:
    """`sha256:…` of each file. Digests are remembered by path, size, times and inode, in `home`."""
    with _lock:
        memory = _Memory(home / "digests.json")
        digests = [memory.digest(path) for path in files]
        memory.save()
    return digests


class _Memory:
    """Digests of files that have not changed since they were hashed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = False
        try:
            self._known: dict[str, list[object]] = json.loads(file.read_bytes())
        except (OSError, ValueError):
            self._known = {}

    def digest(self, path: Path) -> str:
        try:
            stat = path.stat()
            identity = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
            known = self._known.get(str(path))
            if known and known[1:] == identity:
                return str(known[0])
            digest = _sha256(path)
        except OSError as error:
            raise WorldError(f"cannot read {path}: {error.strerror}") from error
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS:
            self._known[str(path)] = [digest, *identity]
            self._changed = True
        return digest

    def save(self) -> None:
        if self._changed:
            write_atomic(self._file, json.dumps(self._known).encode())


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
    return "sha256:" + found.hexdigest()
