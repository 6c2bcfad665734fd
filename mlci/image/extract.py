"""The entries of layers, one after the other, onto a folder that nothing may leave.

Two rules keep everything inside, whatever the order of the entries. An entry is written into the real folder that its
path leads to, and only if that is inside. A symbolic link may climb only at its start, and no higher than the root:
so at every moment following any link from any real folder ends inside.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mlci.errors import WorldError

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_LONGEST = 4096
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)


class UnsafeLayer(WorldError):
    """A layer that would do what a layer must not, or is none."""


class Tree:
    """The files of an image while its layers are applied. `root` is a real path, and its only writer is this."""

    def __init__(self, root: Path, most_entries: int) -> None:
        self._root = root
        self._left = most_entries
        self._fresh: set[Path] = set()

    def next_layer(self) -> None:
        """From here on, whiteouts hide what was there before."""
        self._fresh.clear()

    def apply(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """Write one entry, or remove what it says; raises UnsafeLayer before anything is written for it."""
        self._left -= 1
        if self._left < 0:
            raise UnsafeLayer("the image has too many files")
        if member.type not in (*_FILES, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE) or member.sparse:
            raise UnsafeLayer(f"{member.name!r} is a device, a pipe or something else that cannot be unpacked")
        name = _parts(member.name)
        if not name:
            return
        parent = self._folder(name[:-1], member.name)
        target = parent / name[-1]
        if target.name.startswith(_WHITEOUT):
            self._remove_hidden(parent, target.name, member.name)
            return
        link = self._judged_link(member, parent)
        parent.mkdir(parents=True, exist_ok=True)
        self._write(member, archive, target, link)
        self._fresh.update((target, *(folder for folder in target.parents if folder != self._root)))

    def _write(self, member: tarfile.TarInfo, archive: tarfile.TarFile, target: Path, link: Path | str) -> None:
        if member.isdir():
            if not target.is_dir() or target.is_symlink():
                _remove(target)
                target.mkdir()
            target.chmod(0o755)
            return
        if link == target:
            return  # a hard link to itself
        _remove(target)
        if isinstance(link, Path):
            os.link(link, target, follow_symlinks=False)
        elif member.issym():
            target.symlink_to(link)
        else:
            source = archive.extractfile(member)
            assert source is not None
            with source, target.open("xb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
            target.chmod(0o755 if member.mode & 0o111 else 0o644)

    def _folder(self, parts: tuple[str, ...], name: str) -> Path:
        """The real folder behind a path; it need not exist yet."""
        try:
            real = self._root.joinpath(*parts).resolve()
            with suppress(FileNotFoundError, NotADirectoryError):
                real.stat()  # from Python 3.13 on, a loop is only seen here
        except (OSError, RuntimeError) as error:
            raise UnsafeLayer(f"{name!r} leads through a loop of links") from error
        if not real.is_relative_to(self._root):
            raise UnsafeLayer(f"{name!r} leads out of the image")
        return real

    def _judged_link(self, member: tarfile.TarInfo, parent: Path) -> Path | str:
        """Where a link goes: a file for a hard link, the text of a symbolic one; empty for other entries."""
        if member.islnk():
            name = _parts(member.linkname)
            source = self._folder(name[:-1], member.linkname) / (name[-1] if name else "")
            if not (source.exists() and stat.S_ISREG(source.lstat().st_mode)):
                raise UnsafeLayer(
                    f"{member.name!r} is a hard link to {member.linkname!r}, which is no file of the image"
                )
            return source
        if member.issym() and not _stays(member.linkname, depth=len(parent.relative_to(self._root).parts)):
            shown = member.linkname[:40]
            raise UnsafeLayer(f"{member.name!r} is a link to {shown!r}, which may lead out of the image")
        return member.linkname if member.issym() else ""

    def _remove_hidden(self, parent: Path, whiteout: str, name: str) -> None:
        """Remove from the layers before what a whiteout names (layer.md, "Whiteouts")."""
        if whiteout == _OPAQUE:
            for child in list(parent.iterdir()) if parent.is_dir() else ():
                self._hide(child)
            return
        victim = whiteout.removeprefix(_WHITEOUT)
        if victim in ("", ".", ".."):
            raise UnsafeLayer(f"{name!r} hides nothing that can be hidden")
        self._hide(parent / victim)

    def _hide(self, path: Path) -> None:
        if path not in self._fresh:
            _remove(path)
        elif path.is_dir() and not path.is_symlink():
            for child in list(path.iterdir()):
                self._hide(child)


def _parts(name: str) -> tuple[str, ...]:
    if len(name) > _LONGEST:
        raise UnsafeLayer(f"a path has {len(name):,} characters: {name[:40]!r}…")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise UnsafeLayer(f"{name!r} leads out of the image")
    return pure.parts


def _stays(link: str, depth: int) -> bool:
    """Whether a symbolic link in a real folder `depth` below the root can only lead to what is below the root."""
    steps = [step for step in link.split("/") if step not in ("", ".")]
    climb = next((i for i, step in enumerate(steps) if step != ".."), len(steps))
    text = 0 < len(link) <= _LONGEST and not link.startswith("/") and "\0" not in link
    return text and climb <= depth and ".." not in steps[climb:]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
