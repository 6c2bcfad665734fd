from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlci.gate.suites import deepchecks
from mlci.gate.suites.deepchecks import outcome

FOLDER = Path(deepchecks.__file__).parent


def ran(*results, left_out=(), columns=()):
    return {
        "results": list(results),
        "left_out": [{"check": check, "why": why} for check, why in left_out],
        "columns_left_out": list(columns),
    }


def result(header: str, *statuses: str, crashed: str | None = None):
    conditions = [{"status": status, "condition": f"{header} is fine", "detail": "found 3"} for status in statuses]
    return {"header": header, "check": header.replace(" ", ""), "conditions": conditions, "crashed": crashed}


@pytest.mark.parametrize(("status", "severity"), [("FAIL", "error"), ("WARN", "warn"), ("ERROR", "error")])
def test_a_condition_that_does_not_pass_is_a_finding(status: str, severity: str) -> None:
    found = outcome(ran(result("Feature Drift", "PASS", status)))
    assert found.checks == 2
    (one,) = found.findings
    assert (one.title, one.severity, one.checked, one.detail) == (
        "Feature Drift",
        severity,
        "Feature Drift is fine",
        "found 3",
    )


@pytest.mark.parametrize(
    "crash",
    [
        "TypeError: 'NoneType' object is not iterable",
        "AttributeError: module 'numpy' has no attribute 'Inf'",
        "KeyError: 'the index does not contain 3'",
        "ValueError: this is irrelevant",
        "NotEnoughSamplesError: Not enough samples",
    ],
)
def test_a_check_that_crashed_is_an_error_and_never_a_pass(crash: str) -> None:
    found = outcome(ran(result("Roc Report", crashed=crash), result("Feature Drift", "PASS")))
    (one,) = found.findings
    assert (one.severity, one.crashed, one.detail) == ("error", True, crash)


def test_a_status_that_nobody_knows_is_an_error() -> None:
    (one,) = outcome(ran(result("Feature Drift", "SKIPPED"))).findings
    assert (one.severity, one.crashed) == ("error", True)


@pytest.mark.parametrize(
    "crash",
    [
        "ModelValidationError: Check is irrelevant for regression tasks",
        "DeepchecksNotSupportedError: Dataset does not contain a datetime",
    ],
)
def test_a_check_that_has_nothing_to_do_with_such_data_is_noted(crash: str) -> None:
    found = outcome(ran(result("Date Leakage", crashed=crash), left_out=[("B", "by `skip`"), ("A", "by `skip`")]))
    assert found.checks == 0
    assert {(one.severity, one.title) for one in found.findings} == {
        ("note", "not checked: Date Leakage"),
        ("note", "not checked: A, B"),
    }


def test_columns_that_are_not_looked_at_are_noted() -> None:
    (one,) = outcome(ran(columns=["when", "tags"])).findings
    assert (one.severity, one.title) == ("note", "columns not looked at: when, tags")


@pytest.mark.parametrize("name", ["deepchecks", "evidently"])
def test_every_package_of_the_lock_is_pinned_and_hashed_and_no_host_stands_in_it(name: str) -> None:
    lock = (FOLDER / f"{name}.lock").read_text()
    assert not re.search(r"https?:|index-url|find-links|@ ", lock)
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        assert re.match(r"[a-z0-9-]+==[^ ]+ (;|\\)", entry)
        assert "--hash=sha256:" in entry
    wanted = (FOLDER / f"{name}.in").read_text().split()
    assert all(f"\n{pin} " in f"\n{lock}" for pin in wanted)


@pytest.mark.parametrize("name", ["deepchecks", "evidently"])
def test_the_program_that_runs_a_library_imports_nothing_of_mlci_and_mlci_nothing_of_it(name: str) -> None:
    assert not re.search(r"^\s*(from|import) mlci", (FOLDER / f"{name}_run.py").read_text(), re.MULTILINE)
    for file in FOLDER.parents[1].rglob("*.py"):
        if file.name != f"{name}_run.py":
            assert not re.search(rf"^\s*(from {name}|import {name})", file.read_text(), re.MULTILINE), file


def test_the_identity_is_of_the_lock_and_the_program() -> None:
    assert re.fullmatch("sha256:[0-9a-f]{64}", deepchecks.identity("full"))
