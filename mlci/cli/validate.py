"""`mlci validate`: the step of the project, or, with files, a contract over them that needs no project."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, project_options, run_steps
from mlci.errors import OK, VERDICT, UsageError, WorldError

if TYPE_CHECKING:
    from mlci.contract import Report
    from mlci.github import Annotation


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=f"{help} Without DATA: the datasets of mlci.yaml, as a step of its run.")
    @click.argument("data", nargs=-1)
    @click.option("--contract", "contract_file", metavar="FILE", help="The contract of DATA; needs no mlci.yaml.")
    @click.option("--samples", default=5, show_default=True, type=click.IntRange(0, 1000), help="Rows for each rule.")
    @click.option("--force", is_flag=True, help="Run the step again, also where nothing has changed.")
    @project_options
    @click.pass_obj
    def validate(
        state: State,
        data: tuple[str, ...],
        contract_file: str | None,
        samples: int,
        force: bool,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        if data and contract_file:
            if force or overrides:
                raise UsageError("--force and --set are for the step of a project", help="leave them out, or DATA")
            folder = state.folder()
            return alone(files(folder, data), folder / contract_file, samples, as_json=as_json)
        if data:
            raise UsageError("there is no contract for these files", help="add --contract FILE")
        if contract_file:
            raise UsageError("there are no files to validate", help=f"mlci {name} DATA… --contract {contract_file}")
        from mlci.engine import graph, select

        project = state.project(overrides)
        return run_steps(state, project, select(graph(project), [name]), as_json=as_json, force=force)

    return validate


def alone(data: Sequence[Path], file: Path, samples: int, *, as_json: bool) -> int:
    """Validate files by a contract, say what was found, and return the exit code."""
    from mlci import contract, github
    from mlci.cli.output import color_wanted

    report = contract.validate(data, contract.load(file), samples=samples)
    if as_json:
        found = {"verdict": "pass" if report.passed else "fail", "summary": report.summary, "contract": str(file)}
        click.echo(json.dumps({**found, **report.facts()}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(contract.render(report, color=color_wanted()))
    if github.on_runner():
        for line in github.commands(_annotations(report)):
            click.echo(line, err=True)
    return OK if report.passed else VERDICT


def _annotations(report: Report) -> list[Annotation]:
    from mlci import github

    found = []
    for v in report.violations:
        rows = v.found or f"{v.count:,} of {report.rows:,} rows"
        problem = [str(row["(problem)"]) for row in v.samples if "(problem)" in row]
        said = f"expected {v.expected}; {problem[0] if problem else rows}"
        found.append(
            github.Annotation(
                "error" if v.blocks else "warning",
                f"{v.column or 'the table'}: {v.rule}",
                said,
                report.contract,
                v.line,
            )
        )
    return found


def files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of the command line; a pattern that the shell has left alone is expanded here."""
    found: list[Path] = []
    for pattern in patterns:
        path = folder / pattern
        if path.exists() or not glob.has_magic(pattern):
            found.append(path)
            continue
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  (it may be absolute)
        if not matches:
            raise WorldError(f"{pattern} matches no file", help="check the pattern, and the folder that it starts from")
        found += map(Path, matches)
    return found
