"""Slices: a group that is surely served worse blocks, a fair model does not, and what is not judged is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlci.config.judging import Slices
from mlci.gate import METRICS, Grouping
from mlci.gate.deciding.intervals import fit, interval, part
from mlci.gate.deciding.multiple import benjamini_hochberg, holm
from mlci.gate.slicing.slices import judge_slices, slice_json
from tests.unit.gate.gatekit import properties, two_models


def judged(labels, column, codes, values, metric="roc_auc", **rules):
    rules = Slices(**{"by": ("carrier",), "metric": metric, "min_rows": 50, **rules})
    grouping = Grouping("carrier", np.asarray(codes), tuple(values))
    return judge_slices([grouping], fit(METRICS[metric], labels, column), rules, confidence=0.95)


def model(seed=1, rows=4000):
    table = two_models(seed, rows, 2.5)
    return table.labels, table.challenger.score


def test_a_slice_whose_rows_are_of_one_group_is_not_judged_as_nothing_says_how_sure_it_is():
    labels, score = model(rows=1000)
    codes = np.arange(1000) // 250
    users = np.where(codes == 3, 999, np.arange(1000) // 5)
    overall = fit(METRICS["log_loss"], labels, score, None, np.unique(users, return_inverse=True)[1])
    grouping = Grouping("carrier", codes, ("AA", "HA", "UA", "one user"))
    rules = Slices(by=("carrier",), metric="log_loss", min_rows=50, max_gap=0.01)
    slices, skipped = judge_slices([grouping], overall, rules, confidence=0.95)
    assert [one.value for one in slices] == ["AA", "HA", "UA"]
    assert [(one.rows, one.reason) for one in skipped] == [(250, "all rows are of one group")]


@properties
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_the_textbook_procedure(chances):
    level, order = 0.05, np.argsort(chances, kind="stable")
    rejected = set()
    for rank, i in enumerate(order):
        if chances[i] * (len(chances) - rank) > level:
            break
        rejected.add(int(i))
    assert {i for i, p in enumerate(holm(chances)) if p <= level} == rejected


@properties
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_is_scipys(chances):
    assert benjamini_hochberg(chances) == pytest.approx(stats.false_discovery_control(chances))


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "log_loss"])
def test_a_broken_slice_fails_and_the_others_do_not(metric):
    labels, score = model()
    codes = np.arange(len(labels)) % 5
    broken = codes == 3
    score[broken] = np.random.default_rng(1).permutation(score[broken])
    column = score if metric != "f1" else score >= 0.5
    slices, skipped = judged(labels, column, codes, "ABCDE", metric, max_gap=0.05)
    assert [one.value for one in slices if one.verdict == "fail"] == ["D"]
    assert "Holm over 5 slices" in slices[3].reason
    assert slices[3].gap > 0.05
    assert skipped == ()


def test_the_gap_is_how_much_worse_than_all_rows_in_the_metrics_bad_direction():
    labels, score = model()
    codes = np.arange(len(labels)) % 2
    for name in ("roc_auc", "log_loss"):
        metric = METRICS[name]
        slices, _ = judged(labels, score, codes, "AB", name)
        whole = metric.measure(labels, score)[0]
        for code, one in enumerate(slices):
            part = metric.measure(labels[codes == code], score[codes == code])[0]
            assert one.estimate.value == pytest.approx(part)
            assert one.gap == pytest.approx(metric.sign * (whole - part))


def test_a_gap_that_may_be_chance_is_reported_and_does_not_fail():
    labels, score = model(rows=400)
    codes = np.arange(len(labels)) % 4
    slices, _ = judged(labels, score, codes, "ABCD", max_gap=0.0001)
    assert {one.verdict for one in slices} == {"pass", "inconclusive"}
    assert all("not surely" in one.reason for one in slices if one.verdict == "inconclusive")


def test_a_fair_model_is_blocked_by_any_of_many_slices_at_most_as_often_as_the_confidence_says():
    blocked, runs = 0, 120
    for seed in range(runs):
        labels, score = model(seed, 1500)
        codes = np.random.default_rng(seed).integers(0, 15, len(labels))
        slices, _ = judged(labels, score, codes, "ABCDEFGHIJKLMNO", max_gap=0.0)
        blocked += any(one.verdict == "fail" for one in slices)
    assert blocked <= (0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)) * runs


def test_small_groups_and_groups_of_one_class_are_counted_and_not_judged():
    labels, score = model(rows=1000)
    codes = np.zeros(1000, int)
    codes[:100] = 1
    labels[:100] = 0
    codes[100:120] = 2
    codes[120:130] = 3
    slices, skipped = judged(labels, score, codes, ["all", "one class", "small", "smaller"], max_gap=0.1)
    assert [(one.value, one.rows) for one in slices] == [("all", 870)]
    assert [(one.groups, one.rows, one.reason) for one in skipped] == [
        (1, 100, "fewer than two rows of a class"),
        (2, 30, "fewer than 50 rows"),
    ]


def test_a_group_that_is_all_rows_has_no_gap():
    labels, score = model()
    (one,), _ = judged(labels, score, np.zeros(len(labels), int), ["all"], max_gap=0.0)
    assert (one.gap, one.verdict) == (0, "pass")


def test_without_a_largest_gap_slices_are_only_reported():
    labels, score = model()
    score[:1000] = 0.5
    slices, _ = judged(labels, score, np.arange(4000) // 1000, "ABCD")
    assert {one.verdict for one in slices} == {"pass"}


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "log_loss"])
def test_a_slice_has_the_champions_own_interval_which_for_counts_is_near_the_bootstraps(metric):
    table = two_models(2, 4000, 1.4)
    codes = np.arange(4000) % 2
    one, other = (
        fit(METRICS[metric], table.labels, said.score >= 0.5 if metric == "f1" else said.score)
        for said in (table.challenger, table.champion)
    )
    rules = Slices(by=("carrier",), metric=metric)
    slices, _ = judge_slices([Grouping("carrier", codes, ("A", "B"))], one, rules, champion=other, confidence=0.95)
    for code, found in enumerate(slices):
        alone = interval(part(other, np.flatnonzero(codes == code)), 0.95)
        assert found.champion.value == alone.value
        assert found.champion.low == pytest.approx(alone.low, abs=0.15 * (alone.high - alone.low))
        assert found.champion.high == pytest.approx(alone.high, abs=0.15 * (alone.high - alone.low))
        assert slice_json(found, metric)["champion"] == found.champion.to_json()
    assert judged(table.labels, one.column, codes, "AB", metric)[0][0].champion is None
