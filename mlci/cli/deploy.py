"""`mlci deploy ENV`."""

from __future__ import annotations

import click

from mlci.cli.common import State, project_options, run_steps
from mlci.cli.environments import check


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @project_options
    @click.pass_obj
    def deploy(state: State, environment: str, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.steps import Deploy

        project = state.project(overrides)
        check(project, environment)
        return run_steps(state, project, [Deploy(environment)], as_json=as_json)

    return deploy
