"""`image.repository`: where images are when that is a registry; and what a person is told when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.config import Project
from mlci.errors import Interrupted, UsageError, WorldError
from mlci.steps.protocol import Context
from mlci.store import FolderStore, Store

if TYPE_CHECKING:
    from mlci.store.registry import Reference


def reference_of(project: Project) -> Reference | None:
    """The repository's name, read; None where images are in the local store. Raises UsageError when it is none."""
    image = project.config.image
    if image is None or image.repository is None:
        return None
    from mlci.store.registry.reference import parse_reference

    reference = parse_reference(image.repository)
    if reference.tag or reference.digest:
        raise UsageError(
            "image.repository has a tag or a digest, and mlci sets the tags itself", help=f"write {reference.name}"
        )
    return reference


def mistakes(project: Project) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is wrong with the name: where, what, the way out."""
    try:
        reference_of(project)
    except UsageError as error:
        yield ("image", "repository"), error.message, error.help


def open_repository(project: Project) -> Store | None:
    """The repository, remembered in the project's folder; None where images are in the local store. Nothing is asked.

    Raises UsageError for a name that cannot be.
    """
    reference = reference_of(project)
    if reference is None:
        return None
    from mlci.store.registry import Remembered

    home = ignore_home(project)
    return Remembered(reference, home / "registry", FolderStore(home / "store"))


def ignore_home(project: Project) -> Path:
    """The folder of what mlci keeps of a project, which git ignores from now on."""
    home = project.root / ".mlci"
    ignore = home / ".gitignore"
    if not ignore.is_file():
        home.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n")
    return home


@contextmanager
def asking(ctx: Context, what: str) -> Iterator[None]:
    """Around what asks the registry for something; its errors say so. The local store needs no such words."""
    try:
        yield
    except (Interrupted, UsageError):
        raise
    except WorldError as error:
        if ctx.images is ctx.store or ctx.project.config.image is None:
            raise
        place = f"asking image.repository ({ctx.project.config.image.repository}) {what}"
        raise WorldError(f"{place}: {error.message}", help=error.help) from error
