"""`mlci rollback ENV [--to N]`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options, run_steps
from mlci.cli.environments import check


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @click.option("--to", type=int, metavar="N", help="The number in the history.  [default: the digest before]")
    @policy_option
    @project_options
    @click.pass_obj
    def rollback(state: State, environment: str, to: int | None, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.steps import Deploy, Rollback, Step

        project = state.project(overrides)
        check(project, environment)
        steps: list[Step] = [Rollback(environment, to)]
        if project.config.environments[environment].deploy:
            steps.append(Deploy(environment, after=(steps[0].name,), strategy="blue-green"))
        return run_steps(state, project, steps, as_json=as_json)

    return rollback
