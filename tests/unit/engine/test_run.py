"""The run: independent steps at once, none twice, nothing after a failure, every error with its exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlci import config
from mlci.cli.progress import watcher
from mlci.engine import Session, execute
from mlci.errors import ConfigError, Interrupted, Problem, UsageError, WorldError
from mlci.evidence import results
from mlci.evidence.receipt import Material, Receipt
from mlci.evidence.record import Run
from mlci.steps import Context, Inputs, Result


@dataclass
class Fake:
    """A step that does what a test wants; its key is the content of `reads`."""

    name: str
    after: tuple[str, ...] = ()
    does: Callable[[Context], Result | None] = lambda ctx: None
    reads: list[str] = field(default_factory=lambda: ["a"])
    runs: int = 0
    settled: int = 0

    def inputs(self, ctx: Context) -> Inputs:
        return Inputs({}, tuple(Material(f"input{i}", f"sha256:{r:0>64}") for i, r in enumerate(self.reads)))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        self.runs += 1
        return self.does(ctx) or Result("pass", "fine", {"thing": "sha256:" + "0" * 64})

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        self.settled += 1


@pytest.fixture
def project(tmp_path: Path) -> config.Project:
    (tmp_path / "mlci.yaml").write_text("version: 1\nproject: p\n")
    return config.load(tmp_path / "mlci.yaml")


def go(project: config.Project, *steps: Fake, force: bool = False, stop: threading.Event | None = None) -> Run:
    with watcher([], quiet=True) as observer:
        session = Session(project, observer, stop or threading.Event(), force=force)
        return execute(session, steps, command="mlci run")


def statuses(run: Run) -> dict[str, str]:
    return {step.name: step.status for step in run.steps}


def fails(error: Exception) -> Callable[[Context], None]:
    def does(ctx: Context) -> None:
        raise error

    return does


def test_independent_steps_run_at_once(project: config.Project) -> None:
    both = threading.Barrier(2, timeout=20)

    def meet(ctx: Context) -> None:
        both.wait()

    assert go(project, Fake("a", does=meet), Fake("b", does=meet)).exit_code == 0


def test_a_step_sees_the_receipts_of_those_before_it(project: config.Project) -> None:
    seen: list[str] = []

    def look(ctx: Context) -> None:
        seen.extend(ctx.upstream)

    go(project, Fake("a"), Fake("b", after=("a",), does=look))
    assert seen == ["a"]


def test_nothing_runs_twice_and_everything_settles_each_time(project: config.Project) -> None:
    step = Fake("a")
    first, second = go(project, step), go(project, step)
    assert (step.runs, step.settled) == (1, 2)
    assert [run.steps[0].reused for run in (first, second)] == [False, True]
    assert first.steps[0].receipt == second.steps[0].receipt


def test_a_change_runs_again_and_going_back_reuses(project: config.Project) -> None:
    step = Fake("a")
    for content in ("a", "b", "a", "b"):
        step.reads = [content]
        go(project, step)
    assert step.runs == 2


def test_force_runs_what_has_not_changed(project: config.Project) -> None:
    step = Fake("a")
    go(project, step)
    go(project, step, force=True)
    assert step.runs == 2


def test_a_failed_verdict_is_kept_and_stops_what_comes_after(project: config.Project) -> None:
    bad = Fake("a", does=lambda ctx: Result("fail", "no", {"thing": "sha256:" + "0" * 64}))
    after, other = Fake("b", after=("a",)), Fake("c")
    for _ in range(2):
        run = go(project, bad, after, other)
        assert statuses(run) == {"a": "fail", "b": "skipped", "c": "pass"}
        assert run.exit_code == 1
    assert (bad.runs, bad.settled, after.runs) == (1, 2, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (ConfigError([Problem(Path("f"), 1, 1, "x")]), 2),
        (WorldError("x"), 3),
        (Interrupted("x"), 130),
        (ZeroDivisionError("x"), 70),
    ],
)
def test_an_error_is_not_a_verdict_and_is_not_kept(project: config.Project, error: Exception, code: int) -> None:
    step = Fake("a", does=fails(error))
    assert go(project, step).exit_code == code
    step.does = lambda ctx: None
    assert go(project, step).exit_code == 0
    assert step.runs == 2


def test_the_worst_code_wins(project: config.Project) -> None:
    no = Fake("a", does=lambda ctx: Result("fail", "no", {"thing": "sha256:" + "0" * 64}))
    assert go(project, no, Fake("b", does=fails(WorldError("x")))).exit_code == 3


def test_inputs_that_change_while_the_step_runs_make_no_result(project: config.Project) -> None:
    step = Fake("a")

    def change(ctx: Context) -> None:
        step.reads = ["b"]

    step.does = change
    run = go(project, step)
    assert run.exit_code == 3
    assert "was changed while it ran" in run.steps[0].summary
    step.reads, step.does = ["a"], lambda ctx: None
    assert not go(project, step).steps[0].reused


def test_stopped_before_it_began_nothing_runs(project: config.Project) -> None:
    stop = threading.Event()
    stop.set()
    step = Fake("a")
    run = go(project, step, stop=stop)
    assert (statuses(run), run.exit_code) == ({"a": "skipped"}, 130)
    assert step.runs == 0
