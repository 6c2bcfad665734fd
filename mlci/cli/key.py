"""`mlci key new | show`: the keys that sign evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, json_option

if TYPE_CHECKING:
    from mlci.evidence.signing.keys import Algorithm


def command(name: str, help: str) -> click.Command:
    """The group of commands."""
    return click.Group(name, help=help, commands=[_new, _show])


@click.command("new")
@click.argument("file")
@click.option(
    "--type",
    "algorithm",
    type=click.Choice(["ed25519", "ecdsa-p256"]),
    default="ed25519",
    show_default=True,
    help="The kind of key.",
)
@click.pass_obj
def _new(state: State, file: str, algorithm: Algorithm) -> None:
    """Write a private key to FILE and its public half to FILE.pub.

    It is encrypted where MLCI_KEY_PASSPHRASE is set.
    """
    from mlci.evidence.signing.keys import generate

    path = state.folder() / file
    public = generate(path, algorithm)
    click.echo(f"{path}: the private key; keep it out of git, and give it to nobody")
    click.echo(f"{path}.pub: the public key, {public.fingerprint}")
    click.echo(f"\nsigning:\n  key: {file}\n  signers:\n    me: {{public_key: {file}.pub}}")


@click.command("show")
@click.argument("file")
@json_option
@click.pass_obj
def _show(state: State, file: str, as_json: bool) -> None:
    """Print the fingerprint of a public key, and the key itself."""
    from mlci.evidence.signing.keys import load_public

    key = load_public(state.folder() / Path(file))
    if as_json:
        known = {"fingerprint": key.fingerprint, "hint": key.hint, "pem": key.pem().decode()}
        click.echo(json.dumps(known, indent=2))
    else:
        click.echo(f"{key.fingerprint}\n{key.pem().decode()}", nl=False)
