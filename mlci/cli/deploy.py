"""`mlci deploy ENV`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options, run_steps
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
    @click.option("--power", is_flag=True, help="Deploy nothing; say what the canary would find, and how soon.")
    @click.option("--traffic", metavar="RATE", help="With --power: requests a second, such as 50/s.")
    @click.option("--errors", metavar="SHARE", help="With --power: how often stable fails; left out: 0.5%.")
    @policy_option
    @project_options
    @click.pass_obj
    def deploy(
        state: State,
        environment: str,
        resume: bool,
        power: bool,
        traffic: str | None,
        errors: str | None,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        from mlci.cli.power import foresee
        from mlci.errors import UsageError
        from mlci.steps import Deploy

        project = state.project(overrides)
        check(project, environment)
        if power:
            return foresee(project, environment, traffic, errors, as_json=as_json)
        if traffic or errors:
            raise UsageError("--traffic and --errors belong to --power", help="add --power, or leave them out")
        return run_steps(state, project, [Deploy(environment, resume=resume)], as_json=as_json)

    return deploy
