"""`mlci report [RUN|ENV|TAG|DIGEST] [--format html|md|json] [-o FILE]`: of a run, or of an image with its lineage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, place_suites

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.record import Run


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("reference", required=False, metavar="[RUN|ENV|TAG|DIGEST]")
    @click.option("--format", "kind", type=click.Choice(["html", "md", "json"]), default="html", show_default=True)
    @click.option("-o", "--output", metavar="FILE", help="Write to this file.  [default: standard output]")
    @click.pass_obj
    def report(state: State, reference: str | None, kind: str, output: str | None) -> None:
        from mlci import report
        from mlci.cli.records import open_store
        from mlci.files import write_atomic

        project = state.project()
        run = _run(project, reference)
        made = {
            "html": lambda: report.html(run).encode(),
            "md": lambda: report.markdown(run).encode(),
            "json": run.to_bytes,
        }
        content = made[kind]()
        if output:
            write_atomic(Path(output), content)
            if kind == "html":
                place_suites(open_store(project), run, Path(output).parent)
            click.echo(f"{run.id}: {output}", err=True)
        else:
            click.echo(content)

    return report


def _run(project: Project, reference: str | None) -> Run:
    """A run by its id, or all that is known of an image as if one run had made it."""
    from mlci.cli.lineage import records, run_of
    from mlci.cli.records import open_places, open_store, run_by_id

    if reference is None or re.fullmatch(r"run-\d+", reference):
        return run_by_id(open_store(project), reference)
    return run_of(project, *records(project, open_places(project), reference))
