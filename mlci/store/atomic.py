"""How a store's files and folders appear: whole or not at all, also when a writer is killed or the power fails."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mlci.errors import WorldError
from mlci.files import try_lock

LEFTOVER_FILE = 3600.0
"""Seconds after which a temporary file has no living writer: writing a file touches it."""
LEFTOVER_FOLDER = 24 * 3600.0
"""The same for a folder, which is not touched by what is written deep inside it."""
LOCK_SECONDS = 60.0
"""How long to wait for a lock that is held for milliseconds."""


@contextmanager
def writing(what: Path) -> Iterator[None]:
    """Turns what the file system refuses into a WorldError that names the place."""
    try:
        yield
    except OSError as error:
        raise WorldError(
            f"cannot write {what}: {error.strerror}", help="look at the free space and the permissions there"
        ) from error


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel gives it back when its holder dies."""
    deadline = time.monotonic() + LOCK_SECONDS
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not try_lock(handle):
            if time.monotonic() > deadline:
                raise WorldError(
                    f"another process has held {file} for {LOCK_SECONDS:.0f} s", help="end it, then run again"
                )
            time.sleep(0.002)
        yield
    finally:
        os.close(handle)


@contextmanager
def temporary(folder: Path) -> Iterator[BinaryIO]:
    """An open file in `folder`; gone at the end unless `keep` has moved it."""
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    try:
        with Path(name).open("wb") as out:
            yield out
    finally:
        Path(name).unlink(missing_ok=True)


def keep(file: BinaryIO, path: Path, mode: int) -> None:
    """Give a temporary file its name, once its bytes are on the disk."""
    file.flush()
    os.fchmod(file.fileno(), mode)
    os.fsync(file.fileno())
    Path(file.name).replace(path)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, pattern: str, age: float) -> None:
    """Remove what killed writers left behind, `age` seconds ago or more."""
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < age:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


@contextmanager
def fresh_folder(dest: Path) -> Iterator[Path]:
    """A temporary folder beside `dest` that becomes `dest` at the end; nothing is left of it after an error.

    When somebody else has made `dest` in the meantime, theirs stays: `dest` is named by what is in it.
    """
    with writing(dest.parent):
        dest.parent.mkdir(parents=True, exist_ok=True)
        sweep(dest.parent, ".making-*", LEFTOVER_FOLDER)
        work = Path(tempfile.mkdtemp(dir=dest.parent, prefix=".making-"))
    try:
        yield work
        with writing(dest):
            work.chmod(0o755)
            os.sync()  # one for thousands of files; each alone would wait for the disk
            try:
                work.rename(dest)
            except OSError:
                if not dest.is_dir():
                    raise
            sync_folder(dest.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
