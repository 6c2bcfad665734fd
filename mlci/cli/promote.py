"""`mlci promote ENV [--from REF] [--plan [FILE]]`, and `mlci promote ENV --apply FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, policy_option, project_options, run_steps
from mlci.cli.environments import check
from mlci.errors import OK, VERDICT, UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.steps import Promote
    from mlci.steps.planned import Plan

_SHOWN = 40
"""Requests that are printed for people; the file has all."""


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
    @click.option(
        "--plan",
        "plan_file",
        is_flag=False,
        flag_value="-",
        metavar="[FILE]",
        help="Change nothing: say what would be done, and write it to FILE.",
    )
    @click.option(
        "--apply", "apply_file", metavar="FILE", help="Do what a plan says, if the world is still as it says."
    )
    @project_options
    @click.pass_obj
    def promote(
        state: State,
        environment: str,
        source: str | None,
        plan_file: str | None,
        apply_file: str | None,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        from mlci.steps import Promote

        if apply_file and (source or plan_file):
            raise UsageError("--apply has its digest from the plan", help="leave out --from and --plan")
        project = state.project(overrides)
        before = check(project, environment)
        if apply_file:
            return run_steps(state, project, [_planned(environment, apply_file)], as_json=as_json)
        step = Promote(environment, source=source or (before[-1] if before else "latest"), again=source is not None)
        if plan_file:
            return _plan(project, step, plan_file, as_json=as_json)
        return run_steps(state, project, [step], as_json=as_json)

    return promote


def _planned(environment: str, file: str) -> Promote:
    from mlci.steps import Promote, planned

    try:
        with Path(file).open("rb") as stream:
            plan = planned.read(stream.read(planned.MOST_BYTES))
    except OSError as error:
        raise UsageError(f"the plan {file} cannot be read: {error.strerror}") from error
    if plan.environment != environment:
        raise UsageError(
            f"{file} is a plan for {plan.environment}, not for {environment}", help=f"mlci promote {plan.environment}"
        )
    return Promote(environment, source=plan.digest, again=plan.again, plan=plan)


def _plan(project: Project, step: Promote, file: str, *, as_json: bool) -> int:
    """Look, and say it; nothing is changed but the file."""
    from mlci.cli.progress import watcher
    from mlci.engine import Session
    from mlci.files import write_atomic

    with watcher([], quiet=True) as observer:
        session = Session(project, observer)
        plan = step.look(session.context(session.store(), {})).plan
    raw = json.dumps(plan.to_json(), indent=2)
    if file != "-":
        write_atomic(Path(file), f"{raw}\n".encode())
    click.echo(raw if as_json else _text(plan))
    return OK if plan.allowed else VERDICT


def _text(plan: Plan) -> str:
    from mlci.cli.output import table

    said = "already there, nothing to do" if plan.nothing else f"number {plan.number}" if plan.allowed else "denied"
    lines = [
        f"{plan.environment}: {plan.digest} ({said})",
        f"from      {', '.join(plan.places)}",
        f"to        {plan.target}",
        f"replaces  {plan.previous or 'nothing'}",
        f"along     {len(plan.manifests)} manifests, {len(plan.evidence)} of evidence; {plan.moved:,} bytes pass here",
        "",
        table([("rule", "", ""), *((r.rule, "yes" if r.ok else "NO", r.detail) for r in plan.reasons)]),
    ]
    if plan.requests:
        rows = [(r.method, r.path, "?" if r.size is None else f"{r.size:,}") for r in plan.requests[:_SHOWN]]
        lines += ["", table([("request", "", "bytes"), *rows])]
    if len(plan.requests) > _SHOWN:
        lines.append(f"and {len(plan.requests) - _SHOWN} more: --plan FILE has them all")
    return "\n".join(lines)
