"""`deepchecks:*`: suites of deepchecks, run by its own Python in its own environment from its own lock.

deepchecks works with old versions of numpy, pandas and scikit-learn only, and is under the AGPL: so it is no
dependency of mlci, and nothing here imports it. `deepchecks_run.py` is a program beside it; files are all that the two
say to each other. A check that crashed gives no verdict there and its suite still calls itself passed: here it is an
error, unless it says itself that it has nothing to do with such data.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from mlci.config.judging import Suite as Options
from mlci.gate.suites import environment
from mlci.gate.suites.protocol import Found, Job, Outcome, Severity, Wants

CHECKS = {
    "data_integrity": [
        "IsSingleValue",
        "SpecialCharacters",
        "MixedNulls",
        "MixedDataTypes",
        "StringMismatch",
        "DataDuplicates",
        "StringLengthOutOfBounds",
        "ConflictingLabels",
        "OutlierSampleDetection",
        "FeatureLabelCorrelation",
        "FeatureFeatureCorrelation",
        "IdentifierLabelCorrelation",
    ],
    "train_test_validation": [
        "DatasetsSizeComparison",
        "NewLabelTrainTest",
        "NewCategoryTrainTest",
        "StringMismatchComparison",
        "DateTrainTestLeakageDuplicates",
        "DateTrainTestLeakageOverlap",
        "IndexTrainTestLeakage",
        "TrainTestSamplesMix",
        "FeatureLabelCorrelationChange",
        "FeatureDrift",
        "LabelDrift",
        "MultivariateDrift",
    ],
    "model_evaluation": [
        "TrainTestPerformance",
        "RocReport",
        "ConfusionMatrixReport",
        "PredictionDrift",
        "SimpleModelComparison",
        "WeakSegmentsPerformance",
        "CalibrationScore",
        "RegressionErrorDistribution",
        "UnusedFeatures",
        "BoostingOverfit",
        "ModelInferenceTime",
    ],
}
"""The checks of each suite in the version of the lock."""
CHECKS["full"] = [check for checks in CHECKS.values() for check in checks]
TASKS = ("classification", "multiclass", "regression", "forecasting")
SAMPLE = 100_000
"""Rows of each table at most, where `sample` does not say."""
WEAK_SEGMENTS_ROWS = 20_000
"""On more rows the check for weak segments takes longer than all others together."""
LOCK, RUNNER = (Path(__file__).with_name(name) for name in ("deepchecks.lock", "deepchecks_run.py"))
PYTHON = ">=3.11,<3.13"
"""The Pythons for which every package of the lock has a wheel."""
_SEVERITY: dict[str, Severity] = {"FAIL": "error", "WARN": "warn", "ERROR": "error"}
_HAS_NOTHING_TO_DO = re.compile(
    r"(DatasetValidation|ModelValidation|DeepchecksNotSupported)Error: .*\b(is irrelevant|does not contain)\b"
)


def mistake(argument: str, options: Options, task: str) -> tuple[str, str] | None:
    """Not a suite of deepchecks, or a check to skip that the suite does not have."""
    if argument not in CHECKS:
        near = difflib.get_close_matches(argument, CHECKS, n=1)
        known = f"Did you mean `deepchecks:{near[0]}`?" if near else f"Suites: {', '.join(CHECKS)}."
        return f"deepchecks has no suite {argument!r}", known
    if task not in TASKS:
        return f"deepchecks judges classes and numbers, and the gate's task is {task}", "Take it out of `gate.suites`."
    for name in options.skip:
        if _check(name) not in CHECKS[argument]:
            near = difflib.get_close_matches(_check(name), CHECKS[argument], n=1)
            known = f"Did you mean `{near[0]}`?" if near else f"Checks: {', '.join(CHECKS[argument])}."
            return f"`skip`: deepchecks:{argument} has no check {name!r}", known
    return None


def _check(name: str) -> str:
    """A check by its name in the code, or as its page shows it: `Feature Drift` is `FeatureDrift`."""
    return name.replace(" ", "")


def identity(argument: str) -> str:  # noqa: ARG001
    """The digest of the lock and of the program."""
    return "sha256:" + hashlib.sha256(LOCK.read_bytes() + RUNNER.read_bytes()).hexdigest()


def wants(argument: str) -> Wants:
    """The training data where there is any; what the model says of it where the model is judged."""
    judges_model = argument in ("model_evaluation", "full")
    return Wants("required" if argument == "train_test_validation" else "known", predictions=judges_model)


def run(job: Job) -> Outcome:
    """Make the environment if it is not there, run the suite in it, and read what it found."""
    page = job.folder / "page.html"
    skip = [_check(name) for name in job.options.skip]
    request = environment.request(job, page, predictions=wants(job.argument).predictions, skip=skip)
    request["weak_segments_rows"] = WEAK_SEGMENTS_ROWS
    found = environment.run(job, "deepchecks", LOCK, PYTHON, RUNNER, request)
    return outcome(found, page if page.is_file() else None)


def outcome(found: dict[str, Any], page: Path | None = None) -> Outcome:
    """What the program wrote, as findings: a failed condition and a crashed check are errors."""
    findings, checks = [], 0
    without = [(one["why"], one["check"]) for one in found["left_out"]]
    for one in found["results"]:
        if one["crashed"] is not None and _HAS_NOTHING_TO_DO.match(one["crashed"]):
            without.append((_line(one["crashed"]), one["header"]))
        elif one["crashed"] is not None:
            title = f"{one['header']} crashed"
            findings.append(Found(title, "error", one["crashed"], "whether it can be checked", crashed=True))
        for condition in one["conditions"]:
            checks += 1
            if condition["status"] != "PASS":
                crashed = condition["status"] not in ("FAIL", "WARN")
                severity = _SEVERITY.get(condition["status"], "error")
                findings.append(
                    Found(one["header"], severity, condition["detail"], condition["condition"], crashed=crashed)
                )
    for why, group in groupby(sorted(without), key=lambda pair: pair[0]):
        findings.append(Found("not checked: " + ", ".join(check for _, check in group), "note", why))
    if found["columns_left_out"]:
        why = "they hold times or nested values, or are not in every table"
        findings.append(Found("columns not looked at: " + ", ".join(found["columns_left_out"]), "note", why))
    return Outcome(tuple(findings), checks, page)


def _line(text: str) -> str:
    return text.partition(": ")[2].partition("\n")[0] or text
