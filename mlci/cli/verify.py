"""`mlci verify [IMAGE]`: what is said of an image, and who says so; with `--env`, whether it may be there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlci.cli.common import State, policy_option, project_options
from mlci.errors import OK, VERDICT, UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.inspect import Piece
    from mlci.evidence.signing import Trusted
    from mlci.store import Store

_GOOD = {"signed": "green", "unsigned": None, "unknown signer": "yellow", "bad": "red"}


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("image", required=False, metavar="[ENV|TAG|DIGEST]")
    @click.option("--env", "environment", metavar="ENV", help="Whether the policy of this environment allows it.")
    @click.option(
        "--admission", is_flag=True, help="With --env: an AdmissionReview of Kubernetes on stdin, and its answer."
    )
    @click.option("--key", "keys", multiple=True, metavar="FILE", help="Only this public key counts; may be repeated.")
    @click.option("--signer", "names", multiple=True, metavar="NAME", help="Only this signer of mlci.yaml counts.")
    @policy_option
    @project_options
    @click.pass_obj
    def verify(
        state: State,
        image: str | None,
        environment: str | None,
        admission: bool,
        keys: tuple[str, ...],
        names: tuple[str, ...],
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        from mlci.evidence import results
        from mlci.evidence.inspect import holds, inspect
        from mlci.store import NotFound

        project = state.project(overrides)
        if environment is not None or admission:
            return _allowed(project, image, environment, keys or names, as_json=as_json, admission=admission)
        trusted = _trusted(state, project, keys, names)
        store = place_of(project)(image)
        try:
            digest = results.digest_of(store, image or "latest")
        except NotFound as error:
            raise UsageError(f"there is no {image!r} in the store", help="an environment, a tag or a digest") from error
        pieces = inspect(store, digest, trusted)
        ok = holds(pieces, trusted)
        if as_json:
            click.echo(json.dumps({"image": digest, "ok": ok, "evidence": [asdict(p) for p in pieces]}, indent=2))
        else:
            _print(digest, pieces, trusted)
        return OK if ok else VERDICT

    return verify


def _allowed(
    project: Project, image: str | None, environment: str | None, others: object, *, as_json: bool, admission: bool
) -> int:
    """The question of the policy; who is trusted is a part of it, so the options that say so are refused."""
    from mlci.cli import allowed

    if environment is None:
        raise UsageError("--admission asks for an environment", help="add --env ENV")
    if others:
        raise UsageError("--key and --signer do not go with --env", help="the policy says whose evidence counts")
    if admission:
        return allowed.admit(project, image, environment, place=place_of(project))
    return allowed.say(project, image or "latest", environment, place=place_of(project), as_json=as_json)


def place_of(project: Project) -> Callable[[str | None], Store]:
    """What gives the store of an environment, or of the images (None, or any other name): always the same object.

    A registry as it is now, and nothing of what is remembered of it.
    """
    from mlci.cli.records import open_store
    from mlci.steps.repository import reference_of

    made: dict[str, Store] = {}

    def place(environment: str | None) -> Store:
        reference = reference_of(project, environment)
        name = reference.name if reference else ""
        if name not in made and reference:
            from mlci.store.registry import RegistryStore

            made[name] = RegistryStore(reference)
        elif name not in made:
            made[name] = open_store(project)
        return made[name]

    return place


def _trusted(state: State, project: Project, keys: Sequence[str], names: Sequence[str]) -> Trusted:
    """The keys and signers of the command line, or else all of mlci.yaml's."""
    from mlci.evidence.signing import Trusted, load_public, trusted

    known = trusted(project, *names) if names or not keys else Trusted({})
    named = {key: load_public(state.folder() / key) for key in keys}
    return Trusted({**known.signers, **named}, known.root)


def _print(digest: str, pieces: Sequence[Piece], trusted: Trusted) -> None:
    from mlci.cli.output import table

    conclusion = _conclusion(pieces, trusted)
    said = {f"of {piece.name}" for piece in pieces}  # what is signed says so itself
    pieces = [piece for piece in pieces if piece.state != "signed" or piece.name not in said]
    rows = [[p.kind, p.name, p.digest[:19], p.state, ", ".join(p.signers) or "-", p.detail] for p in pieces]
    lines = table([["what", "of", "digest", "state", "signed by", ""], *rows]).splitlines()
    click.echo(f"{digest}\n{lines[0]}")
    for piece, line in zip(pieces, lines[1:], strict=True):
        click.secho(line, fg=_GOOD[piece.state])
    click.echo(conclusion)


def _conclusion(pieces: Sequence[Piece], trusted: Trusted) -> str:
    from mlci.evidence.inspect import topics

    said = topics(pieces)
    bad = [piece for piece in pieces if piece.state == "bad"]
    if bad:
        return f"{len(bad)} of {len(pieces)} do not hold"
    if not said:
        return "nothing is said of this image"
    if not trusted.signers:
        return "every digest holds; who wrote it, nobody can tell: name a key (--key), or signers (signing.signers)"
    return f"{sum(said.values())} of {len(said)} are signed by {' or '.join(trusted.signers)}"
