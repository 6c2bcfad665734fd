"""`mlci approve ENV DIGEST [--why TEXT] [--key KEY]`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options
from mlci.cli.people import key_option, named, signing_with, tell


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment")
    @click.argument("image", metavar="DIGEST|TAG|ENV")
    @click.option("--why", default="approved", metavar="TEXT", help="What stands in the record.")
    @key_option
    @policy_option
    @project_options
    @click.pass_obj
    def approve(
        state: State, environment: str, image: str, why: str, key: str | None, overrides: tuple[str, ...], as_json: bool
    ) -> None:
        from mlci.steps import said

        project = signing_with(state, key, overrides)
        store, digest = named(project, image)
        by = said.approve(project, store, environment, digest, why, lambda line: click.echo(line, err=True))
        what = {"environment": environment, "digest": digest, "by": by, "why": why}
        tell(as_json, what, f"{environment}: {digest} is approved by {by}")

    return approve
