"""Runs one suite of deepchecks on tables and static predictions, and writes what came out of it as JSON and HTML.

This program stands alone: it is run by the Python of the environment that holds deepchecks (`python -I
deepchecks_run.py REQUEST`), imports nothing of mlci, and mlci imports nothing of it. Files are all that the two say
to each other. REQUEST is a JSON file:

    {"suite": "full", "task": "classification", "holdout": …, "predictions": …, "train": … or null,
     "train_predictions": … or null, "id": …, "label": …, "score": … or null, "prediction": … or null,
     "skip": […], "weak_segments_rows": 20000, "results": FILE, "html": FILE}

The tables are Parquet, and predictions stand in the order of their rows. FILE gets

    {"results": [{"header", "check", "conditions": [{"status", "condition", "detail"}], "crashed": … or null}],
     "left_out": [{"check", "why"}], "columns_left_out": […]}
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

# Before the import of deepchecks, which otherwise tells its makers of it and waits for them.
os.environ["DISABLE_LATEST_VERSION_CHECK"] = os.environ["DISABLE_DEEPCHECKS_ANONYMOUS_TELEMETRY"] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

Json = dict[str, Any]
NEEDS_MODEL = ("ModelInferenceTime", "UnusedFeatures", "BoostingOverfit")
OF_CLASSES = ("RocReport", "ConfusionMatrixReport", "CalibrationScore", "NewLabelTrainTest", "ConflictingLabels")
OF_NUMBERS = ("RegressionErrorDistribution",)
NEEDS_SCORE = ("RocReport", "CalibrationScore", "WeakSegmentsPerformance")
NEEDS_TIME = ("DateTrainTestLeakageDuplicates", "DateTrainTestLeakageOverlap")
NEEDS_ID = ("IndexTrainTestLeakage", "IdentifierLabelCorrelation")


def main(request_file: str) -> None:
    """Run what the request asks for."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    import deepchecks
    import numpy as np
    from deepchecks.tabular import suites

    deepchecks.set_verbosity(logging.ERROR)
    np.random.seed(0)
    suite = getattr(suites, "full_suite" if request["suite"] == "full" else request["suite"])(random_state=0)
    tables, columns_left_out = read(request)
    left_out = choose(suite, request, tables)
    results = run(suite, request, tables) if suite.checks else []
    written = {"results": results, "left_out": left_out, "columns_left_out": columns_left_out}
    target = Path(request["results"])
    target.with_suffix(".part").write_text(json.dumps(written))
    target.with_suffix(".part").replace(target)


def read(request: Json) -> tuple[Json, list[str]]:
    """The tables, {"holdout": (dataset, classes or numbers, probabilities)}, and the columns that are left out."""
    import pandas as pd
    from deepchecks.tabular import Dataset

    frames = {name: pd.read_parquet(request[name]) for name in ("train", "holdout") if request[name]}
    answers = {"holdout": request["predictions"], "train": request["train_predictions"]}
    label, classify, start = request["label"], request["task"] != "regression", 0
    for frame in frames.values():
        exact = [name for name in frame if any(isinstance(value, Decimal) for value in frame[name].head(100))]
        frame[exact] = frame[exact].astype(float)
        frame.index = range(start, start + len(frame))  # two rows of one index are one row to deepchecks
        start += len(frame)
        frame[label] = classes(frame[label]) if classify else frame[label].astype(float)
    features, left_out = common_features(frames, request)
    categories = [name for name in features if any(is_category(frame[name]) for frame in frames.values())]
    kind = "regression"
    if classify:
        values = pd.concat([frame[label] for frame in frames.values()]).nunique()
        kind = "binary" if values <= 2 else "multiclass"
    tables = {}
    for name, frame in frames.items():
        index = [request["id"]] if request["id"] in frame.columns else []
        used = frame[[*features, label, *index]].astype(dict.fromkeys(categories, object))
        dataset = Dataset(
            used,
            label=label,
            features=features,
            cat_features=categories,
            index_name=index[0] if index else None,
            label_type=kind,
        )
        tables[name] = (dataset, *predicted(answers[name], request, frame[label] if classify else None))
    return tables, left_out


