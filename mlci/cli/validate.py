"""`mlci validate`: the step of the project, or, with files, a contract over them that needs no project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mlci.cli.common import State, project_options, run_steps
from mlci.cli.explain import Validated, annotate, write_sarif
from mlci.errors import OK, VERDICT, UsageError

if TYPE_CHECKING:
    from mlci.contract import Report


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=f"{help} Without DATA: the datasets of mlci.yaml, as a step of its run.")
    @click.argument("data", nargs=-1)
    @click.option("--contract", "contract_file", metavar="FILE", help="The contract of DATA; needs no mlci.yaml.")
    @click.option("--engine", metavar="URL", help="DATA is a table there: postgres://user@host/db, pyspark:// …")
    @click.option(
        "--samples",
        default=5,
        show_default=True,
        type=click.IntRange(0, 1000),
        help="Rows shown for each rule of DATA.",
    )
    @click.option("--no-footer", "footer", flag_value=False, default=True, help="Read what a Parquet footer proves.")
    @click.option("--sarif", "sarif_file", metavar="FILE", help="Write what was found there, for code scanning.")
    @click.option("--force", is_flag=True, help="Run the step again, also where nothing has changed.")
    @project_options
    @click.pass_obj
    def validate(
        state: State,
        data: tuple[str, ...],
        contract_file: str | None,
        engine: str | None,
        samples: int,
        footer: bool,
        sarif_file: str | None,
        force: bool,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        folder = state.folder()
        sarif = folder / sarif_file if sarif_file else None
        if data and contract_file:
            if force or overrides:
                raise UsageError("--force and --set are for the step of a project", help="leave them out, or DATA")
            contract_path = folder / contract_file
            if engine:
                report = _elsewhere(engine, data, contract_path, samples)
            else:
                report = _here(files(folder, data), contract_path, samples, footer=footer)
            return told(report, contract_path, as_json=as_json, sarif=sarif)
        _only_of_a_project(name, data, contract_file, engine)
        from mlci.engine import graph, select

        project = state.project(overrides)
        return run_steps(state, project, select(graph(project), [name]), as_json=as_json, force=force, sarif=sarif)

    return validate


def _only_of_a_project(name: str, data: Sequence[str], contract_file: str | None, engine: str | None) -> None:
    """Refuse what makes no sense for the step of a project."""
    if engine:
        help = f"mlci {name} TABLE --contract FILE --engine …"
        raise UsageError("--engine needs a table and its contract", help=help)
    if data:
        raise UsageError("there is no contract for these files", help="add --contract FILE")
    if contract_file:
        raise UsageError("there are no files to validate", help=f"mlci {name} DATA… --contract {contract_file}")
    context = click.get_current_context()
    if any(context.get_parameter_source(option) is not ParameterSource.DEFAULT for option in ("samples", "footer")):
        raise UsageError("--samples and --no-footer are for files", help=f"mlci {name} DATA… --contract FILE")


def _here(data: Sequence[Path | str], file: Path, samples: int, *, footer: bool) -> Report:
    from mlci import contract

    return contract.validate(data, contract.load(file), samples=samples, footer=footer)


def _elsewhere(url: str, data: Sequence[str], file: Path, samples: int) -> Report:
    """The report of a table of another engine."""
    from mlci import contract
    from mlci.contract.elsewhere import connect, table_of, validate_table

    loaded = contract.load(file)
    return validate_table(table_of(connect(url), data), loaded, samples=samples)


def told(report: Report, file: Path, *, as_json: bool, sarif: Path | None) -> int:
    """Say what was found, and return the exit code."""
    from mlci import contract
    from mlci.cli.output import color_wanted

    found = Validated(report.facts(), file)
    if sarif:
        write_sarif(sarif, [found])
    if as_json:
        said = {"verdict": "pass" if report.passed else "fail", "summary": report.summary, "contract": str(file)}
        click.echo(json.dumps({**said, **found.facts}, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(contract.render(report, color=color_wanted()))
    annotate([found])
    return OK if report.passed else VERDICT


def files(folder: Path, patterns: Sequence[str]) -> list[Path | str]:
    """The files, tables and URLs of the command line; a pattern that the shell has left alone is expanded here."""
    from mlci.contract.sources.data import matching

    found: list[Path | str] = []
    for pattern in patterns:
        found += [pattern] if "://" in pattern else matching(folder / pattern)
    return found
