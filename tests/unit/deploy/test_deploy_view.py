"""A canary under way: how it is kept, foretold and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlci.deploy import analysis, progress, view
from mlci.deploy.analysis import Counts, Plan, Tally
from mlci.deploy.controller import Status
from mlci.deploy.progress import Progress

PLAN = Plan((0.2, 0.5), 0.99, 0.01, None, 60.0)


def point(t: float, clear: float, requests: int) -> dict[str, Any]:
    seen = {"requests": requests, "errors": 1}
    more = {"evidence": {"errors": 3.0}, "threshold": 100.0, "clear": {"errors": clear}, "needed": 100.0}
    return {"t": t, "stable": seen, "canary": seen} | more


def made(now: dict[str, Any], then: dict[str, Any]) -> Progress:
    return Progress(2, progress.plain(PLAN), analysis.begin(PLAN).to_json(), now, then)


def status(weight: float = 0.2) -> Status:
    return Status("production", "sha256:one", 1, "http://127.0.0.1:1", True, "sha256:two", weight, {}, {}, True)


def test_the_time_to_go_is_what_is_missing_by_the_speed_of_this_step() -> None:
    assert progress.seconds_to_go(made(point(20, 10.0, 300), point(10, 1.0, 100))) == pytest.approx(10)
    assert progress.rate(made(point(20, 10.0, 300), point(10, 1.0, 100))) == pytest.approx(40)
    assert progress.seconds_to_go(made(point(20, 0.5, 300), point(10, 1.0, 100))) is None
    assert progress.seconds_to_go(made(point(10, 1.0, 100), point(10, 1.0, 100))) is None


def test_evidence_comes_back_as_it_was_for_the_same_revision_and_plan_only(tmp_path: Path) -> None:
    tally = Tally(100, 1)
    state = analysis.observe(analysis.begin(PLAN), Counts(1.0, tally, tally), PLAN)
    kept = Progress(2, progress.plain(PLAN), state.to_json(), point(1, 1.0, 1), point(0, 1.0, 0))
    assert progress.resumed(tmp_path, 2, PLAN) is None
    progress.save(tmp_path, kept)
    assert progress.resumed(tmp_path, 2, PLAN) == state
    assert progress.resumed(tmp_path, 3, PLAN) is None
    assert progress.resumed(tmp_path, 2, Plan((0.2, 0.5), 0.95, 0.01, None, 60.0)) is None
    (tmp_path / progress.FILE).write_text('{"revision": 2}')
    assert progress.resumed(tmp_path, 2, PLAN) is None
    progress.forget(tmp_path)
    assert progress.load(tmp_path) is None


def test_the_view_has_shares_counts_and_evidence_against_its_thresholds() -> None:
    text = "\n".join(view.lines(status(), made(point(20, 10.0, 300), point(10, 1.0, 100)), 7))
    assert "a deployment is under way (pid 7)" in text
    assert "80.0%" in text
    assert "20.0%" in text
    assert "300 requests" in text
    assert "10 of 100" in text
    assert "about 10 s to the next decision" in text


def test_a_canary_that_nobody_watches_says_how_to_go_on() -> None:
    text = "\n".join(view.lines(status(0.0), made(point(20, 10.0, 300), point(10, 1.0, 100)), None))
    assert "--resume" in text
    assert view.lines(None, None, None) == ["nothing serves"]
