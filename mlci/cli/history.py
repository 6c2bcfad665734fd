"""`mlci history [REF]`: an environment's promotions, or the lineage of one digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, project_options
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.store import Store


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("reference", required=False, metavar="[ENV|TAG|DIGEST]")
    @click.option("--at", "moment", metavar="TIME", help="What was there then: 2026-03-01, or 2026-03-01T14:30:00Z.")
    @project_options
    @click.pass_obj
    def history(
        state: State, reference: str | None, moment: str | None, overrides: tuple[str, ...], as_json: bool
    ) -> None:
        from mlci.cli.records import open_places

        project = state.project(overrides)
        place = open_places(project)
        known = list(project.config.environments)
        if reference is not None and reference not in known:
            if moment:
                raise UsageError("--at asks what was in an environment", help=f"environments: {', '.join(known)}")
            _lineage(project, place, reference, as_json=as_json)
            return
        names = [reference] if reference else known
        entries = [entry for one in names for entry in _promotions(project, place(one), one, moment)]
        if as_json:
            click.echo(json.dumps(entries, indent=2))
            return
        _print(entries, ["environment", "number", "from", "until", "digest", "who", "signer", "why"])
        for one in names:
            if behind := _behind(project, place(one), one):
                click.echo(f"{one}: {behind}")

    return history


def _promotions(project: Project, store: Store, environment: str, moment: str | None) -> list[dict[str, Any]]:
    from mlci.cli.moves import at, rows, signers
    from mlci.evidence import log

    read = log.read(store, environment, signers(project))
    if read.problems:
        click.echo(f"the history of {environment} does not hold: `mlci audit {environment}` says where", err=True)
    found = rows(environment, read.entries)
    return at(found, moment) if moment else found


def _behind(project: Project, store: Store, environment: str) -> str:
    """What MLflow has not been told of an environment; empty where it is told nothing, or all."""
    from mlci.steps.told import late

    mlflow, digest = project.config.tracking.mlflow, store.resolve(environment)
    return late(store, environment, digest) if mlflow and mlflow.model and digest else ""


def _lineage(project: Project, place: Callable[[str | None], Store], reference: str, *, as_json: bool) -> None:
    """Where one digest comes from, and where it was."""
    from mlci.cli.lineage import records, text
    from mlci.evidence.story import story

    found = story(*records(project, place, reference))
    click.echo(json.dumps(found, indent=2) if as_json else text(found))


def _print(entries: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    from mlci.cli.output import table

    cut = {"digest": 19, "when": 19, "from": 19, "until": 19}
    rows = [[str(entry[c] if entry[c] is not None else "-")[: cut.get(c)] for c in columns] for entry in entries]
    click.echo(table([columns, *rows]) if entries else "nothing yet")
