"""`mlci history [REF]`: an environment's promotions, or the records on one digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, project_options
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.receipt import Receipt
    from mlci.store import Store


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("reference", required=False, metavar="[ENV|TAG|DIGEST]")
    @click.option("--at", "moment", metavar="TIME", help="What was there then: 2026-03-01, or 2026-03-01T14:30:00Z.")
    @project_options
    @click.pass_obj
    def history(
        state: State, reference: str | None, moment: str | None, overrides: tuple[str, ...], as_json: bool
    ) -> None:
        from mlci.cli.records import open_images

        project = state.project(overrides)
        store = open_images(project)
        known = list(project.config.environments)
        if reference is None or reference in known:
            names = [reference] if reference else known
            entries = [entry for name in names for entry in _promotions(project, store, name, moment)]
            columns = ["environment", "number", "from", "until", "digest", "who", "signer", "why"]
        elif moment:
            raise UsageError("--at asks what was in an environment", help=f"environments: {', '.join(known)}")
        else:
            entries = [_entry(receipt) for receipt in _records(store, reference)]
            columns = ["step", "when", "verdict", "who", "summary"]
        if as_json:
            click.echo(json.dumps(entries, indent=2))
        else:
            _print(entries, columns)

    return history


def _promotions(project: Project, store: Store, environment: str, moment: str | None) -> list[dict[str, Any]]:
    from mlci.cli.moves import at, rows, signers
    from mlci.evidence import log

    read = log.read(store, environment, signers(project))
    if read.problems:
        click.echo(f"the history of {environment} does not hold: `mlci audit {environment}` says where", err=True)
    found = rows(environment, read.entries)
    return at(found, moment) if moment else found


def _records(store: Store, reference: str) -> list[Receipt]:
    from mlci.evidence import results
    from mlci.store import NotFound

    try:
        return results.on(store, results.digest_of(store, reference))
    except NotFound as error:
        raise UsageError(
            f"there is no {reference!r} in the store",
            help="an environment, a tag such as production-000001, or a digest",
        ) from error


def _entry(receipt: Receipt) -> dict[str, Any]:
    from mlci.evidence.promotions import who

    return {
        "step": receipt.step,
        "when": receipt.finished,
        "verdict": receipt.verdict,
        "who": who(receipt),
        "summary": receipt.summary,
        "commit": receipt.source.get("commit"),
        "subjects": receipt.subjects,
        "materials": {m.name: m.digest for m in receipt.materials},
    }


def _print(entries: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    from mlci.cli.output import table

    cut = {"digest": 19, "when": 19, "from": 19, "until": 19}
    rows = [[str(entry[c] if entry[c] is not None else "-")[: cut.get(c)] for c in columns] for entry in entries]
    click.echo(table([columns, *rows]) if entries else "nothing yet")
