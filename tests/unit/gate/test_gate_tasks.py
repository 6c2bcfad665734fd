"""Many classes, rankings, numbers per example, weights and groups: values as scikit-learn's, intervals that hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.judging import Columns, Gate, Metric
from mlci.gate import METRICS, OF_TASK, Predictions, Table, judge
from mlci.gate.deciding.intervals import difference, fit, interval
from mlci.gate.metric import ranking
from mlci.gate.metric.metrics import find
from tests.unit.gate.gatekit import properties, two_models

MULTICLASS = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "mcc": sk.matthews_corrcoef,
    **{
        f"{name}_{average}": lambda y, c, of=of, average=average: of(y, c, average=average, zero_division=0)
        for name, of in {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}.items()
        for average in ("macro", "weighted")
    },
    "log_loss": lambda y, p: sk.log_loss(y, p, labels=range(p.shape[1])),
    "brier": lambda y, p: float(np.mean(np.sum((np.eye(p.shape[1])[y] - p) ** 2, axis=1))),
    "roc_auc_ovr": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr"),
}


def many_classes(seed, rows, k=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, rows)
    labels[: 2 * k] = np.tile(np.arange(k), 2)
    raw = rng.random((rows, k)) + 0.7 * np.eye(k)[labels]
    return labels, raw / raw.sum(1, keepdims=True)


def test_all_metrics_of_many_classes_are_compared_with_scikit_learn():
    assert set(OF_TASK["multiclass"]) == set(MULTICLASS)


@pytest.mark.parametrize("name", MULTICLASS)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(10, 150), k=st.integers(3, 5))
def test_a_metric_of_many_classes_equals_scikit_learn(name, seed, rows, k):
    labels, score = many_classes(seed, rows, k)
    metric = OF_TASK["multiclass"][name]
    column = metric.column(Predictions(score))
    assert metric.measure(labels, column)[0] == pytest.approx(MULTICLASS[name](labels, column), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", MULTICLASS)
def test_influences_of_many_classes_predict_what_happens_without_a_row(name):
    labels, score = many_classes(3, 500)
    metric = OF_TASK["multiclass"][name]
    column = metric.column(Predictions(score))
    value, influence = metric.measure(labels, column)
    assert influence.sum() == pytest.approx(0, abs=1e-9)
    without = [metric.measure(np.delete(labels, i), np.delete(column, i, axis=0))[0] for i in range(30)]
    assert value - np.array(without) == pytest.approx(influence[:30], rel=0.05, abs=2e-5)


@properties
@given(seed=st.integers(0, 2**32), queries=st.integers(2, 12), top=st.sampled_from([None, 1, 3]), tied=st.booleans())
def test_ndcg_equals_scikit_learn(seed, queries, top, tied):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, queries)
    groups = rng.permutation(np.repeat(np.arange(queries), sizes))
    labels = rng.integers(0, 4, len(groups)).astype(float)
    score = np.round(rng.random(len(groups)), 1 if tied else 9)
    found = ranking.ndcg(labels, score, groups, top)
    wanted = [sk.ndcg_score([labels[groups == q]], [score[groups == q]], k=top) for q in range(queries)]
    assert found == pytest.approx(np.array(wanted), abs=1e-9)


def test_the_first_relevant_item_counts_after_all_that_are_tied_with_it():
    groups = np.array([0, 0, 0, 1, 1, 2, 2])
    labels = np.array([0, 1, 1, 0, 1, 0, 0])
    score = np.array([0.9, 0.8, 0.1, 0.5, 0.5, 0.2, 0.1])
    assert ranking.mrr(labels, score, groups).tolist() == [0.5, 0.5, 0]
    assert ranking.mrr(labels, score, groups, 1).tolist() == [0, 0, 0]


def test_a_ranking_is_judged_by_queries():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(300), 6)
    labels = rng.integers(0, 3, len(groups)).astype(float)
    good, bad = (Predictions(labels + rng.normal(scale=s, size=len(groups))) for s in (0.5, 3))
    columns = Columns(id="i", label="r", score="s", group="q")
    rules = {"ndcg@3": Metric(min=0.5, improve=0.01), "mrr": Metric(margin=0.05)}
    config = Gate(predict=("p",), data="h", task="ranking", columns=columns, metrics=rules)
    found = judge(Table("ranking", labels, good, bad, clusters=groups), config, champion_name="x", model_bytes=None)
    assert found.passed
    assert found.metrics[0].measured.rows == 300
    worse = judge(Table("ranking", labels, bad, good, clusters=groups), config, champion_name="x", model_bytes=None)
    assert not worse.passed


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.weighs])
@properties
@given(seed=st.integers(0, 2**32), tied=st.booleans())
def test_a_whole_weight_counts_as_so_many_rows(name, seed, tied):
    """The definition of a weight, for the value; scikit-learn's `sample_weight` is the same."""
    rng = np.random.default_rng(seed)
    metric, rows = METRICS[name], 60
    labels = np.concatenate(([0, 0, 1, 1], rng.integers(0, 2, rows - 4))).astype(np.int8)
    score = np.round((labels + 2 * rng.random(rows)) / 3, 1 if tied else 12)
    if metric.task == "regression":
        labels, score = 5 + rng.normal(size=rows), 5 + rng.normal(size=rows)
    column = score >= 0.5 if metric.reads == "class" else score
    times = rng.integers(1, 5, rows)
    value, influence = metric.measure(labels, column, times.astype(float))
    assert value == pytest.approx(metric.measure(np.repeat(labels, times), np.repeat(column, times))[0], abs=1e-9)
    assert influence.sum() == pytest.approx(0, abs=1e-9)


