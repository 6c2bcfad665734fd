"""`evidently:*`: presets of Evidently with their tests, run by its own Python in its own environment from its own lock.

Evidently works with older versions of pandas only, so it is no dependency of mlci, and nothing here imports it.
`evidently_run.py` is a program beside it; files are all that the two say to each other.
"""

from __future__ import annotations

import difflib
import hashlib
from itertools import groupby
from pathlib import Path
from typing import Any

from mlci.config.judging import Suite as Options
from mlci.gate.suites import environment
from mlci.gate.suites.protocol import Found, Job, Outcome, Severity, Wants

SUITES: dict[str, tuple[str, ...]] = {
    "data_drift": (),
    "data_summary": (),
    "classification": ("classification", "multiclass"),
    "regression": ("regression", "forecasting"),
}
"""The presets, with the tasks whose models each judges; those without judge data."""
SAMPLE = 100_000
"""Rows of each table at most, where `sample` does not say."""
LOCK, RUNNER = (Path(__file__).with_name(name) for name in ("evidently.lock", "evidently_run.py"))
PYTHON = ">=3.11,<3.14"
"""The Pythons for which every package of the lock has a wheel."""
_SEVERITY: dict[str, Severity] = {"FAIL": "error", "WARNING": "warn", "SKIPPED": "note"}


def mistake(argument: str, options: Options, task: str) -> tuple[str, str] | None:  # noqa: ARG001
    """Not a preset that can judge tables and predictions, or not those of this task."""
    if argument not in SUITES:
        near = difflib.get_close_matches(argument, SUITES, n=1)
        known = f"Did you mean `evidently:{near[0]}`?" if near else f"Suites: {', '.join(SUITES)}."
        return f"evidently has no suite {argument!r}", known
    if SUITES[argument] and task not in SUITES[argument]:
        return f"evidently:{argument} is not for the gate's task, {task}", "Take it out of `gate.suites`."
    return None


def identity(argument: str) -> str:  # noqa: ARG001
    """The digest of the lock and of the program."""
    return "sha256:" + hashlib.sha256(LOCK.read_bytes() + RUNNER.read_bytes()).hexdigest()


def wants(argument: str) -> Wants:
    """The training data where there is any, for drift always; what the model says of it where the model is judged."""
    return Wants("required" if argument == "data_drift" else "known", predictions=bool(SUITES[argument]))


def run(job: Job) -> Outcome:
    """Make the environment if it is not there, run the preset in it, and read what it found."""
    page = job.folder / "page.html"
    request = environment.request(job, page, predictions=wants(job.argument).predictions, skip=list(job.options.skip))
    found = environment.run(job, "evidently", LOCK, PYTHON, RUNNER, request)
    return outcome(found, job.options.skip, page if page.is_file() else None)


def outcome(found: dict[str, Any], skip: tuple[str, ...] = (), page: Path | None = None) -> Outcome:
    """What the program wrote, as findings: a failed test is an error, and so is one that crashed."""
    findings, checks = [], 0
    for one in found["tests"]:
        checks += one["status"] in ("SUCCESS", "WARNING", "FAIL")
        if one["status"] != "SUCCESS":
            crashed = one["status"] not in _SEVERITY
            title, _, wanted = one["name"].partition(": ")
            severity = _SEVERITY.get(one["status"], "error")
            findings.append(Found(title, severity, one["detail"], wanted, crashed=crashed))
    left = sorted((one["why"], one["test"].partition(":")[0]) for one in found["left_out"])
    for why, group in groupby(left, key=lambda pair: pair[0]):
        findings.append(Found("not minded: " + ", ".join(dict.fromkeys(test for _, test in group)), "note", why))
    if unmet := sorted({*skip} - {test for _, test in left}):
        findings.append(Found(f"`skip` names no test of it: {', '.join(unmet)}", "warn", "see its names in the page"))
    if found["columns_left_out"]:
        why = "they hold times or nested values, or are not in every table"
        findings.append(Found("columns not looked at: " + ", ".join(found["columns_left_out"]), "note", why))
    return Outcome(tuple(findings), checks, page)
