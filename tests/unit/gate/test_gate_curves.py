"""The curves of both models for the report: scikit-learn's, thinned to a few points and said how well."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from mlci.config.judging import Columns, Gate, Metric
from mlci.gate import Predictions, Table, judge_and_test
from mlci.gate.showing import roc
from mlci.gate.showing.curves import curves
from tests.unit.gate.gatekit import two_models


def gate(task="classification", **metrics) -> Gate:
    return Gate(predict=("p",), data="d", task=task, columns=Columns(id="id", label="y", score="p"), metrics=metrics)


def labels_and_scores(seed, rows, decimals=None):
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.int8)
    score = 1 / (1 + np.exp(-(1.2 * labels + rng.normal(size=rows) - 1)))
    return labels, score if decimals is None else score.round(decimals), rng.uniform(0.2, 3, rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("rows", "decimals"), [(7, None), (500, None), (3000, 2), (3000, None)])
def test_the_whole_curves_are_those_of_scikit_learn(rows, decimals, weighted) -> None:
    labels, score, weights = labels_and_scores(rows, rows, decimals)
    weights = weights if weighted else None
    found = roc.ordered(labels, score, weights)
    alarms, hits, _ = roc_curve(labels, score, sample_weight=weights, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(labels, score, sample_weight=weights)
    np.testing.assert_allclose(found.roc(), (alarms, hits), atol=1e-12)
    # scikit-learn ends with a point (0, 1) that no threshold has.
    np.testing.assert_allclose(found.precision_recall(), (recall[-2::-1], precision[-2::-1]), atol=1e-12)


@pytest.mark.parametrize("decimals", [1, 2, None])
def test_calibration_is_that_of_scikit_learn_with_bins_of_equal_size(decimals) -> None:
    labels, score, _ = labels_and_scores(3, 4000, decimals)
    found = roc.calibration(roc.ordered(labels, score), 0.95)
    observed, predicted = calibration_curve(labels, score, n_bins=roc.BINS, strategy="quantile")
    np.testing.assert_allclose([one["observed"] for one in found], observed, rtol=1e-4)
    np.testing.assert_allclose([one["predicted"] for one in found], predicted, rtol=1e-4)
    assert sum(one["rows"] for one in found) == 4000
    assert all(one["low"] <= one["observed"] <= one["high"] for one in found)


def test_wilsons_interval_is_that_of_scipy() -> None:
    from scipy.stats import binomtest, norm

    expected = binomtest(7, 40).proportion_ci(0.9, "wilson")
    assert roc.wilson(7 / 40, 40, norm.ppf(0.95)) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert roc.wilson(0, 40, 1.64)[0] == 0
    assert roc.wilson(1, 40, 1.64)[1] == 1


@pytest.mark.parametrize("rows", [50, 5000, 60_000])
def test_a_thinned_curve_is_as_near_to_the_whole_one_as_it_says(rows) -> None:
    labels, score, _ = labels_and_scores(rows, rows)
    x, y = roc.ordered(labels, score).roc()
    points, off = roc.thinned(x, y)
    a, b = np.array(points).T
    assert len(points) <= roc.POINTS
    assert {(short(p), short(q)) for p, q in zip(x, y, strict=True)} >= {tuple(point) for point in points}
    start, along = np.stack([a, b], 1)[:-1], np.diff(np.stack([a, b], 1), axis=0)
    away = np.full(len(x), np.inf)
    for origin, way in zip(start, along, strict=True):
        from_there = np.stack([x, y], 1) - origin
        at = np.clip(from_there @ way / (way @ way), 0, 1)[:, None]
        away = np.minimum(away, np.linalg.norm(from_there - at * way, axis=1))
    assert away.max() <= off * 1.01 + 1e-5 + (1 / 1024 if rows > 4096 else 0)
    assert off < 0.01


def short(value: float) -> float:
    return roc.short(float(value))


def test_points_that_matter_are_kept_and_those_on_a_line_are_not() -> None:
    x = np.linspace(0, 1, 2000)
    corner = np.minimum(1, x * 10)
    points, off = roc.thinned(x, corner)
    assert len(points) <= 5
    assert off < 1e-9
    spike = np.zeros(2000)
    spike[777] = 0.5
    assert [roc.short(x[777]), 0.5] in roc.thinned(x, spike)[0]


def test_the_threshold_that_metrics_use_stands_on_the_curve() -> None:
    table = two_models(1, 2000, 1.2)
    found = curves(table, gate(accuracy=Metric(threshold=0.3), roc_auc=Metric()))["binary"]
    (at,) = found["challenger"]["at"]
    said = table.challenger.score >= 0.3
    assert at["threshold"] == 0.3
    assert at["recall"] == roc.short(said[table.labels == 1].mean())
    assert at["false_positive_rate"] == roc.short(said[table.labels == 0].mean())
    assert at["precision"] == roc.short(table.labels[said].mean())
    assert curves(table, gate(roc_auc=Metric()))["binary"]["champion"]["at"] == []


def test_labels_of_one_class_have_no_roc_and_no_error() -> None:
    score = np.linspace(0, 1, 40)
    for value in (0, 1):
        table = Table("classification", np.full(40, value, np.int8), Predictions(score))
        found = curves(table, gate(log_loss=Metric()))["binary"]["challenger"]
        assert "roc" not in found
        assert found["calibration"][0]["observed"] == value


def test_classes_are_counted_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    labels, one, other = rng.integers(0, 4, (3, 500))
    table = Table("multiclass", labels, Predictions(value=one), Predictions(value=other), classes=tuple("abcd"))
    found = curves(table, gate("multiclass", accuracy=Metric()))["confusion"]
    assert found["classes"] == list("abcd")
    assert found["challenger"] == confusion_matrix(labels, one).tolist()
    assert found["champion"] == confusion_matrix(labels, other).tolist()


def test_of_many_classes_the_most_confused_pairs_are_kept() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3000, 20_000)
    said = np.where(labels == 7, 8, labels)
    said[:50] = (labels[:50] + 1) % 3000
    names = tuple(f"class {n} " + "x" * 200 for n in range(3000))
    found = curves(Table("multiclass", labels, Predictions(value=said), classes=names), gate("multiclass"))["confused"]
    assert found["pairs"][0]["is"].startswith("class 7 ")
    assert found["pairs"][0]["challenger"] == (labels == 7).sum()
    assert len(found["pairs"]) == 30
    assert len(json.dumps(found)) < 10_000


def test_errors_of_numbers_are_binned_by_what_was_predicted() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=5000)
    one, other = truth + rng.normal(size=5000), truth + 1 + rng.normal(size=5000)
    table = Table("regression", truth, Predictions(value=one), Predictions(value=other))
    found = curves(table, gate("regression", rmse=Metric()))["residuals"]
    assert sum(part["rows"] for part in found["challenger"]) == 5000
    assert [part["predicted"] for part in found["challenger"]] == sorted(p["predicted"] for p in found["challenger"])
    whole = np.average([part["error"][2] for part in found["champion"]])
    assert whole == pytest.approx(1, abs=0.1)
    spread = found["spread"]["challenger"]
    assert sum(spread["counts"]) + spread["below"] + spread["above"] == 5000


@pytest.mark.parametrize("numbers", [np.zeros(40), np.full(40, 5e8), np.full(40, 1e200), np.r_[1e9, np.zeros(39)]])
def test_numbers_that_are_equal_huge_or_far_apart_are_drawn_or_left_out(numbers) -> None:
    table = Table("regression", np.zeros(40), Predictions(value=numbers))
    json.dumps(curves(table, gate("regression", mae=Metric())), allow_nan=False)


def test_too_few_numbers_would_tell_of_single_rows_and_are_not_drawn() -> None:
    table = Table("regression", np.arange(19.0), Predictions(value=np.arange(19.0) + 0.5))
    assert curves(table, gate("regression", mae=Metric())) == {}


def test_scores_of_examples_show_how_the_models_differ_on_each() -> None:
    rng = np.random.default_rng(2)
    one, other = (rng.random((2, 300)) < 0.6).astype(float)
    table = Table(
        "scores", np.zeros(300, np.int8), Predictions(columns={"exact": one}), Predictions(columns={"exact": other})
    )
    (found,) = curves(table, gate("scores", exact=Metric()))["each"]
    assert found["better"] == roc.short((one > other).mean())
    assert found["same"] == roc.short((one == other).mean())
    assert sorted(n for n in found["spread"]["challenger"]["counts"] if n) == sorted(
        np.unique(one - other, return_counts=True)[1]
    )


def test_queries_show_how_the_models_differ_on_each() -> None:
    rng = np.random.default_rng(2)
    labels, clusters = rng.integers(0, 3, 400).astype(float), np.repeat(np.arange(40), 10)
    table = Table(
        "ranking",
        labels,
        Predictions(labels + rng.normal(size=400)),
        Predictions(rng.normal(size=400)),
        clusters=clusters,
    )
    (found,) = curves(table, gate("ranking", ndcg=Metric()))["each"]
    assert (found["of"], found["count"]) == ("query", 40)
    assert found["better"] > 0.5


def test_of_very_many_rows_a_sample_is_drawn_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr("mlci.gate.showing.curves.MOST_ROWS", 1000)
    found = curves(two_models(4, 50_000, 1.25), gate(roc_auc=Metric()))
    assert 800 < found["sample"] < 1200
    assert sum(one["rows"] for one in found["binary"]["challenger"]["calibration"]) == found["sample"]
    clusters = np.repeat(np.arange(400), 10)
    items = Predictions(np.arange(4000.0))
    table = Table("ranking", np.arange(4000) % 3 * 1.0, items, clusters=clusters)
    drawn = curves(table, gate("ranking", ndcg=Metric()))
    assert drawn["each"][0]["count"] == drawn["sample"] / 10


def test_the_receipt_holds_the_curves_and_stays_small() -> None:
    table = two_models(4, 50_000, 1.25)
    rules = gate(roc_auc=Metric(min=0.5), accuracy=Metric(threshold=0.4), f1=Metric(threshold=0.6))
    facts = judge_and_test(table, rules, champion_name="old", model_bytes=None).facts()
    assert set(facts["curves"]["binary"]) == {"challenger", "champion", "positives"}
    assert len(json.dumps(facts["curves"], allow_nan=False)) < 40_000
