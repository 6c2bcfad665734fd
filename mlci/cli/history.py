"""`mlci history [REF]`: an environment's promotions, or the records on one digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, project_options
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.evidence.receipt import Receipt
    from mlci.store import Store


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("reference", required=False, metavar="[ENV|TAG|DIGEST]")
    @project_options
    @click.pass_obj
    def history(state: State, reference: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci.cli.records import open_images

        project = state.project(overrides)
        store = open_images(project)
        known = list(project.config.environments)
        if reference is None or reference in known:
            entries = [e for name in ([reference] if reference else known) for e in _promotions(store, name)]
            columns = ["environment", "number", "when", "digest", "who", "why"]
        else:
            entries = [_entry(receipt) for receipt in _records(store, reference)]
            columns = ["step", "when", "verdict", "who", "summary"]
        if as_json:
            click.echo(json.dumps(entries, indent=2))
        else:
            _print(entries, columns)

    return history


def _promotions(store: Store, environment: str) -> list[dict[str, Any]]:
    from mlci.evidence import promotions

    return [
        {
            "environment": environment,
            "number": promotion.number,
            "digest": promotion.digest,
            "when": promotion.receipt.finished if promotion.receipt else None,
            "who": _who(promotion.receipt) if promotion.receipt else None,
            "why": promotion.receipt.facts["why"] if promotion.receipt else "no receipt",
            "commit": promotion.receipt.source.get("commit") if promotion.receipt else None,
        }
        for promotion in promotions.history(store, environment)
    ]


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
    return {
        "step": receipt.step,
        "when": receipt.finished,
        "verdict": receipt.verdict,
        "who": _who(receipt),
        "summary": receipt.summary,
        "commit": receipt.source.get("commit"),
        "subjects": receipt.subjects,
        "materials": {m.name: m.digest for m in receipt.materials},
    }


def _who(receipt: Receipt) -> str:
    builder = receipt.builder
    return str(builder.get("ci") or f"{builder.get('user')}@{builder.get('host')}")


def _print(entries: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    from mlci.cli.output import table

    cut = {"digest": 19, "when": 19}
    rows = [[str(entry[c] if entry[c] is not None else "-")[: cut.get(c)] for c in columns] for entry in entries]
    click.echo(table([columns, *rows]) if entries else "nothing yet")
