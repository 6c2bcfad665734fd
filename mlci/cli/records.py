"""Records of the project's store, for the commands that only read."""

from __future__ import annotations

from mlci.config import Project
from mlci.errors import UsageError
from mlci.evidence import results
from mlci.evidence.record import Run
from mlci.steps.repository import open_repository
from mlci.store import FolderStore, NotFound, Store


def open_store(project: Project) -> Store:
    """The project's store; raises UsageError where nothing ran yet."""
    folder = project.root / ".mlci" / "store"
    if not folder.is_dir():
        raise UsageError("nothing ran in this project yet", help="`mlci run` makes a model and an image")
    return FolderStore(folder)


def open_images(project: Project) -> Store:
    """The store of the project's images: the repository of `image.repository`, or the project's store."""
    return open_repository(project) or open_store(project)


def run_by_id(store: Store, run_id: str | None) -> Run:
    """A run by its id, or the newest one."""
    known = results.runs(store)
    if not known:
        raise UsageError("nothing ran in this project yet", help="`mlci run` makes a model and an image")
    try:
        return results.load_run(store, run_id or known[-1])
    except NotFound as error:
        raise UsageError(f"there is no run {run_id!r}", help=f"the newest are {', '.join(known[-3:])}") from error
