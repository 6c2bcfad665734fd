"""`mlci status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, project_options
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.record import Run


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @project_options
    @click.pass_obj
    def status(state: State, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci import deploy
        from mlci.cli.output import finished_line, table
        from mlci.cli.records import open_images
        from mlci.evidence import promotions

        project = state.project(overrides)
        store = open_images(project)
        run = _last_run(project, needed=not project.config.image or not project.config.image.repository)
        places: list[dict[str, Any]] = []
        for environment in project.config.environments:
            serving = deploy.status(project.root / ".mlci" / "deploy" / environment)
            places.append(
                {
                    "environment": environment,
                    "promoted": store.resolve(environment),
                    "number": max(promotions.numbers(store, environment), default=None),
                    "deployment": asdict(serving) if serving else None,
                }
            )
        if as_json:
            click.echo(
                json.dumps({"environments": places, "run": json.loads(run.to_bytes()) if run else None}, indent=2)
            )
            return
        rows = [("environment", "promoted", "digest", "serving")]
        rows += [(p["environment"], _number(p), (p["promoted"] or "-")[:19], _serving(p)) for p in places]
        click.echo(table(rows))
        if run is None:
            return
        click.echo(f"\n{run.id}, {run.finished}, exit code {run.exit_code}: {run.command}")
        for step in run.steps:
            click.echo(finished_line(step, max(len(s.name) for s in run.steps)))

    return status


def _last_run(project: Project, *, needed: bool) -> Run | None:
    """The newest run here; where the images are in a registry, all that is promoted may come from elsewhere."""
    from mlci.cli.records import open_store, run_by_id

    try:
        return run_by_id(open_store(project), None)
    except UsageError:
        if needed:
            raise
        return None


def _number(place: dict[str, Any]) -> str:
    return f"number {place['number']}" if place["number"] else "nothing yet"


def _serving(place: dict[str, Any]) -> str:
    found = place["deployment"]
    if not found:
        return "not running"
    health = "healthy" if found["healthy"] else "NOT healthy"
    canary = f"; {found['canary'][:19]} takes {found['weight']:.0%}" if found["canary"] else ""
    other = "; NOT what was promoted" if found["digest"] != place["promoted"] else ""
    return f"{found['digest'][:19]} at {found['endpoint']}, {health}{canary}{other}"
