"""`mlci schema [--format json|md]`."""

from __future__ import annotations

import json

import click


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.option("--format", "kind", type=click.Choice(["json", "md"]), default="json", show_default=True)
    def schema(kind: str) -> None:
        from mlci import config

        click.echo(json.dumps(config.schema(), indent=2) if kind == "json" else config.reference(), nl=kind == "json")

    return schema
