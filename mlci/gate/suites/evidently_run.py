"""Runs one preset of Evidently on tables and static predictions, and writes what came out of it as JSON and HTML.

This program stands alone: it is run by the Python of the environment that holds Evidently (`python -I evidently_run.py
REQUEST`), imports nothing of mlci, and mlci imports nothing of it. REQUEST is a JSON file:

    {"suite": "data_drift", "task": "classification", "holdout": …, "predictions": … or null, "train": … or null,
     "train_predictions": … or null, "id": …, "label": … or null, "score": … or null, "prediction": … or null,
     "skip": […], "results": FILE, "html": FILE}

The tables are Parquet, and predictions stand in the order of their rows. FILE gets

    {"tests": [{"name", "status", "detail"}], "left_out": [{"test", "why"}], "columns_left_out": […]}
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"

Json = dict[str, Any]
PRESETS = {
    "data_drift": "DataDriftPreset",
    "data_summary": "DataSummaryPreset",
    "classification": "ClassificationPreset",
    "regression": "RegressionPreset",
}
OF_SIZE = "Row count in dataset"
NO_DUMMY = "LogLoss metric: Less 0.000"


def main(request_file: str) -> None:
    """Run what the request asks for."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    import numpy as np
    from evidently import Report, presets

    np.random.seed(0)
    holdout, train, columns_left_out = read(request)
    preset = getattr(presets, PRESETS[request["suite"]])()
    ran = Report([preset], include_tests=True).run(holdout, train)
    ran.save_html(request["html"])
    tests, left_out = [], []
    for one in ran.dict()["tests"]:
        why = not_asked(one["name"], request)
        if why:
            left_out.append({"test": one["name"], "why": why})
        else:
            tests.append({"name": one["name"], "status": status(one["status"]), "detail": one["description"]})
    target = Path(request["results"])
    written = {"tests": tests, "left_out": left_out, "columns_left_out": columns_left_out}
    target.with_suffix(".part").write_text(json.dumps(written))
    target.with_suffix(".part").replace(target)


def status(given: Any) -> str:
    """`SUCCESS`, `WARNING`, `FAIL`, `ERROR` or `SKIPPED`."""
    return str(getattr(given, "value", given)).rpartition(".")[2].upper()


def not_asked(name: str, request: Json) -> str | None:
    """Why a test is not to be minded, if so."""
    if name.partition(":")[0] in request["skip"]:
        return "by `skip`"
    if request["train"] and name.startswith(OF_SIZE):
        return "a holdout need not have as many rows as the training data"
    if name.startswith(NO_DUMMY):
        return "it compares with a trivial model whose log loss is given as 0, which none has"
    return None


def read(request: Json) -> tuple[Any, Any, list[str]]:
    """The holdout, the training data where there is any, and the columns that are left out."""
    import pandas as pd
    from evidently import DataDefinition, Dataset

    frames = {name: pd.read_parquet(request[name]) for name in ("holdout", "train") if request[name]}
    answers = {"holdout": request["predictions"], "train": request["train_predictions"]}
    met = dict.fromkeys(name for frame in frames.values() for name in frame.columns)
    every = [name for name in met if name not in (request["id"], request["label"])]
    kinds = {name: {kind_of(frame[name]) if name in frame else None for frame in frames.values()} for name in every}
    numbers = [name for name, found in kinds.items() if found == {"number"}]
    words = [name for name, found in kinds.items() if found <= {"number", "words"} and "words" in found]
    judged: Json = {}
    for name, frame in frames.items():
        frame[numbers] = frame[numbers].astype(float)
        frame[words] = frame[words].astype(object).map(lambda value: None if pd.isna(value) else str(value))
        judged = model_of(frame, answers[name], request) if answers[name] else {}
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=words, **judged)
    extra = [name for name in ("mlci label", "mlci score", "mlci prediction") if name in frames["holdout"]]
    sets = {
        name: Dataset.from_pandas(frame[[*numbers, *words, *extra]], data_definition=definition)
        for name, frame in frames.items()
    }
    return sets["holdout"], sets.get("train"), [name for name in every if name not in (*numbers, *words)]


def kind_of(column: Any) -> str | None:
    """Whether a column holds numbers or words; None for times, nested values and others."""
    from decimal import Decimal

    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_bool_dtype(column):
        return "words"
    if is_numeric_dtype(column):
        return "number"
    there = column.dropna()
    if len(there) and all(isinstance(value, Decimal) for value in there):
        return "number"
    return "words" if all(isinstance(value, (str, bool)) for value in there) else None


def model_of(frame: Any, file: str, request: Json) -> Json:
    """Put the labels and what the model says of them beside the rows; gives how Evidently is told of it."""
    import pandas as pd
    from evidently import BinaryClassification, MulticlassClassification, Regression

    answers, score, prediction = pd.read_parquet(file), request["score"], request["prediction"]
    if request["suite"] == "regression":
        frame["mlci label"] = frame[request["label"]].astype(float)
        frame["mlci prediction"] = answers[prediction].to_numpy(float)
        return {"regression": [Regression(target="mlci label", prediction="mlci prediction")]}
    frame["mlci label"] = classes(frame[request["label"]])
    two = set(frame["mlci label"].unique()) <= {"0", "1"}
    if two and score is not None:
        frame["mlci score"] = answers[score].to_numpy(float)
        of = BinaryClassification(target="mlci label", prediction_probas="mlci score", pos_label="1")
        return {"classification": [of]}
    if prediction is None:
        sys.exit("labels that are not 0 and 1 need predicted classes: name their column in gate.columns.prediction")
    frame["mlci prediction"] = classes(answers[prediction]).to_numpy()
    if two:
        of = BinaryClassification(target="mlci label", prediction_labels="mlci prediction", pos_label="1")
        return {"classification": [of]}
    return {
        "classification": [MulticlassClassification(target="mlci label", prediction_labels="mlci prediction")],
    }


def classes(column: Any) -> Any:
    """Labels as text, with 1, 1.0 and true as one class."""
    known = {"true": "1", "1.0": "1", "false": "0", "0.0": "0"}
    text = column.map(lambda value: str(value).strip())
    return text.map(lambda value: known.get(value.lower(), value))


if __name__ == "__main__":
    main(sys.argv[1])
