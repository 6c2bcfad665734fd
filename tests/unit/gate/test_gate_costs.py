"""Costs measured in turn: a noisy machine does not decide, early looks err no more often, too little is said."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlci.config.costs import Batch, Latency, Load, Memory, Requirements
from mlci.config.judging import Metric
from mlci.errors import UsageError
from mlci.gate import Asked, judge, judge_and_test, settle
from mlci.gate.cost import cost_rules as rules
from mlci.gate.cost import signed
from mlci.gate.cost.costs import MOST_ROUNDS, exact, fewest_requests, quantile, requests_a_round
from tests.unit.gate.gatekit import gate, two_models

P95 = "latency_p95_ms"
ROUNDS = 32


# --- the interval of the signed ranks ---------------------------------------------------------------------------------


@given(st.lists(st.floats(-100, 100), min_size=5, max_size=25), st.sampled_from([0.05, 0.025, 0.01]))
def test_the_bounds_are_where_the_signed_rank_test_turns(values, level):
    found = signed.interval(values, level)
    if len(values) < signed.fewest(level):
        assert found is None
        return
    assert found.low <= found.value <= found.high
    # Shifted to just below the low end, the exact test says "greater"; just above it, it does not.
    values = np.asarray(values) + np.random.default_rng(0).normal(scale=1e-3, size=len(values))  # without ties
    found = signed.interval(values, level)
    for shift, refuted in ((-1e-9, True), (1e-9, False)):
        chance = stats.wilcoxon(values - found.low - shift, alternative="greater", method="exact").pvalue
        assert (chance <= level * (1 + 1e-9)) == refuted


def test_so_few_values_bound_nothing():
    assert [signed.fewest(level) for level in (0.05, 0.025, 0.005)] == [5, 6, 8]
    assert signed.interval([1.0] * 5, 0.025) is None
    assert signed.interval([1.0, 2, 3, 4, 5, 6], 0.025).low == 1.0


def test_a_wild_round_hardly_moves_the_estimate():
    calm = [1.0 + 0.01 * n for n in range(12)]
    assert abs(signed.median([*calm, 1000.0]) - signed.median(calm)) < 0.02


# --- a machine that others use too ------------------------------------------------------------------------------------


def machine(rng, slower=1.0, requests=20):
    """Rounds of p95, ABBA or BAAB, on a machine whose speed wanders, and which is busy now and then for a while."""
    speed, busy = rng.normal(scale=0.3), 0.0
    for _ in range(ROUNDS):
        seen = ([], [])
        order = [0, 1] if rng.random() < 0.5 else [1, 0]
        for which in (*order, *order[::-1]):
            speed = 0.9 * speed + 0.13 * rng.normal()
            busy = 3 * rng.random() if rng.random() < 0.15 else 0.6 * busy
            each = np.exp(speed + busy * (rng.random(requests // 2) < 0.5) + 0.2 * rng.normal(size=requests // 2))
            seen[which].extend(each * (slower if which == 0 else 1.0))
        yield {P95: (quantile(seen[0], 0.95), quantile(seen[1], 0.95))}


def verdicts(asked, slower, trials, seed):
    found = []
    for rng in np.random.default_rng(seed).spawn(trials):
        (cost,) = settle(machine(rng, slower), [asked], 0.95).costs
        (judged,) = decided([cost])
        found.append(judged.rulings[0].verdict)
    return {verdict: found.count(verdict) / trials for verdict in ("pass", "fail", "inconclusive")}


def decided(costs):
    """As the gate does it, with nothing else in the family."""
    from mlci.gate import decide

    told = [cost for cost in costs if not cost.untold]
    named = {cost.measured.name: cost.rule for cost in told}
    judged = decide([cost.measured for cost in told], named).metrics
    return [*judged, *(cost.judged for cost in costs if cost.untold)]


def most(trials):
    """So large a share is seen of a chance of 5 % at most once in a thousand times."""
    return stats.binom.isf(0.001, trials, 0.05) / trials


def test_the_same_model_twice_is_called_slower_in_one_of_twenty_runs_at_most():
    found = verdicts(Asked(P95, margin=0.0), 1.0, 300, 1)
    assert found["fail"] <= most(300)
    assert verdicts(Asked(P95, margin=0.2), 1.0, 100, 2)["fail"] <= 0.02


def test_a_model_at_its_margin_passes_in_one_of_twenty_runs_at_most():
    assert verdicts(Asked(P95, margin=0.2), 1.2, 300, 3)["pass"] <= most(300)


def test_a_model_that_is_twice_as_slow_is_caught_on_that_machine_and_an_equal_one_is_let_through():
    assert verdicts(Asked(P95, margin=0.2), 2.0, 60, 4)["fail"] >= 0.9
    assert verdicts(Asked(P95, margin=1.0), 1.0, 60, 5)["pass"] >= 0.9


# --- when to stop -----------------------------------------------------------------------------------------------------


def steady(value, other=1.0, noise=0.01, name=P95):
    rng = np.random.default_rng(7)
    while True:
        yield {name: (value * math.exp(noise * rng.normal()), other * math.exp(noise * rng.normal()))}


def test_measuring_stops_when_every_rule_is_decided():
    for value, verdict in ((1.0, "pass"), (2.0, "fail")):
        found = settle(steady(value), [Asked(P95, margin=0.2)], 0.95)
        assert (found.rounds, found.early) == (8, True)
        assert decided(found.costs)[0].verdict == verdict


def test_measuring_goes_on_while_it_is_close_and_ends_for_certain():
    found = settle(steady(1.2, noise=0.1), [Asked(P95, margin=0.2)], 0.95)
    assert (found.rounds, found.early) == (MOST_ROUNDS, False)
    assert decided(found.costs)[0].verdict == "inconclusive"


def test_time_that_is_over_leaves_what_is_known_with_how_much_would_decide():
    found = settle(itertools.islice(steady(1.17, noise=0.2), 12), [Asked(P95, margin=0.2)], 0.95)
    (one,) = decided(found.costs)
    assert one.verdict == "inconclusive"
    assert "more rounds would decide" in one.rulings[0].reason


def test_few_rounds_tell_nothing_not_even_far_from_the_limit():
    found = settle(itertools.islice(steady(9.0), 4), [Asked(P95, max=1.0, margin=0.1)], 0.95)
    (one,) = decided(found.costs)
    assert [ruling.verdict for ruling in one.rulings] == ["inconclusive"] * 2
    assert one.rulings[0].reason.endswith("): 4 rounds cannot tell: about 2 more rounds would, in more `time`")
    assert json.loads(json.dumps(one.measured.challenger.to_json(), allow_nan=False))["value"] > 8


def test_a_limit_is_broken_by_the_bound_and_not_by_the_value():
    wide = settle(itertools.islice(steady(1.02, noise=0.3), 10), [Asked(P95, max=1.0)], 0.95)
    assert decided(wide.costs)[0].verdict == "inconclusive"
    assert decided(settle(steady(1.02, noise=0.001), [Asked(P95, max=1.0)], 0.95).costs)[0].verdict == "fail"
    assert decided(settle(steady(0.98, noise=0.001), [Asked(P95, max=1.0)], 0.95).costs)[0].verdict == "pass"


def test_a_share_of_the_champion_is_in_its_unit_and_waits_for_a_champion():
    (cost,) = settle(steady(0.5, 2.0, noise=1e-6), [Asked(P95, margin=0.25)], 0.95).costs
    assert cost.rule.margin == 0.5
    assert cost.measured.difference.value == pytest.approx(-1.5, rel=1e-3)
    alone = ({P95: (one[P95][0], None)} for one in steady(0.5))
    (one,) = decided(settle(alone, [Asked(P95, margin=0.25)], 0.95).costs)
    assert one.rulings[0].reason == "no champion yet: absolute rules only"


# --- how many requests ------------------------------------------------------------------------------------------------


def test_a_quantile_of_few_values_is_right_on_average():
    rng = np.random.default_rng(3)
    assert np.mean([quantile(rng.random(20), 0.95) for _ in range(4000)]) == pytest.approx(0.95, abs=0.003)
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1], 0.99) == 1


@pytest.mark.parametrize(
    ("seconds", "share", "requests"),
    [(0.002, 0.95, 40), (0.002, 0.99, 200), (0.05, 0.95, 34), (0.1, 0.95, 20), (1.0, 0.95, 4), (0.0, 0.5, 8)],
)
def test_a_round_has_what_its_quantile_needs_while_time_allows(seconds, share, requests):
    assert requests_a_round(seconds, 20.0, share) == requests


def test_the_p99_of_few_requests_is_inconclusive_and_says_what_it_takes():
    config = replace(gate(), latency=Latency(p50=1.0, p99=1.0))
    names = {"latency_p50_ms": (0.5, None), "latency_p99_ms": (0.5, None)}
    found = settle(itertools.repeat(names, 9), rules.of_latency(config, 40), 0.95)
    half, far = decided(found.costs)
    assert (half.verdict, far.verdict) == ("pass", "inconclusive")
    assert "the p99 of 40 requests cannot be told: a round needs 100" in far.rulings[0].reason
    assert fewest_requests(0.99) == 100


# --- in the gate ------------------------------------------------------------------------------------------------------

EACH = [Latency(p95=0.02), Load(max=1.0), Memory(max=10**8), Batch(max=9.0), Requirements(max=3)]


@pytest.mark.parametrize("rule", EACH, ids=lambda rule: type(rule).__name__)
def test_a_rule_that_was_not_measured_is_never_left_out(rule):
    config = replace(gate(roc_auc=Metric(min=0.5)), **{type(rule).__name__.lower(): rule})
    with pytest.raises(UsageError, match="was not measured"):
        judge(two_models(1, 300, 1.2), config, champion_name=None, model_bytes=None)


def test_a_cost_stops_a_model_that_is_good_and_is_no_concern_of_the_self_test():
    config = replace(gate(roc_auc=Metric(min=0.5, margin=0.1)), latency=Latency(p95=0.02, margin=0.1))
    slow = settle(steady(30.0, 10.0), rules.of_latency(config, 40), 0.95).costs
    table = two_models(1, 3000, 1.2, 1.2)
    found = judge_and_test(table, config, champion_name="sha256:abc", model_bytes=None, costs=slow)
    assert not found.passed
    assert found.summary.startswith(f"{P95} 30.")
    assert found.self_test is not None
    assert not found.self_test.objections
    assert found.family == 2
    fast = settle(steady(10.0, 10.0), rules.of_latency(config, 40), 0.95).costs
    assert judge_and_test(table, config, champion_name="sha256:abc", model_bytes=None, costs=fast).passed


def test_what_is_counted_needs_no_interval():
    more = exact(Asked("requirements", max=3), 4, 3)
    assert decided([more])[0].rulings[0].verdict == "fail"
    assert decided([exact(Asked("requirements", max=4), 4, None)])[0].verdict == "pass"
    assert decided([more])[0].rulings[0].reason == "4 (4 to 4) is above the maximum 3"


def test_what_is_asked_of_a_measurement_is_in_the_unit_of_its_name():
    config = replace(
        gate(), latency=Latency(margin=0.1), load=Load(max=2.0), memory=Memory(max=3 * 10**8), batch=Batch(memory=10**9)
    )
    assert [one.name for one in rules.of_latency(config, 40)] == ["latency_p50_ms", "latency_p95_ms"]
    named = {one.name: one.max for one in (*rules.of_server(config), *rules.of_batch(config))}
    assert named == {"load_time_s": 2.0, "memory_mb": 300.0, "batch_time_s": None, "batch_memory_mb": 1000.0}
    assert rules.of_latency(replace(config, latency=Latency(p95=0.02)), 40)[0].max == 20.0


def test_a_ratio_is_tested_on_its_logarithm():
    from mlci.gate import Estimate, Measured, decide

    champion = Estimate(1.0, 0.9, 1.1)
    wide = Measured("m", "lower", 8, Estimate(60, 10, 300), champion, Estimate(59, 9, 299), freedom=7, noisy=True)
    others = [replace(wide, name=name, difference=Estimate(0, -0.5, 0.5)) for name in "abc"]
    named = {one.name: Metric(margin=1.0) for one in (wide, *others)}
    assert decide([wide, *others], named).metrics[0].verdict == "inconclusive"
    assert decide([replace(wide, ratio=1.0), *others], named).metrics[0].verdict == "fail"
