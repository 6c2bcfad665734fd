"""The types of `gate` in `mlci.yaml`: on what a model is judged, by which rules, beside which other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlci.config.costs import Batch, Latency, Load, Memory, ModelSize, Requirements
from mlci.config.keys import Bins, Command, DatasetRef, Duration, EnvironmentRef, key


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of the holdout and of the predictions mean what."""

    id: str = key("The row's identity, in the holdout and in the predictions.")
    label: str | None = key("The truth, in the holdout; `scores` needs none, `multilabel` has `labels`.", None)
    labels: dict[str, str] = key("Of each tag the column of its truth, in the holdout (multilabel).", factory=dict)
    score: str | None = key(
        "The predicted probability of the positive class, or what items are ranked by, in the predictions.", None
    )
    scores: dict[str, str] = key(
        "Of each class or tag the column of its predicted probability (multiclass, multilabel).", factory=dict
    )
    prediction: str | None = key("The predicted class or value, in the predictions.", None)
    predictions: dict[str, str] = key(
        "Of each tag the column that says whether it is predicted (multilabel); left out: by the scores.", factory=dict
    )
    quantiles: dict[str, float] = key(
        "Of each column of a predicted quantile its level, such as `{p10: 0.1, p90: 0.9}` (forecasting).", factory=dict
    )
    series: str | None = key("The series of a row, in the holdout (forecasting); left out: all are one series.", None)
    time: str | None = key("When the row is, in the holdout (forecasting).", None)
    scale: dict[str, str] = key(
        "Of `mase` and `rmsse` the column of the naive forecast's error on the training series, in the holdout.",
        factory=dict,
    )
    group: str | None = key(
        "Rows of one value belong together: a user, or the query in a ranking; in the holdout.", None
    )
    weight: str | None = key("How much a row counts, in the holdout.", None)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What one metric has to reach, alone and against the champion."""

    min: float | None = key("The interval of the metric must lie above.", None)
    max: float | None = key("The interval of the metric must lie below.", None)
    margin: float | None = key("Not worse than the champion by more than this (non-inferiority).", None, minimum=0)
    improve: float | None = key("Better than the champion by more than this (superiority).", None, minimum=0)
    threshold: float = key("The score from which on a row is predicted positive.", 0.5)
    better: Literal["higher", "lower"] | None = key(
        "Which is better, for a column, an expression or a function; left out: lower where only `max` is set.", None
    )
    by: str | None = key("The column of the groups, or the name of a slice, for a gap between groups.", None)
    function: str | None = key(
        "A function of the project that gives a number for each row, or one for all, `module:function`.", None
    )
    replicates: int | None = key(
        "How often a function that gives one number is asked again, of rows drawn anew; left out: by their number.",
        None,
        minimum=200,
    )
    expression: str | None = key(
        "A number for each row in SQL, over its columns, `label`, `score`, `prediction`.", None
    )


@dataclass(frozen=True, kw_only=True)
class SliceBy:
    """What rows are grouped by: a column (a line alone is its name), bins of it, several together, or a condition."""

    column: str | None = key("Each value of this column of the holdout.", None)
    bins: Bins | None = key("Each range of the column: as many as a number says, or between the edges of a list.", None)
    columns: tuple[str, ...] = key("Each combination of the values of these columns.", ())
    where: str | None = key("The rows where this condition in SQL is true, and those where it is not.", None)
    name: str | None = key("What it is called in reports; left out: its columns.", None)


@dataclass(frozen=True, kw_only=True)
class Search:
    """Look for the worst groups among all; a number alone is the `depth`."""

    depth: int = key("Values of one column (1), or of two together as well (2).", 2, minimum=1, maximum=2)
    columns: tuple[str, ...] = key("Columns of the holdout; left out: all that can be searched.", ())
    max: int = key("So many of the worst are shown.", 5, minimum=1)


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Groups of rows that are judged apart."""

    by: tuple[SliceBy, ...] = key("What the rows are grouped by.", (), shorthand="column", minItems=1)
    search: Search | None = key("Find the worst groups.", None, shorthand="depth")
    metric: str = key("The metric that is compared over the groups.")
    min_rows: int = key("Smaller groups are not judged.", 200, minimum=1)
    max_gap: float | None = key("The largest allowed distance between a group and all rows.", None, minimum=0)
    margin: float | None = key("In each group, not worse than the champion by more than this.", None, minimum=0)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Checks by another program, of the data and of what the model says of it; a line alone is its `suite`."""

    suite: str | None = key(
        "`deepchecks:data_integrity`, `deepchecks:train_test_validation`, `deepchecks:model_evaluation`, "
        "`deepchecks:full`, `evidently:data_drift`, `evidently:data_summary`, `evidently:classification`, "
        "`evidently:regression`, `command: PROGRAM …`, or a suite of a plug-in.",
        None,
    )
    command: Command | None = key("A program that writes its findings as JSON to MLCI_FINDINGS.", None)
    train: DatasetRef | None = key(
        "The training data that the suite sees; left out: the one dataset that `train` reads.", None
    )
    severity: Literal["error", "warn"] = key("Whether its errors fail the gate; a check that crashed does.", "error")
    skip: tuple[str, ...] = key("Checks that are left out, by name.", ())
    sample: int | None = key(
        "Rows of each table at most; left out: 100,000 for deepchecks and evidently, else all.", None, minimum=1
    )
    timeout: Duration = key("Stop the suite after this time.", 1800.0)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Is the new model good enough, and how sure are we?"""

    predict: Command = key("Reads MLCI_DATA and MLCI_MODEL, writes MLCI_PREDICTIONS (Parquet).")
    data: DatasetRef = key("The dataset on which models are judged; never trained on.")
    task: Literal["classification", "multiclass", "multilabel", "regression", "forecasting", "ranking", "scores"] = key(
        "What is predicted; `scores`: numbers for each example, each column a metric.", "classification"
    )
    columns: Columns = key("Which columns mean what.")
    inputs: tuple[str, ...] = key("Files that predict reads; local Python imports are found by themselves.", ())
    champion: EnvironmentRef | None = key("The environment whose model is the one to compare with.", None)
    confidence: float = key("Confidence of every interval and test.", 0.95, exclusiveMinimum=0.5, exclusiveMaximum=1)
    inconclusive: Literal["fail", "pass", "ask"] = key(
        "What becomes of a model that too few rows can tell about; `ask` stops it for a person to decide.", "fail"
    )
    self_test: bool = key("Judge planted bad models on each run: a gate that lets one pass fails.", True)
    metrics: dict[str, Metric] = key("Metrics by name, and what each has to reach.", factory=dict)
    slices: Slices | None = key("Groups of rows that are judged apart.", None)
    suites: tuple[Suite, ...] = key("Test suites, such as `deepchecks:model_evaluation`.", (), shorthand="suite")
    latency: Latency | None = key("How long a request to the server may take.", None)
    load: Load | None = key("How long the server may take to get ready.", None)
    memory: Memory | None = key("How much memory the server may take.", None)
    batch: Batch | None = key("How long predict may take, and how much memory.", None)
    requirements: Requirements | None = key("How many packages the image may carry.", None)
    size: ModelSize | None = key("How big the model may be.", None)
    timeout: Duration = key("Stop predict after this time.", 3600.0)
