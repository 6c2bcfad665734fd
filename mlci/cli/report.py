"""`mlci report [RUN] [--format html|md] [-o FILE]`."""

from __future__ import annotations

from pathlib import Path

import click

from mlci.cli.common import State, place_suites


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("run_id", required=False, metavar="[RUN]")
    @click.option("--format", "kind", type=click.Choice(["html", "md", "json"]), default="html", show_default=True)
    @click.option("-o", "--output", metavar="FILE", help="Write to this file.  [default: standard output]")
    @click.pass_obj
    def report(state: State, run_id: str | None, kind: str, output: str | None) -> None:
        from mlci import report
        from mlci.cli.records import open_store, run_by_id
        from mlci.files import write_atomic

        project = state.project()
        store = open_store(project)
        run = run_by_id(store, run_id)
        made = {
            "html": lambda: report.html(run).encode(),
            "md": lambda: report.markdown(run).encode(),
            "json": run.to_bytes,
        }
        content = made[kind]()
        if output:
            write_atomic(Path(output), content)
            if kind == "html":
                place_suites(store, run, Path(output).parent)
            click.echo(f"{run.id}: {output}", err=True)
        else:
            click.echo(content)

    return report