def test_equal_weights_change_nothing():
    table = two_models(3, 800, 1.3)
    for name in ("roc_auc", "log_loss", "average_precision"):
        metric = METRICS[name]
        column = metric.column(table.challenger)
        plain, weighted = (fit(metric, table.labels, column, w) for w in (None, np.full(800, 7.0)))
        assert weighted.value == pytest.approx(plain.value, abs=1e-12)
        assert weighted.influence == pytest.approx(plain.influence, abs=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "roc_auc"])
def test_rows_that_belong_together_have_wider_intervals_that_hold(name):
    """40 users with 25 rows each, whose rows share most of their noise: 1000 rows say little more than 40 would."""
    metric, runs, users = METRICS[name], 200, 40
    rng = np.random.default_rng(5)

    def sample(n):
        groups = np.repeat(np.arange(n), 25)
        person = 1.5 * rng.normal(size=n)[groups]
        labels = (rng.random(len(groups)) < 1 / (1 + np.exp(-person))).astype(np.int8)
        score = 1 / (1 + np.exp(-(person + 1.5 * rng.normal(size=n)[groups])))
        return labels, metric.column(Predictions(score)), groups

    truth = metric.measure(*sample(40_000)[:2])[0]
    missed, naive = np.zeros(2), 0
    for _ in range(runs):
        labels, column, groups = sample(users)
        found = interval(fit(metric, labels, column, None, groups), 0.95)
        alone = interval(fit(metric, labels, column), 0.95)
        missed += [truth < found.low, truth > found.high]
        naive += not alone.low <= truth <= alone.high
    assert (missed / runs < 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / runs)).all()
    assert naive / runs > 0.15


def test_the_error_of_groups_of_one_row_is_that_of_rows():
    table = two_models(3, 500, 1.3)
    metric = METRICS["brier"]
    plain, grouped = (
        [fit(metric, table.labels, one.score, None, groups) for one in (table.challenger, table.champion)]
        for groups in (None, np.arange(500))
    )
    one, other = difference(*plain, 0.95), difference(*grouped, 0.95)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


def scores_gate(**metrics):
    return Gate(predict=("p",), data="h", task="scores", columns=Columns(id="id"), metrics=metrics)


def test_numbers_per_example_are_judged_by_their_means_on_the_same_examples():
    rng = np.random.default_rng(2)
    hard = rng.normal(size=400)
    one, other = (Predictions(columns={"faithful": hard + rng.normal(scale=0.1, size=400) + up}) for up in (0.1, 0.0))
    table = Table("scores", np.zeros(400), one, other)
    found = judge(table, scores_gate(faithful=Metric(improve=0.02)), champion_name="x", model_bytes=None)
    assert found.passed
    assert find("faithful", "scores", Metric(max=1)).better == "lower"
    assert find("faithful", "scores", Metric(min=1)).better == "higher"
    worse = replace(table, challenger=other, champion=one)
    assert not judge(worse, scores_gate(faithful=Metric(margin=0.02)), champion_name="x", model_bytes=None).passed
