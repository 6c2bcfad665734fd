"""`mlci plan [--to ENV]`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from mlci.cli.common import State, project_options


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.option("--to", metavar="ENV", help="Plan on to this environment.")
    @project_options
    @click.pass_obj
    def plan(state: State, to: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci.cli.output import table
        from mlci.cli.progress import watcher
        from mlci.engine import Session, graph, outlooks

        project = state.project(overrides)
        with watcher([], quiet=True) as observer:
            found = outlooks(Session(project, observer), graph(project, to=to))
        if as_json:
            click.echo(json.dumps([asdict(outlook) for outlook in found], indent=2))
        else:
            click.echo(table([(o.step, o.action, "; ".join(o.reasons)) for o in found]))

    return plan