def common_features(frames: Json, request: Json) -> tuple[list[str], list[str]]:
    """The columns that every table has and deepchecks can compare, and the others: times, nested values."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    met = dict.fromkeys(name for frame in frames.values() for name in frame.columns)
    every = [name for name in met if name not in (request["id"], request["label"])]

    def fits(column: Any) -> bool:
        words = is_category(column) and all(isinstance(value, str) for value in column.dropna())
        return words or is_numeric_dtype(column) or is_bool_dtype(column)

    features = [name for name in every if all(name in frame and fits(frame[name]) for frame in frames.values())]
    for frame in frames.values():
        for name in features:
            if is_bool_dtype(frame[name]):
                frame[name] = frame[name].map({True: "true", False: "false"})
    return features, [name for name in every if name not in features]


def is_category(column: Any) -> bool:
    """Whether a column holds words: text, or an enumeration."""
    return str(column.dtype) in ("category", "object", "string", "str")


def classes(column: Any) -> Any:
    """Labels as 0 and 1 where they are that in other words, else as text: predictions must mean the same."""
    import pandas as pd

    known = {"true": "1", "1.0": "1", "false": "0", "0.0": "0"}
    text = column.map(lambda value: None if pd.isna(value) else str(value).strip())
    small = text.map(lambda value: known.get(value.lower(), value), na_action="ignore")
    return small.astype(int) if set(small) <= {"0", "1"} else text


def predicted(file: str | None, request: Json, labels: Any) -> tuple[Any, Any]:
    """The predictions as deepchecks takes them: (classes or numbers, probabilities of the classes or None)."""
    import numpy as np
    import pandas as pd

    if file is None:
        return None, None
    answers, name, score = pd.read_parquet(file), request["prediction"], request["score"]
    if labels is None:
        return answers[name].to_numpy(float), None
    if score is None or not set(labels.unique()) <= {0, 1}:
        if name is None:
            sys.exit("labels that are not 0 and 1 need predicted classes: name their column in gate.columns.prediction")
        return classes(answers[name]).to_numpy(), None
    scores = answers[score].to_numpy(float)
    given = classes(answers[name]).to_numpy() if name is not None else (scores >= 0.5).astype(int)
    return given, np.column_stack([1 - scores, scores])


def choose(suite: Any, request: Json, tables: Json) -> list[dict[str, str]]:
    """Take the checks that cannot say anything here out of the suite; gives each with the reason."""
    from deepchecks.tabular import TrainTestCheck

    classify = request["task"] != "regression"
    dataset, _, scores = tables["holdout"]
    too_many = max(len(one) for one, _, _ in tables.values()) > request["weak_segments_rows"]
    left = []
    for at, check in list(suite.checks.items()):
        name, why = type(check).__name__, None
        if name in request["skip"]:
            why = "by `skip`"
        elif name in NEEDS_MODEL:
            why = "it needs the model itself, and the suite gets predictions"
        elif name in (OF_NUMBERS if classify else OF_CLASSES):
            why = f"it is not for {request['task']}"
        elif classify and name in NEEDS_SCORE and scores is None:
            why = "it needs `gate.columns.score`, and labels of 0 and 1"
        elif name in NEEDS_TIME:
            why = "it needs a column of time"
        elif name in NEEDS_ID and dataset.index_name is None:
            why = "it needs ids"
        elif isinstance(check, TrainTestCheck) and "train" not in tables:
            why = "it needs the training data"
        elif name == "WeakSegmentsPerformance" and too_many:
            why = f"it takes too long on more than {request['weak_segments_rows']:,} rows; a smaller `sample` has it"
        if why:
            left.append({"check": name, "why": why})
            suite.remove(at)
    return left


def run(suite: Any, request: Json, tables: Json) -> list[Json]:
    """Run the suite, write its page, and give its results."""
    holdout, given, scores = tables["holdout"]
    train, train_given, train_scores = tables.get("train", (None, None, None))
    arguments = {"model_classes": [0, 1]} if scores is not None else {}
    if train is None:  # a single dataset is the first one to deepchecks, whatever it is
        result = suite.run(holdout, y_pred_train=given, y_proba_train=scores, **arguments)
    else:
        arguments.update(y_pred_train=train_given, y_proba_train=train_scores)
        result = suite.run(train, holdout, y_pred_test=given, y_proba_test=scores, **arguments)
    result.save_as_html(request["html"], as_widget=False, connected=False)
    return [found(one) for one in result.results]


def found(result: Any) -> Json:
    """One result: its conditions, or the exception that it ended with."""
    crash = getattr(result, "exception", None)
    conditions = [] if crash is not None else result.conditions_results
    return {
        "header": result.get_header(),
        "check": type(result.check).__name__,
        "conditions": [{"status": c.category.name, "condition": c.name, "detail": c.details} for c in conditions],
        "crashed": f"{type(crash).__name__}: {crash}" if crash is not None else None,
    }


if __name__ == "__main__":
    main(sys.argv[1])
