"""`mlci status [ENV] [--watch]`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, project_options
from mlci.cli.environments import check
from mlci.cli.watch import watch
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.record import Run
    from mlci.store import Store


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment", required=False)
    @click.option("--watch", "live", is_flag=True, help="Show a deployment to ENV while it goes on.")
    @project_options
    @click.pass_obj
    def status(state: State, environment: str | None, live: bool, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci.cli.output import finished_line, table
        from mlci.cli.records import open_places

        project = state.project(overrides)
        if environment:
            check(project, environment)
        chosen = [environment] if environment else list(project.config.environments)
        if live:
            if environment is None:
                raise UsageError("which environment?", help="mlci status ENV --watch")
            watch(project.root / ".mlci" / "deploy" / environment, as_json=as_json)
            return
        place = open_places(project)
        run = _last_run(project, needed=not project.config.image or not project.config.image.repository)
        places = [_place(project, place(which), which) for which in chosen]
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


def _place(project: Project, store: Store, environment: str) -> dict[str, Any]:
    from mlci import deploy
    from mlci.evidence import promotions

    serving = deploy.status(project.root / ".mlci" / "deploy" / environment)
    head = promotions.head(store, environment)
    return {
        "environment": environment,
        "promoted": head.digest if head else None,
        "number": head.number if head else None,
        "deployment": asdict(serving) if serving else None,
    }


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
    servers = found["servers"]["stable"]
    health += "" if servers == "1 of 1" else f" ({servers} servers)"
    canary = f"; {found['canary'][:19]} takes {found['weight']:.0%}" if found["canary"] else ""
    other = "; NOT what was promoted" if found["digest"] != place["promoted"] else ""
    return f"{found['digest'][:19]} at {found['endpoint']}, {health}{canary}{other}"
