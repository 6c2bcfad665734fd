"""When both versions fail."""

from __future__ import annotations

from mlci.deploy.alarm import FEWEST, POLLS, both_failing
from mlci.deploy.analysis import Counts, Tally


def poll(stable: tuple[int, int], canary: tuple[int, int]) -> Counts:
    return Counts(0.25, Tally(*stable), Tally(*canary))


def test_it_is_told_when_each_version_fails_that_share() -> None:
    said = both_failing([poll((100, 30), (20, 5)), poll((100, 30), (20, 5))], 0.25)
    assert said is not None
    assert "stable 60 of 200, the canary 10 of 40" in said


def test_one_version_that_fails_alone_is_for_the_comparison() -> None:
    assert both_failing([poll((100, 100), (50, 0))], 0.1) is None
    assert both_failing([poll((100, 0), (50, 50))], 0.1) is None


def test_few_requests_and_missing_counts_say_nothing() -> None:
    assert both_failing([poll((FEWEST - 1, FEWEST - 1), (50, 50))], 0.1) is None
    assert both_failing([Counts(0.25, None, None)] * 9, 0.1) is None
    assert both_failing([], 0.1) is None
    assert both_failing([poll((100, 0), (100, 0))], 0.0) is None


def test_only_the_last_polls_count() -> None:
    assert both_failing([poll((100, 100), (100, 100)), *[poll((100, 0), (100, 0))] * POLLS], 0.01) is None
