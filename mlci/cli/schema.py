"""`mlci schema`."""

from __future__ import annotations

import json

import click


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    def schema() -> None:
        from mlci import config

        click.echo(json.dumps(config.schema(), indent=2))

    return schema
