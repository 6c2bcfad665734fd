"""`mlci logs ENV [--follow] [--tail N]`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from mlci.cli.common import State, project_options


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until it is interrupted.")
    @click.option(
        "--tail", type=click.IntRange(0), default=100, show_default=True, metavar="N", help="The last lines of each."
    )
    @project_options
    @click.pass_obj
    def logs(
        state: State, environment: str, follow: bool, tail: int, overrides: tuple[str, ...], as_json: bool
    ) -> None:
        from mlci.cli.environments import check
        from mlci.deploy.logs import logs

        project = state.project(overrides)
        check(project, environment)
        for line in logs(project.root / ".mlci" / "deploy" / environment, tail=tail, follow=follow):
            click.echo(json.dumps(asdict(line)) if as_json else f"r{line.revision}/{line.server} | {line.text}")

    return logs
