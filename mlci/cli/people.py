"""What the commands share by which a person says something of a digest: whose key signs, and which digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlci.cli.common import State
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def key_option(function: F) -> F:
    """`--key`, instead of `signing.key`."""
    return click.option(
        "--key", metavar="KEY", help="What signs: a file, or as `signing.key` names one.  [default: signing.key]"
    )(function)


def signing_with(state: State, key: str | None, overrides: Sequence[str]) -> Project:
    """The project, with the key of the command line as `signing.key`; a file of it is relative to where one is."""
    if key is not None and (state.folder() / key).is_file():
        key = str((state.folder() / key).resolve())
    return state.project((*overrides, *([f"signing.key={key}"] if key is not None else [])))


def named(project: Project, image: str) -> tuple[Store, str]:
    """The digest that is meant, and a store that has it: the images', or an environment's own.

    Raises UsageError when none has it.
    """
    from mlci.cli.records import open_places
    from mlci.evidence import results
    from mlci.store import NotFound

    place = open_places(project)
    near = map(place, (image, None, *project.config.environments))
    for store in {id(store): store for store in near}.values():
        with suppress(NotFound):
            return store, results.digest_of(store, image)
    raise UsageError(f"there is no {image!r} in the store", help="an environment, a tag or a digest")


def tell(as_json: bool, what: dict[str, Any], line: str) -> None:
    """What was done, as JSON or as a line."""
    click.echo(json.dumps(what, indent=2) if as_json else line)
