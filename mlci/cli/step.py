"""`mlci train`: one step, after the ones that it needs."""

from __future__ import annotations

import click

from mlci.cli.common import State, project_options, run_steps


def command(name: str, help: str) -> click.Command:
    """The command of the step `name`."""

    @click.command(name, help=help)
    @click.option("--force", is_flag=True, help="Run again, also where nothing has changed.")
    @project_options
    @click.pass_obj
    def step(state: State, force: bool, overrides: tuple[str, ...], as_json: bool) -> int:
        from mlci.engine import graph, select

        project = state.project(overrides)
        return run_steps(state, project, select(graph(project), [name]), as_json=as_json, force=force)

    return step
