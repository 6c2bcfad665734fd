"""`mlci contract infer | diff | docs | import | export | profile | schema`: contracts as code, without a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, json_option
from mlci.contract.exchange import EXPORTS, IMPORTS, carry, exporter
from mlci.errors import OK, VERDICT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlci.contract.change.diff import Change

_OUT = click.option("-o", "--output", metavar="FILE", help="Write it there, not to standard output.")


def command(name: str, help: str) -> click.Command:
    """The group of commands."""
    return click.Group(name, help=help, commands=[_infer, _diff, _docs, _import, _export, _profile, _schema])


@click.command("infer", help="Write a first contract from data: as tight as what was seen.")
@click.argument("data", nargs=-1, required=True)
@_OUT
@click.pass_obj
def _infer(state: State, data: tuple[str, ...], output: str | None) -> None:
    from mlci.cli.validate import files
    from mlci.contract.learn.infer import infer
    from mlci.contract.learn.write import to_yaml
    from mlci.contract.sources.data import as_files

    with as_files(files(state.folder(), data)) as paths:
        found = infer(paths)
    _give(state, output, to_yaml(found.schema, found.notes))


@click.command("diff", help="Say what a change of a contract breaks, and for whom.")
@click.argument("old")
@click.argument("new")
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    type=click.Choice(["producers", "consumers"]),
    help="These may be broken.",
)
@json_option
@click.pass_obj
def _diff(state: State, old: str, new: str, allowed: tuple[str, ...], as_json: bool) -> int:
    from mlci.contract.change.diff import breaking, diff

    changes = diff(_plain(state.folder() / old), _plain(state.folder() / new))
    wrong = breaking(changes, frozenset(allowed))
    if as_json:
        listed = [{**vars(c), "path": list(c.path), "breaks": sorted(c.breaks)} for c in changes]
        verdict = "breaking" if wrong else "compatible"
        click.echo(json.dumps({"verdict": verdict, "changes": listed}, indent=2, ensure_ascii=False))
    else:
        _show(changes, len(wrong))
    return VERDICT if wrong else OK


def _show(changes: Sequence[Change], wrong: int) -> None:
    from mlci.cli.output import printable, table

    rows = [
        (
            printable(c.where),
            c.keyword,
            c.kind,
            f"breaks {' and '.join(sorted(c.breaks))}" if c.breaks else "compatible",
        )
        for c in changes
    ]
    for line, change in zip(table(rows).splitlines(), changes, strict=True):
        click.echo(f"{click.style('✗', fg='red') if change.breaks else click.style('✓', fg='green')} {line}")
        click.echo(click.style(f"    {printable(change.says)}", dim=True))
    n = len(changes)
    click.echo(f"{n} change{'' if n == 1 else 's'}, {wrong} of them breaking" if n else "no change")


@click.command("docs", help="Write a contract as a page to read, in Markdown.")
@click.argument("file")
@_OUT
@click.pass_obj
def _docs(state: State, file: str, output: str | None) -> None:
    from mlci.contract.change.page import page

    path = state.folder() / file
    _give(state, output, page(_plain(path), path.stem))


@click.command("import", help="Make a contract from the schema of another tool.")
@click.argument("source")
@click.option("--from", "kind", required=True, metavar="TOOL", help=f"One of {', '.join(IMPORTS)}.")
@click.option("--name", "wanted", metavar="NAME", help="The one that is wanted, where the file has several.")
@_OUT
@click.pass_obj
def _import(state: State, source: str, kind: str, wanted: str | None, output: str | None) -> None:
    from mlci.contract.learn.write import to_yaml

    draft = carry(kind, source, state.folder(), wanted)
    head = [f"Made by `mlci contract import --from {kind}` from {Path(source).name}."]
    text = to_yaml(draft.schema(), {**draft.notes, "": [*head, *draft.notes.get("", [])]})
    _warn(draft.warnings())
    _give(state, output, text)


@click.command("export", help="Write a contract for another tool.")
@click.argument("file")
@click.option("--to", "kind", required=True, metavar="TOOL", help=f"One of {', '.join(EXPORTS)}.")
@click.option("--without", multiple=True, metavar="COLUMN", help="A column that a request has not, such as the label.")
@click.option("--extra", is_flag=True, help="Other columns may be there, also where the contract is closed.")
@click.option("--nulls-optional", is_flag=True, help="A column that may be null may be left out.")
@_OUT
@click.pass_obj
def _export(
    state: State,
    file: str,
    kind: str,
    without: tuple[str, ...],
    extra: bool,
    nulls_optional: bool,
    output: str | None,
) -> None:
    from mlci.contract.judging.request import request_schema

    path = state.folder() / file
    schema, dropped = _plain(path), list[str]()
    if without or extra or nulls_optional:
        schema, dropped = request_schema(schema, without=without, extra=extra, nulls_optional=nulls_optional)
    text, left = exporter(kind).write(schema, path.stem)
    _warn([*dropped, *left])
    _give(state, output, text)


@click.command("profile", help="Write what the values of data are like: a reference for `distribution`.")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--contract", metavar="FILE", help="Its types are those of text files; its sensitive columns are left out."
)
@_OUT
@click.pass_obj
def _profile(state: State, data: tuple[str, ...], contract: str | None, output: str | None) -> None:
    from mlci.cli.validate import files
    from mlci.contract.learn.profile import profile
    from mlci.contract.sources.data import as_files

    folder = state.folder()
    with as_files(files(folder, data)) as paths:
        found = profile(paths, folder / contract if contract else None)
    _give(state, output, json.dumps(found, ensure_ascii=False) + "\n")


@click.command("schema", help="Print the meta-schema of contracts.")
def _schema() -> None:
    from mlci.contract.language.meta import meta_schema

    click.echo(json.dumps(meta_schema(), indent=2, ensure_ascii=False))


def _warn(left: Sequence[str]) -> None:
    """What could not be carried, on standard error."""
    from mlci.cli.output import printable

    for said in left:
        click.echo(f"{click.style('warning:', fg='yellow')} {printable(said)}", err=True)


def _plain(file: Path) -> Any:
    """A contract as plain data, once it is one that can be checked. Raises ConfigError."""
    from mlci import contract
    from mlci.contract.language.nodes import read

    contract.load(file)
    return read(file)[0].plain()


def _give(state: State, output: str | None, text: str) -> None:
    """Write the result whole, or print it."""
    from mlci.files import write_atomic
    from mlci.store.atomic import writing

    if output is None:
        click.echo(text, nl=False)
        return
    with writing(state.folder() / output):
        write_atomic(state.folder() / output, text)
    click.echo(f"wrote {output}", err=True)
