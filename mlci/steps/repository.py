"""Where images are when that is a registry: `image.repository`, and an environment's own; and what a person is told
when it does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.config import Project
from mlci.errors import Interrupted, UsageError, WorldError
from mlci.steps.protocol import Context
from mlci.store import FolderStore, Store

if TYPE_CHECKING:
    from mlci.store.registry import Reference

Places = Callable[[str | None], Store | None]
"""The repository of an environment, or of the images (None); None where that is the local store."""


def reference_of(project: Project, environment: str | None = None) -> Reference | None:
    """The name of an environment's repository, or of the images', read; None where that is the local store.

    Raises UsageError when it is none.
    """
    config = project.config
    where, name = "image.repository", config.image.repository if config.image else None
    if environment in config.environments and config.environments[environment].repository:
        where, name = f"environments.{environment}.repository", config.environments[environment].repository
    if name is None:
        return None
    from mlci.store.registry.reference import parse_reference

    reference = parse_reference(name)
    if reference.tag or reference.digest:
        raise UsageError(
            f"{where} has a tag or a digest, and mlci sets the tags itself", help=f"write {reference.name}"
        )
    return reference


def source_of(ctx: Context, place: Store, digest: str) -> str:
    """Where an image can be had, in the words of `mlci.store.locate`: for who must find it without this context."""
    name = getattr(place, "name", None)
    return f"{name}@{digest}" if name else f"oci:{ctx.home.resolve() / 'store'}@{digest}"


def mistakes(project: Project) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is wrong with the names: where, what, the way out."""
    own = [name for name, environment in project.config.environments.items() if environment.repository]
    for environment in (None, *own):
        try:
            reference_of(project, environment)
        except UsageError as error:
            where = ("environments", environment) if environment else ("image",)
            yield (*where, "repository"), error.message, error.help


def places_of(project: Project) -> Places:
    """What gives each repository, remembered in the project's folder: always the same, made when first asked for.

    Nothing is asked of a registry yet. It raises UsageError for a name that cannot be.
    """
    lock, made = threading.Lock(), dict[str, Store]()

    def place(environment: str | None) -> Store | None:
        reference = reference_of(project, environment)
        if reference is None:
            return None
        from mlci.store.registry import Remembered

        with lock:
            if reference.name not in made:
                home = ignore_home(project)
                made[reference.name] = Remembered(reference, home / "registry", FolderStore(home / "store"))
            return made[reference.name]

    return place


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
