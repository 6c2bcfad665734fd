"""Records of the project's store, for the commands that only read."""

from __future__ import annotations

from collections.abc import Callable

from mlci.config import Project
from mlci.errors import UsageError
from mlci.evidence import results
from mlci.evidence.record import Run
from mlci.steps.repository import places_of
from mlci.store import FolderStore, NotFound, Store


def open_store(project: Project) -> Store:
    """The project's store; raises UsageError where nothing ran yet."""
    folder = project.root / ".mlci" / "store"
    if not folder.is_dir():
        raise UsageError("nothing ran in this project yet", help="`mlci run` makes a model and an image")
    return FolderStore(folder)


def open_places(project: Project) -> Callable[[str | None], Store]:
    """What gives the store of an environment, or of the images (None): a repository, or the project's store."""
    places = places_of(project)

    def place(environment: str | None) -> Store:
        found = places(environment)
        return open_store(project) if found is None else found

    return place


def run_by_id(store: Store, run_id: str | None) -> Run:
    """A run by its id, or the newest one."""
    known = results.runs(store)
    if not known:
        raise UsageError("nothing ran in this project yet", help="`mlci run` makes a model and an image")
    try:
        return results.load_run(store, run_id or known[-1])
    except NotFound as error:
        raise UsageError(f"there is no run {run_id!r}", help=f"the newest are {', '.join(known[-3:])}") from error
