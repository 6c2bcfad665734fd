"""`mlci why STEP`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from mlci.cli.common import State, project_options


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("step")
    @project_options
    @click.pass_obj
    def why(state: State, step: str, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci.cli.progress import watcher
        from mlci.engine import Session, graph, outlooks, select

        project = state.project(overrides)
        delivers = step.partition(":")[0] in ("promote", "deploy")
        last = next(reversed(project.config.environments), None) if delivers else None
        steps = select(graph(project, to=last), [step])
        with watcher([], quiet=True) as observer:
            found = outlooks(Session(project, observer), steps)
        asked = [o for o in found if step in (o.step, o.step.partition(":")[0])]
        if as_json:
            click.echo(json.dumps([asdict(outlook) for outlook in asked], indent=2))
            return
        words = {"run": "would run", "reuse": "would be reused", "unknown": "depends"}
        for outlook in asked:
            click.echo(f"{outlook.step} {words[outlook.action]}:")
            for reason in outlook.reasons:
                click.echo(f"  {reason}")

    return why
