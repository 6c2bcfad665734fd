"""`mlci build [--check]`: the image, after the steps that it needs; or whether it is still the one of `mlci.lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, project_options, run_steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlci.config import Project
    from mlci.config.lock import Lock
    from mlci.evidence.receipt import Receipt


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.option("--force", is_flag=True, help="Run again, also where nothing has changed.")
    @click.option("--check", is_flag=True, help="Fail (1) unless the image is the one that mlci.lock holds.")
    @project_options
    @click.pass_obj
    def build(state: State, force: bool, check: bool, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.engine import graph, select
        from mlci.errors import OK, VERDICT

        project = state.project(overrides)
        locked = _locked(project) if check else None
        code = run_steps(state, project, select(graph(project), [name]), as_json=as_json, force=force)
        if locked is None or code != OK:
            return code
        different = _different(project, locked)
        click.echo("\n".join(different) or "the image is the one that mlci.lock holds", err=as_json)
        return VERDICT if different else OK

    return build


def _locked(project: Project) -> Lock:
    """The lock to check against, before anything is built."""
    from mlci.config.lock import read_lock
    from mlci.errors import UsageError

    lock = read_lock(project.root)
    if lock.image is None:
        raise UsageError("mlci.lock holds no image to check against", help="`mlci lock` records one")
    return lock


def _different(project: Project, lock: Lock) -> list[str]:
    """How the newest build differs from the lock, in lines for people; empty where it does not."""
    from mlci.cli.records import open_store
    from mlci.evidence import results

    built = results.last(open_store(project), "build")
    assert built is not None
    found = built.subjects["image"]
    if found == lock.image:
        return []
    return [f"the image is {found}, and mlci.lock holds {lock.image}", *_inputs(lock.inputs, built)]


def _inputs(locked: Mapping[str, str], built: Receipt) -> list[str]:
    now = {material.name: material.digest for material in built.materials}
    changed = [f"  {name}: changed" for name in now if name in locked and locked[name] != now[name]]
    new = [f"  {name}: new" for name in now if name not in locked]
    gone = [f"  {name}: no longer there" for name in locked if name not in now]
    return [*changed, *new, *gone] or ["  its inputs are the same: the settings of the image, or mlci, are not"]
