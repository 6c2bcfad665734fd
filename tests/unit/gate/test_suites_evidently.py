"""What Evidently's tests say, as findings."""

from __future__ import annotations

import pytest

from mlci.gate.suites.evidently import outcome


def ran(*tests, left_out=(), columns=()):
    return {
        "tests": [{"name": name, "status": status, "detail": "found 3"} for name, status in tests],
        "left_out": [{"test": test, "why": why} for test, why in left_out],
        "columns_left_out": list(columns),
    }


@pytest.mark.parametrize(("status", "severity"), [("FAIL", "error"), ("WARNING", "warn")])
def test_a_test_that_does_not_pass_is_a_finding(status: str, severity: str) -> None:
    found = outcome(ran(("Recall metric: Equal 0.6 ± 0.1", status), ("Precision metric: Equal 0.6", "SUCCESS")))
    assert found.checks == 2
    (one,) = found.findings
    assert (one.title, one.severity, one.checked, one.detail, one.crashed) == (
        "Recall metric",
        severity,
        "Equal 0.6 ± 0.1",
        "found 3",
        False,
    )


@pytest.mark.parametrize("status", ["ERROR", "", "LOST"])
def test_a_test_that_crashed_or_says_what_nobody_knows_is_an_error_and_no_check(status: str) -> None:
    found = outcome(ran(("Recall metric: Equal 0.6", status)))
    assert found.checks == 0
    assert [(one.severity, one.crashed) for one in found.findings] == [("error", True)]


def test_what_was_not_minded_is_noted_with_the_reason() -> None:
    found = outcome(
        ran(left_out=[("B: Equal 1", "by `skip`"), ("A: Equal 2", "by `skip`")], columns=["at"]), ("A", "B")
    )
    assert [(one.severity, one.title) for one in found.findings] == [
        ("note", "not minded: A, B"),
        ("note", "columns not looked at: at"),
    ]


def test_a_skip_that_names_no_test_is_a_warning() -> None:
    (one,) = outcome(ran(("Recall metric: Equal 0.6", "SUCCESS")), ("Recal metric",)).findings
    assert (one.severity, one.title) == ("warn", "`skip` names no test of it: Recal metric")
