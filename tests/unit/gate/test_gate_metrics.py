"""Every metric is what scikit-learn says it is, and its influences are what a metric's influences must be."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from mlci.gate import METRICS, Predictions, unknown
from mlci.gate.deciding.intervals import fit, interval
from tests.unit.gate.gatekit import properties

CLASSIFICATION = {
    "roc_auc": sk.roc_auc_score,
    "log_loss": lambda y, p: sk.log_loss(y, p, labels=[0, 1]),
    "brier": sk.brier_score_loss,
    "accuracy": sk.accuracy_score,
    "precision": lambda y, c: sk.precision_score(y, c, zero_division=0),
    "recall": sk.recall_score,
    "f1": sk.f1_score,
    "average_precision": sk.average_precision_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "specificity": lambda y, c: sk.recall_score(y, c, pos_label=0),
    "false_positive_rate": lambda y, c: 1 - sk.recall_score(y, c, pos_label=0),
    "selection_rate": lambda y, c: np.mean(c),
    "ece": lambda y, p: by_bins(y, p),  # noqa: PLW0108  (defined below)
    "mcc": sk.matthews_corrcoef,
}
REGRESSION = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
    "median_absolute_error": sk.median_absolute_error,
}


def by_bins(labels, score, bins=15):
    """The calibration error by its definition: bin by bin."""
    place = np.minimum((score * bins).astype(int), bins - 1)
    inside = [place == b for b in range(bins) if (place == b).any()]
    return sum(abs(labels[one].mean() - score[one].mean()) * one.mean() for one in inside)


def classes(seed, rows, tied, dtype=np.float64):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows).astype(np.int8)
    labels[:4] = [0, 1, 0, 1]
    score = (labels + rng.random(rows)) / 2
    return labels, (np.round(score, 1) if tied else score).astype(dtype)


def test_all_metrics_are_compared_with_scikit_learn():
    assert set(METRICS) == set(CLASSIFICATION) | set(REGRESSION)


@pytest.mark.parametrize("name", CLASSIFICATION)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(4, 200), tied=st.booleans(), threshold=st.floats(0, 1))
def test_a_classification_metric_equals_scikit_learn(name, seed, rows, tied, threshold):
    labels, score = classes(seed, rows, tied)
    metric = METRICS[name]
    column = metric.column(Predictions(score), threshold)
    wanted = CLASSIFICATION[name](labels, column.astype(int) if metric.reads == "class" else column)
    assert metric.measure(labels, column)[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", REGRESSION)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(2, 200), shift=st.floats(-1e6, 1e6))
def test_a_regression_metric_equals_scikit_learn(name, seed, rows, shift):
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=rows) + shift
    predicted = labels + rng.normal(size=rows)
    value = METRICS[name].measure(labels, predicted)[0]
    assert value == pytest.approx(REGRESSION[name](labels, predicted), rel=1e-9, abs=1e-9)


WEIGHED = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "precision": sk.precision_score,
    "recall": sk.recall_score,
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
}


@pytest.mark.parametrize("name", WEIGHED)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(6, 200), tied=st.booleans())
def test_a_weighted_metric_equals_scikit_learn_and_groups_leave_the_value_as_it_is(name, seed, rows, tied):
    labels, score = classes(seed, rows, tied)
    weights = np.random.default_rng(seed).random(rows) + 0.1
    metric = METRICS[name]
    column = metric.column(Predictions(score), 0.3)
    wanted = WEIGHED[name](labels, column, sample_weight=weights)
    assert fit(metric, labels, column, weights).value == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    grouped = fit(metric, labels, column, weights, np.arange(rows) // 3)
    assert grouped.value == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert interval(grouped, 0.95).low <= wanted + 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_of_sure_and_wrong_scores_is_clipped_as_scikit_learn_clips_it(dtype):
    labels = np.array([0, 1, 1, 0], np.int8)
    score = np.array([1, 0, 1, 0], dtype)
    value = METRICS["log_loss"].measure(labels, score)[0]
    assert value == pytest.approx(float(sk.log_loss(labels, score)), rel=1e-6)


def test_mcc_of_many_rows_does_not_overflow():
    labels = np.tile(np.array([0, 1], np.int8), 500_000)
    flipped = labels.copy()
    flipped[:1000] ^= 1
    assert METRICS["mcc"].measure(labels, flipped)[0] == pytest.approx(0.998)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "median_absolute_error"])
def test_influences_add_up_to_nothing_and_predict_what_happens_without_a_row(name):
    rng = np.random.default_rng(3)
    metric, rows = METRICS[name], 600
    labels, column = classes(3, rows, tied=True)
    if metric.task == "regression":
        labels, column = 5 + rng.normal(size=rows), 5 + rng.normal(size=rows)
    elif metric.reads == "class":
        column = column >= 0.6
    value, influence = metric.measure(labels, column)
    assert influence.sum() == pytest.approx(0, abs=1e-9)
    without = [metric.measure(np.delete(labels, i), np.delete(column, i))[0] for i in range(40)]
    assert value - np.array(without) == pytest.approx(influence[:40], rel=0.05, abs=2e-5)


def test_a_predicted_class_is_its_own_column_when_there_is_one_else_the_score_from_the_threshold_on():
    score, value = np.array([0.2, 0.5, 0.8]), np.array([1, 0, 0])
    accuracy = METRICS["accuracy"]
    assert accuracy.column(Predictions(score), 0.5).tolist() == [False, True, True]
    assert accuracy.column(Predictions(score), 0.8).tolist() == [False, False, True]
    assert accuracy.column(Predictions(score, value), 0.5) is value
    assert accuracy.column(Predictions(None, value)) is value
    assert METRICS["roc_auc"].column(Predictions(None, value)) is None


def test_an_unknown_metric_is_named_with_the_nearest_known_one():
    assert unknown(["roc_auc", "roc_acu", "logloss", "zzz"]) == {
        "roc_acu": "roc_auc",
        "logloss": "log_loss",
        "zzz": None,
    }
