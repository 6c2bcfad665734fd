"""`mlci deploy ENV`."""

from __future__ import annotations

import click

from mlci.cli.common import State, project_options, run_steps
from mlci.cli.environments import check


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @click.option(
        "--resume/--restart",
        default=False,
        help="What becomes of a canary that a killed deployment left: it goes on with its evidence, or starts over.  "
        "[default: --restart]",
    )
    @project_options
    @click.pass_obj
    def deploy(state: State, environment: str, resume: bool, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.steps import Deploy

        project = state.project(overrides)
        check(project, environment)
        return run_steps(state, project, [Deploy(environment, resume=resume)], as_json=as_json)

    return deploy
