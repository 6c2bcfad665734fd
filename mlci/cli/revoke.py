"""`mlci revoke DIGEST --why TEXT [--key KEY]`."""

from __future__ import annotations

import click

from mlci.cli.common import State, policy_option, project_options
from mlci.cli.people import key_option, named, signing_with, tell


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("image", metavar="DIGEST|TAG|ENV")
    @click.option("--why", required=True, metavar="TEXT", help="What is said to whoever wants to promote it.")
    @key_option
    @policy_option
    @project_options
    @click.pass_obj
    def revoke(state: State, image: str, why: str, key: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
        from mlci.cli.records import open_places
        from mlci.steps import said
        from mlci.steps.protocol import holds

        project = signing_with(state, key, overrides)
        _, digest = named(project, image)
        place = open_places(project)
        others = {id(one): one for one in map(place, (None, *project.config.environments))}.values()
        stores = [one for one in others if holds(one, digest)]
        by = said.revoke(project, stores, digest, why, lambda line: click.echo(line, err=True))
        stands = [name for name in project.config.environments if place(name).resolve(name) == digest]
        line = f"{digest} is revoked" + (f" by {by}" if by else "")
        line += "".join(f"\nit is in {name} now: `mlci rollback {name}` takes it out" for name in stands)
        tell(as_json, {"digest": digest, "by": by, "why": why, "is_in": stands}, line)

    return revoke
