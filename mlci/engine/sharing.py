"""The shared results of a run (`store.remote`): asked for where nothing is known here, given when a step has ended.

Nothing of it can fail a run. A registry that is away is said once, and from then on the run knows only its own results;
one of them that could not be given is given by a later run. What is given goes in the background, and what is known
here asks nobody.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlci import contract
from mlci.config import Project
from mlci.contract import table
from mlci.engine import boms
from mlci.errors import Interrupted, MlciError, WorldError
from mlci.evidence import scope as scopes
from mlci.evidence import shared, signing
from mlci.evidence.receipt import Receipt
from mlci.files import write_atomic
from mlci.steps import Build, Gate, Inputs, Step, Train, Validate
from mlci.steps.files import combined
from mlci.store import CorruptBlob, FolderStore, Tally

if TYPE_CHECKING:
    from mlci.store.registry import RegistryStore

TAKEN, GIVEN = "taken from", "given to"
_AGAIN = 3600.0
"""Seconds until what was not taken is offered again by runs that have nothing new."""
_SAID = 1.0
"""Seconds that giving may take at the end before it is said what is waited for."""


class Sharing:
    """What one run shares; without `store.remote`, nothing. Used by many threads."""

    def __init__(
        self, project: Project, home: Path, store: FolderStore, tell: Callable[[str], None], stop: threading.Event
    ) -> None:
        self._project = project
        self._name = project.config.store.remote
        self._store = store
        self._tell = tell
        self._stop = stop
        self._notes = home / "shared"
        self._away: set[str] = set()
        self._refused: set[str] = set()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._given: list[Future[None]] = []

    def look(self, step: Step, inputs: Inputs) -> shared.Found | None:
        """The result of a step that others made, judged; None where there is none, or none to be used."""
        if self._name is None or TAKEN in self._away or not self._is_shared(step):
            return None
        trusted = self._trusted
        for one in self._scope.reads:
            tag = scopes.tag(one, step.name, inputs.key(step.name))
            place = f"{self._name}:{tag}"
            try:
                found = shared.find(self._asked, tag, step.name, inputs.key(step.name), trusted, self._name)
                if found and (wrong := _unlike(found, step, inputs, self._project)):
                    raise shared.Distrusted(wrong)
            except (shared.Distrusted, CorruptBlob) as error:
                self._refused.add(tag)
                self._tell(f"{place} is not used: {error.message}")
            except WorldError as error:
                self._is_away(error, TAKEN, GIVEN)
                return None
            else:
                if found:
                    return found
        return None

    def take(self, step: Step, inputs: Inputs) -> shared.Found | None:
        """The same, made known here."""
        found = self.look(step, inputs)
        if found and self._name:
            shared.take(self._store, found, self._name)
            if isinstance(step, Build):
                self._take_bom(found.receipt.subjects["image"])
            self._note(found.receipt).parent.mkdir(parents=True, exist_ok=True)
            self._note(found.receipt).touch()
        return found

    def give(self, step: Step, receipt: Receipt, *, fresh: bool, forced: bool) -> None:
        """Give a result to the others, in the background: a fresh one, or one that they do not have yet."""
        if self._name is None or GIVEN in self._away or (not fresh and self._is_given(receipt)):
            return
        if not self._is_shared(step):
            return
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="share")
            self._given.append(self._pool.submit(self._send, receipt, forced))

    def finish(self) -> None:
        """Wait until everything is given, or the run is to stop."""
        if self._pool is None:
            return
        _, left = wait(self._given, timeout=_SAID)
        if left:
            self._tell(f"sharing {len(left)} results with {self._name} …")
        while left and not self._stop.is_set():
            _, left = wait(left, timeout=0.2)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _take_bom(self, image: str) -> None:
        with suppress(WorldError):  # it is made here then
            known = self._trusted or signing.trusted(self._project)
            boms.take(self._store, self._asked, image, known, unsigned=self._trusted is None)

    def _send(self, receipt: Receipt, forced: bool) -> None:
        tag = scopes.tag(self._scope.writes, receipt.step, receipt.key)
        try:
            self._going(None)
            signer = self._signer
            if GIVEN in self._away or (self._project.config.store.trust and signer is None):
                return  # what nobody has signed, nobody will use
            along = boms.of(self._store, receipt.subjects["image"]) if receipt.step == "build" else ()
            again = forced or tag in self._refused
            shared.give(
                self._store, self._written, receipt, tag, signer=signer, again=again, along=along, going=self._going
            )
            write_atomic(self._note(receipt), b"")
            self._failed.unlink(missing_ok=True)
        except Interrupted:
            return
        except (MlciError, OSError) as error:
            write_atomic(self._failed, b"")
            self._is_away(error, GIVEN)

    def _going(self, _tally: Tally | None) -> None:
        if self._stop.is_set():
            raise Interrupted("stopped while results were shared")

    def _is_away(self, error: MlciError | OSError, *what: str) -> None:
        """From now on nothing is taken from it, or given to it; said once."""
        with self._lock:
            said = bool(self._away)
            self._away.update(what)
        if not said:
            why = error.message if isinstance(error, MlciError) else str(error)
            help = f" ({error.help})" if isinstance(error, MlciError) and error.help else ""
            self._tell(f"results are not {' or '.join(what)} {self._name} in this run: {why}{help}")

    def _is_shared(self, step: Step) -> bool:
        """What is a function of its key alone, and is for every machine.

        Whether data is fresh is not, nor a comparison that a person asked for, and an image may have a repository of
        its own.
        """
        if isinstance(step, Gate):
            return step.champion is None
        if isinstance(step, Validate):
            file = self._project.config.data[step.dataset].contract
            return file is not None and not table.has_freshness(contract.load(self._project.root / file))
        image = self._project.config.image
        return isinstance(step, Train) or (isinstance(step, Build) and not (image and image.repository))

    def _is_given(self, receipt: Receipt) -> bool:
        """Whether a result is there already, or the last try was a short while ago and in vain."""
        try:
            return self._note(receipt).exists() or time.time() - self._failed.stat().st_mtime < _AGAIN
        except FileNotFoundError:
            return False

    @property
    def _failed(self) -> Path:
        return self._folder / "failed"

    def _note(self, receipt: Receipt) -> Path:
        """A file that says that a result is shared."""
        return self._folder / scopes.tag("", receipt.step, receipt.key)

    @cached_property
    def _folder(self) -> Path:
        return self._notes / hashlib.sha256(f"{self._name} {self._scope.writes}".encode()).hexdigest()[:16]

    @cached_property
    def _scope(self) -> scopes.Scope:
        return scopes.scope(trust=bool(self._project.config.store.trust))

    @cached_property
    def _trusted(self) -> signing.Trusted | None:
        names = self._project.config.store.trust
        return signing.trusted(self._project, *names) if names else None

    @cached_property
    def _signer(self) -> signing.Signer | None:
        return signing.signer(self._project, lambda _: None)

    @cached_property
    def _asked(self) -> RegistryStore:
        """Short of patience: what it does not tell soon is soon made."""
        from mlci.store.registry import Patience, RegistryStore

        return RegistryStore(self._name or "", patience=Patience(connect=3, silence=5, total=15, tries=2))

    @cached_property
    def _written(self) -> RegistryStore:
        from mlci.store.registry import Patience, RegistryStore

        return RegistryStore(self._name or "", patience=Patience(connect=5, silence=30, total=60, tries=2))


def _unlike(found: shared.Found, step: Step, inputs: Inputs, project: Project) -> str:
    """How a receipt contradicts the step that it is said to be of; empty where it does not."""
    receipt, outputs = found.receipt, set(found.outputs)
    if Inputs(receipt.config, receipt.materials).key(step.name) != receipt.key:
        return "what its receipt says was read does not give its key"
    if isinstance(step, Gate):
        model = {m.name: m.digest for m in inputs.materials}.get("model")
        same = receipt.subjects == {"model": model} and isinstance(receipt.facts.get("challenger"), str)
        return "" if same else "its receipt judges another model"
    if isinstance(step, Validate):
        data = [m for m in inputs.materials if m.via == f"data {step.dataset}"]
        return (
            ""
            if receipt.subjects == {step.name.replace("validate", "data"): combined(data)}
            else ("its receipt is about other data")
        )
    train = project.config.train
    names = {"image"} if isinstance(step, Build) else set(train.outputs if train else ())
    if set(receipt.subjects) != names or set(receipt.subjects.values()) != outputs or receipt.verdict != "pass":
        return "its outputs are not the ones of its receipt"
    return ""
