"""What a step is: what it reads, what it leaves, and how it is known to be done already."""

from __future__ import annotations

import hashlib
import json
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlci.config import Project
from mlci.evidence.receipt import Finding, Material, Receipt, Verdict
from mlci.store import Descriptor, NotFound, Store

FORMAT = 2
"""Raised when a step's results of before can no longer be used."""


@dataclass(frozen=True)
class Inputs:
    """What a step declares to read: its part of the config, and everything else by digest."""

    config: dict[str, Any]
    materials: tuple[Material, ...]

    def key(self, step: str) -> str:
        """SHA-256 (hex) over the step and its inputs: the same key is the same result."""
        read = sorted({(m.name, m.digest) for m in self.materials})
        raw = json.dumps([FORMAT, step, self.config, read], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(raw.encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What a step found and left. `outputs` are manifests in the store that go with the receipt."""

    verdict: Verdict
    summary: str
    subjects: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    outputs: tuple[Descriptor, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a step may use. `upstream` holds the receipts of the steps that have passed so far.

    `lock` is the file descriptor that keeps other runs of the step out; a command inherits it. With `force`, nothing
    that was found out before is believed. `places` gives the stores of images and of environments that have their own.
    """

    project: Project
    store: Store
    home: Path
    upstream: Mapping[str, Receipt]
    say: Callable[[str], None]
    stop: threading.Event
    lock: int
    force: bool = False
    places: Callable[[str | None], Store | None] | None = None

    @property
    def images(self) -> Store:
        """Where images are and what is said of them: the registry of `image.repository`, else the local store."""
        return self.place(None)

    def place(self, environment: str | None) -> Store:
        """Where an environment has its tags: its own repository, else where the images are. One place is one object."""
        found = self.places(environment) if self.places else None
        return self.store if found is None else found

    def having(self, digest: str) -> Store:
        """The place that has a manifest: where the images are, unless only an environment's own repository has it."""
        known = {id(place): place for place in map(self.place, (None, *self.project.config.environments))}
        return next((p for p in known.values() if len(known) > 1 and holds(p, digest)), self.images)

    @property
    def python(self) -> str:
        """The Python that commands run with, as far as results depend on it."""
        return ".".join(platform.python_version_tuple()[:2])

    def log(self, step: str) -> Path:
        """Where the output of the step's commands goes."""
        return self.home / "logs" / f"{step.replace(':', '-')}.log"


def holds(store: Store, digest: str) -> bool:
    """Whether a store has a manifest."""
    try:
        return bool(store.get_manifest(digest))
    except NotFound:
        return False


class Step(Protocol):
    """One step of a run; a small frozen object made from the config."""

    @property
    def name(self) -> str:
        """Unique in a run: `train`, `validate:holdout`, `deploy:production`."""
        ...

    @property
    def after(self) -> tuple[str, ...]:
        """The steps that must have passed before."""
        ...

    def inputs(self, ctx: Context) -> Inputs:
        """What the step reads, hashed."""
        ...

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """The receipt of an earlier run that still holds, or None."""
        ...

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        """Do it."""
        ...

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Called after a run or a reuse, whatever the verdict; must be safe to repeat."""
        ...
