"""Runs the steps of a graph: each when the ones before it have passed, independent ones at once, none twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mlci.config import Project
from mlci.engine.lock import held
from mlci.engine.sharing import Sharing
from mlci.errors import CONFIG, FAULT, INTERRUPTED, OK, ROLLED_BACK, VERDICT, WORLD, MlciError, WorldError
from mlci.evidence import provenance, results
from mlci.evidence.receipt import Receipt
from mlci.evidence.record import Run, Status, StepRecord
from mlci.process import masker
from mlci.steps import Context, Inputs, Result, Step
from mlci.steps.repository import Places, ignore_home, places_of
from mlci.store import FolderStore

_SEVERITY = (FAULT, INTERRUPTED, CONFIG, WORLD, ROLLED_BACK, VERDICT, OK)


class Observer(Protocol):
    """Who is told of the progress; called from several threads."""

    def started(self, step: str) -> None:
        """A step begins."""
        ...

    def said(self, step: str, line: str) -> None:
        """A step, or its command, says something."""
        ...

    def finished(self, record: StepRecord) -> None:
        """A step has ended."""
        ...

    def told(self, line: str) -> None:
        """Something that a person should know, of no step alone."""
        ...


def _quiet(_line: str) -> None:
    return


@dataclass
class Session:
    """What the steps of one command share: the project, its store, who watches, and how to stop."""

    project: Project
    observer: Observer
    stop: threading.Event = field(default_factory=threading.Event)
    force: bool = False
    errors: dict[str, BaseException] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The project's folder for everything that mlci keeps."""
        return self.project.root / ".mlci"

    def store(self) -> FolderStore:
        """The local store; made, with a .gitignore beside it, when it is not there."""
        ignore_home(self.project)
        return FolderStore(self.home / "store")

    @cached_property
    def places(self) -> Places:
        """What gives the stores of images, and of environments that have their own."""
        return places_of(self.project)

    def context(
        self, store: FolderStore, upstream: Mapping[str, Receipt], say: Callable[[str], None] = _quiet, lock: int = -1
    ) -> Context:
        """What a step may use; without a lock, only to look."""
        return Context(self.project, store, self.home, upstream, say, self.stop, lock, self.force, self.places)

    def sharing(self, store: FolderStore) -> Sharing:
        """What is shared with other machines."""
        mask = masker(os.environ)
        return Sharing(self.project, self.home, store, lambda line: self.observer.told(mask(line)), self.stop)


def execute(session: Session, steps: Sequence[Step], *, command: str) -> Run:
    """Run the steps and keep the record of it."""
    started = provenance.now()
    store = session.store()
    sharing = session.sharing(store)
    try:
        records = _run_all(session, store, steps, sharing)
    finally:
        sharing.finish()
    codes = [_code(record, session.errors.get(record.name)) for record in records]
    codes += [INTERRUPTED] if session.stop.is_set() and any(r.status == "skipped" for r in records) else []
    with held(session.home / "locks" / "runs", stop=threading.Event(), say=_quiet):
        run = Run(
            id=results.next_run_id(store),
            project=session.project.config.project,
            command=command,
            started=started,
            finished=provenance.now(),
            exit_code=next(code for code in _SEVERITY if code == OK or code in codes),
            steps=tuple(records),
        )
        results.save_run(store, run)
    return run


def _run_all(session: Session, store: FolderStore, steps: Sequence[Step], sharing: Sharing) -> list[StepRecord]:
    done: dict[str, StepRecord] = {}
    running: dict[Future[StepRecord], Step] = {}
    waiting = list(steps)
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        while waiting or running:
            for step in list(waiting):
                before = [done.get(name) for name in step.after]
                if session.stop.is_set() or any(r and r.status != "pass" for r in before):
                    waiting.remove(step)
                    done[step.name] = _skipped(session, step, before)
                elif all(before):
                    waiting.remove(step)
                    upstream = {n: r.receipt for n, r in done.items() if r.receipt and r.status == "pass"}
                    running[pool.submit(_run_one, session, store, step, upstream, sharing)] = step
            finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in finished:
                done[running.pop(future).name] = future.result()
    return [done[step.name] for step in steps]


