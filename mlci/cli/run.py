"""`mlci run [STEPS] [--to ENV]`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options, run_steps


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("steps", nargs=-1)
    @click.option("--to", metavar="ENV", help="Go on to this environment: promote and deploy.")
    @click.option("--force", is_flag=True, help="Run every step, also where nothing has changed.")
    @policy_option
    @project_options
    @click.pass_obj
    def run(
        state: State, steps: tuple[str, ...], to: str | None, force: bool, overrides: tuple[str, ...], as_json: bool
    ) -> int:
        from mlci.engine import graph, select

        project = state.project(overrides)
        chosen = graph(project, to=to)
        return run_steps(state, project, select(chosen, steps) if steps else chosen, as_json=as_json, force=force)

    return run
