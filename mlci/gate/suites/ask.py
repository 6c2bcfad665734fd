"""The suites that a config asks for: their kinds found, their mistakes told before anything runs."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, cast

from mlci.errors import WorldError
from mlci.gate.suites import command, deepchecks, evidently
from mlci.gate.suites.protocol import Kind

if TYPE_CHECKING:
    from mlci.config.judging import Suite as Options
    from mlci.config.model import Config

GROUP = "mlci.suites"
_KINDS: dict[str, Kind] = {"deepchecks": deepchecks, "evidently": evidently, "command": command}


@dataclass(frozen=True)
class Asked:
    """A suite that the config asks for: its kind, and what stands after the colon."""

    kind: str
    argument: str
    options: Options
    runs: Kind


@dataclass(frozen=True)
class Wrong:
    """A mistake: which suite of `gate.suites`, what is wrong, the way out."""

    at: int
    message: str
    help: str = ""


def name_of(options: Options) -> str:
    """The suite in the words of the config: `deepchecks:full`, `command: python checks.py`."""
    if options.command is not None:
        return f"command: {shlex.join(options.command)}"
    return options.suite or ""


def asked(options: Options) -> Asked:
    """The suite behind a config without mistakes. Raises WorldError when a plug-in cannot be loaded."""
    kind, _, argument = name_of(options).partition(":")
    runs = _KINDS.get(kind) or _load(_plugins()[kind])
    return Asked(kind, argument.strip(), options, runs)


def mistakes(config: Config) -> tuple[Wrong, ...]:
    """All that is wrong with the suites of a config, as far as it shows before they run."""
    return tuple(_mistakes(config))


def training_data(config: Config, options: Options) -> str | None:
    """The dataset that a suite sees beside the holdout: named, or the one that the training reads, or none."""
    one = asked(options)
    wants = one.runs.wants(one.argument).train
    if options.train is not None or wants in ("no", "named"):
        return options.train if wants != "no" else None
    read = config.train.data if config.train else ()
    return read[0] if len(read) == 1 else None


def _mistakes(config: Config) -> Iterator[Wrong]:
    seen: set[str] = set()
    for at, options in enumerate(config.gate.suites if config.gate else ()):
        name = name_of(options)
        if (options.suite is None) == (options.command is None):
            yield Wrong(at, "a suite is either `suite` or `command`", "Give one of the two.")
            continue
        if name in seen:
            yield Wrong(at, f"the suite {name!r} is asked for twice", "Remove one.")
            continue
        seen.add(name)
        yield from (Wrong(at, *found) for found in _of_one(config, options))


def _of_one(config: Config, options: Options) -> Iterator[tuple[str, str]]:
    kind, colon, argument = name_of(options).partition(":")
    known = sorted({*_KINDS, *_plugins()})
    if kind not in known or not colon:
        near = difflib.get_close_matches(kind, known, n=1)
        choices = f"Did you mean `{near[0]}:{argument.strip()}`?" if near and colon else f"Kinds: {', '.join(known)}."
        yield f"there is no suite {name_of(options)!r}", choices
        return
    runs = asked(options)
    if wrong := runs.runs.mistake(runs.argument, options, config.gate.task if config.gate else ""):
        yield wrong
    elif runs.runs.wants(runs.argument).train == "required" and training_data(config, options) is None:
        yield f"{name_of(options)} needs the training data", "Name its dataset: {suite: …, train: NAME}."


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> Kind:
    try:
        return cast("Kind", point.load())
    except Exception as error:  # whatever its import does is not ours
        raise WorldError(
            f"the suites {point.name!r} of {point.value} cannot be loaded: {type(error).__name__}: {error}",
            help="repair or uninstall the package that brings them",
        ) from error