def _skipped(session: Session, step: Step, before: Sequence[StepRecord | None]) -> StepRecord:
    stopped_by = next((r for r in before if r and r.status != "pass"), None)
    if stopped_by is None:
        why = "not run: stopped"
    elif stopped_by.status == "skipped":
        why = stopped_by.summary
    else:
        why = f"not run, because {stopped_by.name} did not pass"
    record = StepRecord(step.name, step.after, "skipped", False, 0.0, why)
    session.observer.finished(record)
    return record


def _run_one(
    session: Session, store: FolderStore, step: Step, upstream: dict[str, Receipt], sharing: Sharing
) -> StepRecord:
    """One step from its key to its record; an error becomes part of the record, the exception is kept."""
    session.observer.started(step.name)
    began = time.monotonic()
    mask = masker(os.environ)

    def say(line: str) -> None:
        session.observer.said(step.name, mask(line))

    receipt, reused, status, help, origin = None, False, "error", "", ""
    try:
        with held(session.home / "locks" / _lock_name(step), stop=session.stop, say=say) as lock:
            ctx = session.context(store, upstream, say, lock)
            receipt, reused, origin = _settled(session, step, ctx, sharing)
            status, summary = receipt.verdict, receipt.summary
    except MlciError as error:
        session.errors[step.name] = error
        summary, help = mask(error.message), error.help
    except OSError as error:
        session.errors[step.name] = WorldError(f"{step.name}: {error}")
        summary = str(error)
    except Exception as error:  # a fault of mlci itself: the command reports it
        session.errors[step.name] = error
        summary = f"a fault of mlci: {type(error).__name__}: {error}"
    record = StepRecord(
        step.name, step.after, _status(status), reused, time.monotonic() - began, summary, receipt, help, origin
    )
    session.observer.finished(record)
    return record


def _lock_name(step: Step) -> str:
    """What moves an environment's tag or traffic shares one lock."""
    kind, _, of = step.name.partition(":")
    return f"env-{of}" if kind in ("promote", "deploy", "rollback") else "-".join(filter(None, (kind, of)))


def _settled(session: Session, step: Step, ctx: Context, sharing: Sharing) -> tuple[Receipt, bool, str]:
    """The step's receipt, by reuse or by running it, with its consequences carried out; and from which store."""
    inputs = step.inputs(ctx)
    receipt, found = None if session.force else step.done(ctx, inputs), None
    if receipt is None and not session.force and (found := sharing.take(step, inputs)):
        receipt = step.done(ctx, inputs)
    reused = receipt is not None
    if receipt is None:
        started = provenance.now()
        result = step.run(ctx, inputs)
        if step.inputs(ctx).key(step.name) != inputs.key(step.name):
            raise WorldError(f"what {step.name} reads was changed while it ran", help="run it again")
        receipt = _receipt(ctx, step, inputs, result, started)
        results.save(ctx.store, receipt, result.outputs)
    else:
        results.used(ctx.store, receipt)
    step.settle(ctx, receipt)
    sharing.give(step, receipt, fresh=not reused, forced=session.force)
    return receipt, reused, found.place if found and reused else ""


def _receipt(ctx: Context, step: Step, inputs: Inputs, result: Result, started: str) -> Receipt:
    return Receipt(
        step=step.name,
        key=inputs.key(step.name),
        verdict=result.verdict,
        summary=result.summary,
        subjects=result.subjects,
        materials=inputs.materials,
        config=inputs.config,
        findings=result.findings,
        facts=result.facts,
        source=provenance.source(ctx.project.root),
        builder=provenance.builder(),
        started=started,
        finished=provenance.now(),
    )


def _status(status: str) -> Status:
    known: dict[str, Status] = {"pass": "pass", "fail": "fail", "rolled-back": "rolled-back"}
    return known.get(status, "error")


def _code(record: StepRecord, error: BaseException | None) -> int:
    if error is not None:
        return error.exit_code if isinstance(error, MlciError) else FAULT
    return {"pass": OK, "fail": VERDICT, "rolled-back": ROLLED_BACK}.get(record.status, OK)
