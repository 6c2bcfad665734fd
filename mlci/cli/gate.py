"""`mlci gate`: the step of the project, or, with tables of predictions, rules over them that need no project."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from mlci.cli.common import State, project_options, run_steps
from mlci.errors import OK, VERDICT, UsageError


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=f"{help} With --challenger: a table of predictions by the rules of a file.")
    @click.option("--challenger", metavar="FILE", help="Predictions of the new model, as Parquet; needs no mlci.yaml.")
    @click.option(
        "--champion",
        metavar="REF|FILE",
        help="The image to compare with: an environment, a tag, a run's id or a digest. With --challenger: a table.",
    )
    @click.option("--config", "rules", metavar="FILE", help="The rules: what stands under `gate` in mlci.yaml.")
    @click.option(
        "--holdout", multiple=True, metavar="FILE", help="The rows and labels, where the predictions lack them."
    )
    @click.option("--power", "power", is_flag=True, help="Say what these rows can tell apart, and judge nothing.")
    @click.option("--force", is_flag=True, help="Run again, also where nothing has changed.")
    @project_options
    @click.pass_obj
    def gate(
        state: State,
        challenger: str | None,
        champion: str | None,
        rules: str | None,
        holdout: tuple[str, ...],
        power: bool,
        force: bool,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        if not (challenger or rules or holdout or power):
            return _of_project(state, name, champion, overrides, as_json=as_json, force=force)
        one = challenger or (champion if power else None)
        if one is None or rules is None:
            raise UsageError(
                "tables of predictions need --challenger and --config",
                help=f"mlci {name} --challenger A.parquet --champion B.parquet --config gate.yaml",
            )
        if force:
            raise UsageError("--force is for the step of a project", help="leave it out")
        folder = state.folder()
        files = [folder / file for file in holdout]
        other = folder / champion if champion and challenger else None
        return _alone(folder / one, other, folder / rules, files, overrides, power=power, as_json=as_json)

    return gate


def _of_project(
    state: State, name: str, champion: str | None, overrides: tuple[str, ...], *, as_json: bool, force: bool
) -> int:
    """Run the step of mlci.yaml."""
    from mlci.engine import graph, select
    from mlci.steps import Gate

    project = state.project(overrides)
    steps = select(graph(project), [name])
    steps = [replace(step, champion=champion) if isinstance(step, Gate) else step for step in steps]
    return run_steps(state, project, steps, as_json=as_json, force=force)


def _alone(
    challenger: Path,
    champion: Path | None,
    rules: Path,
    holdout: list[Path],
    overrides: tuple[str, ...],
    *,
    power: bool,
    as_json: bool,
) -> int:
    """Judge tables, say what was found, and return the exit code."""
    from mlci import config, gate
    from mlci.cli.output import color_wanted

    loaded = config.load_gate(rules, overrides)
    if power:
        found = gate.power(gate.read_tables(loaded, challenger, champion, holdout), loaded)
        click.echo(
            json.dumps([p.to_json() for p in found], indent=2) if as_json else gate.render_power(found), nl=as_json
        )
        return OK
    report = gate.judge_tables(loaded, challenger, champion, holdout)
    # Objections are those of the self-test too: a verdict that says pass in spite of them is none.
    passed = report.passed and not report.objections
    if as_json:
        said = {"verdict": "pass" if passed else "fail", "summary": report.summary}
        click.echo(json.dumps({**said, **report.facts()}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(gate.render(report, color=color_wanted()), nl=False)
    return OK if passed else VERDICT
