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
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.config import Project
from mlci.errors import Interrupted, MlciError, WorldError
from mlci.evidence import scope as scopes
from mlci.evidence import shared, signing
from mlci.evidence.receipt import Receipt
from mlci.files import write_atomic
from mlci.steps import Inputs, Step
from mlci.store import CorruptBlob, FolderStore, Tally
from mlci.store.crew import Crew

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
        self._hands = Crew(1)
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
                from mlci.engine.shareable import unlike

                found = shared.find(self._asked, tag, step.name, inputs.key(step.name), trusted, self._name)
                if found and (wrong := unlike(found, step, inputs, self._project)):
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
            if step.name == "build":
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
            self._given.append(self._hands.submit(partial(self._send, receipt, forced)))

    def finish(self) -> None:
        """Wait until everything is given, or the run is to stop."""
        _, left = wait(self._given, timeout=_SAID)
        if left:
            self._tell(f"sharing {len(left)} results with {self._name} …")
        while left and not self._stop.is_set():
            _, left = wait(left, timeout=0.2)
        if left:
            self._hands.stop()
        self._hands.end()

    def _take_bom(self, image: str) -> None:
        from mlci.engine import boms

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
            from mlci.engine import boms

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
        from mlci.engine.shareable import is_shared

        return is_shared(self._project, step)

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
