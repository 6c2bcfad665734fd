"""Verdicts: what each rule says of each interval, that rules are monotone, and how often they are wrong."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.judging import Metric
from mlci.gate import METRICS, Estimate, Measured, decide
from mlci.gate.deciding import intervals
from mlci.gate.deciding.decide import ALONE
from mlci.gate.deciding.intervals import difference, fit
from tests.unit.gate.gatekit import properties, two_models

ORDER = {"pass": 0, "inconclusive": 1, "fail": 2}
numbers = st.floats(-2, 2)


@st.composite
def estimates(draw):
    low, value, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return Estimate(value, low, high)


def verdict(rule, limit, estimate, better="higher"):
    return ruling(rule, limit, estimate, better).verdict


def ruling(rule, limit, estimate, better="higher"):
    seen = Measured("m", better, 1000, estimate, estimate, estimate)
    (judged,) = decide([seen], {"m": Metric(**{rule: limit})}).metrics
    (one,) = judged.rulings
    assert judged.verdict == one.verdict
    return one


@pytest.mark.parametrize(
    ("rule", "limit", "better", "low", "value", "high", "wanted"),
    [
        ("min", 0.7, "higher", 0.70, 0.72, 0.74, "pass"),
        ("min", 0.7, "higher", 0.69, 0.71, 0.73, "inconclusive"),
        ("min", 0.7, "higher", 0.68, 0.699, 0.72, "fail"),
        ("max", 0.5, "lower", 0.46, 0.48, 0.50, "pass"),
        ("max", 0.5, "lower", 0.46, 0.49, 0.52, "inconclusive"),
        ("max", 0.5, "lower", 0.48, 0.501, 0.52, "fail"),
        ("margin", 0.01, "higher", -0.009, 0.0, 0.009, "pass"),
        ("margin", 0.01, "higher", -0.01, 0.0, 0.01, "pass"),
        ("margin", 0.01, "higher", -0.02, 0.0, 0.02, "inconclusive"),
        ("margin", 0.01, "higher", -0.03, -0.015, 0.001, "inconclusive"),
        ("margin", 0.01, "higher", -0.05, -0.03, -0.011, "fail"),
        ("margin", 0.01, "lower", -0.009, 0.0, 0.009, "pass"),
        ("margin", 0.01, "lower", 0.011, 0.03, 0.05, "fail"),
        ("margin", 0.0, "higher", 0.0, 0.0, 0.0, "pass"),
        ("improve", 0.01, "higher", 0.011, 0.02, 0.03, "pass"),
        ("improve", 0.01, "higher", 0.01, 0.02, 0.03, "inconclusive"),
        ("improve", 0.01, "higher", -0.02, 0.0, 0.01, "fail"),
        ("improve", 0.01, "lower", -0.03, -0.02, -0.011, "pass"),
        ("improve", 0.01, "lower", -0.01, 0.0, 0.02, "fail"),
        ("improve", 0.0, "higher", 0.0, 0.0, 0.0, "fail"),
    ],
)
def test_a_rule_passes_inside_fails_outside_and_is_inconclusive_between(rule, limit, better, low, value, high, wanted):
    assert verdict(rule, limit, Estimate(value, low, high), better) == wanted


@properties
@given(estimate=estimates(), one=numbers, other=numbers, better=st.sampled_from(["higher", "lower"]))
def test_a_stricter_limit_never_gives_a_better_verdict(estimate, one, other, better):
    lax, strict = sorted((one, other))
    for rule, loose, tight in (("min", lax, strict), ("max", strict, lax)):
        assert ORDER[verdict(rule, loose, estimate)] <= ORDER[verdict(rule, tight, estimate)]
    small, big = sorted((abs(one), abs(other)))
    for rule, loose, tight in (("margin", big, small), ("improve", small, big)):
        assert ORDER[verdict(rule, loose, estimate, better)] <= ORDER[verdict(rule, tight, estimate, better)]


@properties
@given(estimate=estimates(), shift=st.floats(0, 1), limit=st.floats(0, 1), better=st.sampled_from(["higher", "lower"]))
def test_a_better_model_never_gets_a_worse_verdict(estimate, shift, limit, better):
    step = shift if better == "higher" else -shift
    moved = Estimate(estimate.value + step, estimate.low + step, estimate.high + step)
    for rule in ("min" if better == "higher" else "max", "margin", "improve"):
        assert ORDER[verdict(rule, limit, moved, better)] <= ORDER[verdict(rule, limit, estimate, better)]


@properties
@given(estimate=estimates(), limit=st.floats(0, 1), better=st.sampled_from(["higher", "lower"]))
def test_whoever_improves_by_an_amount_is_not_worse_by_it(estimate, limit, better):
    if verdict("improve", limit, estimate, better) == "pass":
        assert verdict("margin", limit, estimate, better) == "pass"


@properties
@given(estimate=estimates(), limit=st.floats(-1, 1))
def test_slack_tells_the_verdict_of_a_minimum(estimate, limit):
    one = ruling("min", limit, estimate)
    if one.verdict == "fail":
        assert one.slack < 0
    elif one.verdict == "inconclusive":
        assert 0 <= one.slack <= 1
    else:
        assert one.slack >= 1


def test_without_a_champion_rules_against_it_pass_and_say_so():
    seen = Measured("m", "higher", 1000, Estimate(0.8, 0.7, 0.9))
    (judged,) = decide([seen], {"m": Metric(margin=0.01, improve=0.1)}).metrics
    assert [(one.verdict, one.reason) for one in judged.rulings] == [("pass", ALONE)] * 2


def test_a_metric_without_a_rule_is_only_reported():
    seen = Measured("m", "higher", 1000, Estimate(0.1, 0.0, 0.2))
    decision = decide([seen], {"m": Metric()})
    assert decision.metrics[0].rulings == ()
    assert decision.verdict == "pass"


def test_the_worst_rule_is_the_verdict():
    wide = Measured("m", "higher", 1000, Estimate(0.8, 0.7, 0.9), None, Estimate(0.0, -0.1, 0.1))
    assert decide([wide], {"m": Metric(min=0.6, margin=0.01)}).verdict == "inconclusive"
    assert decide([wide], {"m": Metric(min=0.95, margin=0.01)}).verdict == "fail"
    assert decide([wide], {"m": Metric(min=0.6, margin=0.2)}).verdict == "pass"


def test_the_rows_that_are_missing_are_those_that_narrow_the_interval_to_the_limit():
    """Half width 0.02 at 1000 rows, and the limit 0.01 away: half the width needs four times the rows."""
    reason = ruling("min", 0.7, Estimate(0.71, 0.69, 0.73)).reason
    assert reason.endswith("about 3,000 more rows would decide")
    reason = ruling("margin", 0.01, Estimate(-0.02, -0.05, 0.01)).reason
    assert reason.endswith("about 8,000 more rows would decide")


def test_on_the_limit_itself_no_number_of_rows_decides():
    assert "too close" in ruling("margin", 0.01, Estimate(-0.01, -0.05, 0.03)).reason


@properties
@given(estimate=estimates(), limit=st.floats(-1, 1))
def test_no_number_in_a_reason_is_rounded_across_the_limit(estimate, limit):
    limit = round(limit, 2)
    one = ruling("min", limit, estimate)
    value, low, _ = (float(x.replace("−", "-")) for x in re.findall(r"[−\d.]+", one.reason)[:3])
    if abs(estimate.value - limit) > 1e-9 and abs(estimate.low - limit) > 1e-9:
        assert (value < limit) == (one.verdict == "fail")
        assert (low < limit) == (one.verdict != "pass")


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "accuracy"])
def test_error_rates_are_what_the_confidence_says(name, monkeypatch):
    """An equal model almost never fails; one that is worse by just the margin passes at most 5 % of the time."""
    monkeypatch.setattr(intervals, "REPLICATES", 600)
    metric, runs, rows = METRICS[name], 200, 400

    def fits(seed, rows, skill):
        table = two_models(seed, rows, skill)
        return [fit(metric, table.labels, metric.column(one)) for one in (table.challenger, table.champion)]

    worse, champion = fits(0, 400_000, 0.7)
    rule = {name: Metric(margin=abs(worse.value - champion.value))}

    def verdicts(skill):
        found = []
        for seed in range(1, runs + 1):
            a, b = fits([seed, int(skill * 10) + 100], rows, skill)
            both = difference(a, b, 0.95)
            found.append(decide([Measured(name, metric.better, rows, Estimate(0, 0, 0), None, both)], rule).verdict)
        return found

    spread = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert verdicts(1.2).count("fail") <= 0.01 * runs
    assert verdicts(0.7).count("pass") <= (0.05 + spread) * runs
    assert verdicts(0.7).count("fail") <= (0.05 + spread) * runs
    assert verdicts(-0.5).count("fail") >= 0.9 * runs


def several(names, estimate):
    return [Measured(name, "higher", 1000, Estimate(0.8, 0.7, 0.9), None, estimate) for name in names]


def test_refutations_of_many_rules_are_one_family_under_holm():
    """Alone the interval ends below the margin, so the rule is refuted; among ten such rules it may be chance."""
    seen = Estimate(-0.03, -0.049, -0.011)
    alone = decide(several("a", seen), {"a": Metric(margin=0.01)})
    assert (alone.verdict, alone.family) == ("fail", 1)
    names = "abcdefghij"
    many = decide(several(names, seen), dict.fromkeys(names, Metric(margin=0.01)))
    assert (many.verdict, many.family) == ("inconclusive", 10)
    assert many.metrics[0].rulings[0].chance == pytest.approx(10 * alone.metrics[0].rulings[0].chance)


def test_a_pass_needs_no_correction():
    seen = Estimate(0.0, -0.009, 0.009)
    names = "abcdefghij"
    assert decide(several(names, seen), dict.fromkeys(names, Metric(margin=0.01))).verdict == "pass"


@properties
@given(low=numbers, half=st.floats(1e-6, 1), confidence=st.floats(0.6, 0.999), size=st.floats(0, 1))
def test_the_p_value_of_a_refutation_agrees_with_the_bound(low, half, confidence, size):
    seen = Estimate(low + half, low, low + 2 * half)
    (judged,) = decide(several("m", seen), {"m": Metric(margin=size)}, confidence=confidence).metrics
    (one,) = judged.rulings
    assert (one.chance <= 1 - confidence) == (seen.high <= -size)


def test_a_family_of_equal_models_is_called_worse_no_more_often_than_the_level():
    """Ten metrics with nothing in common, of a model that is on the margin of all."""
    rng, runs, rules = np.random.default_rng(1), 400, {name: Metric(margin=0.0) for name in "abcdefghij"}
    failed = 0
    for _ in range(runs):
        values = rng.normal(size=10).tolist()
        z = 1.6448536
        seen = [
            Measured(n, "higher", 500, Estimate(0, 0, 0), None, Estimate(v, v - z, v + z))
            for n, v in zip(rules, values, strict=True)
        ]
        failed += decide(seen, rules).verdict == "fail"
    assert failed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert failed / runs >= 0.01


def test_rows_that_are_missing_are_a_number_too():
    assert ruling("min", 0.7, Estimate(0.71, 0.69, 0.73)).more == 3000
    assert ruling("margin", 0.01, Estimate(-0.01, -0.05, 0.03)).more is None
