"""`mlci promote ENV [--from REF]`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options, run_steps
from mlci.cli.environments import check


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @click.option(
        "--from",
        "source",
        metavar="REF",
        help="A tag, an environment or a digest.  [default: the environment before, or the newest image]",
    )
    @policy_option
    @project_options
    @click.pass_obj
    def promote(state: State, environment: str, source: str | None, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.steps import Promote

        project = state.project(overrides)
        before = check(project, environment)
        step = Promote(environment, source=source or (before[-1] if before else "latest"), again=source is not None)
        return run_steps(state, project, [step], as_json=as_json)

    return promote
