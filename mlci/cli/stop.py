"""`mlci stop [ENV]`."""

from __future__ import annotations

import json

import click

from mlci.cli.common import State, project_options


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment", required=False)
    @project_options
    @click.pass_obj
    def stop(state: State, environment: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci import deploy
        from mlci.cli.environments import check

        project = state.project(overrides)
        if environment:
            check(project, environment)
        names = [environment] if environment else list(project.config.environments)
        folders = {name: project.root / ".mlci" / "deploy" / name for name in names}
        stopped = [name for name, folder in folders.items() if folder.is_dir() and deploy.stop(folder)]
        if as_json:
            click.echo(json.dumps({"stopped": stopped}))
        else:
            click.echo("\n".join(f"{name} is stopped" for name in stopped) or "nothing was running")

    return stop
