"""Decisions about a canary, from counts alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.model import Deploy
from mlci.config.watching import Analysis, ErrorBudget, LatencyBudget, LiveMetric, PredictionWatch
from mlci.deploy.analysis import (
    BLIND,
    Answers,
    Counts,
    Decision,
    Late,
    Measure,
    Plan,
    State,
    Tally,
    advance,
    begin,
    decide,
    observe,
    plan,
)
from mlci.deploy.analysis.latency import nearest

PLAN = Plan(steps=(0.05, 0.25, 0.5), confidence=0.99, margin=0.005, latency=None, timeout=1800)
BOUNDS = (0.001, 0.01, 0.02, 0.03, 0.05, 0.1)


def poll(canary: int, failed: int, stable: int, broken: int, seconds: float = 0.25) -> Counts:
    return Counts(seconds, Tally(stable, broken), Tally(canary, failed))


def drive(plan: Plan, counts, *, polls: int = 100_000) -> tuple[Decision, State]:
    """Polls until the verdict; `counts(weight)` makes one."""
    state = begin(plan)
    for _ in range(polls):
        state = observe(state, counts(plan.steps[state.step]), plan)
        decision = decide(state, plan)
        if decision.action == "advance":
            state = advance(state)
        elif decision.action != "wait":
            return decision, state
    return decision, state


def traffic(rng: np.random.Generator, p: float, q: float, rate: float = 200.0):
    """Poisson traffic, split by weight, failing at these rates."""

    def counts(weight: float) -> Counts:
        n = rng.poisson(rate * 0.25)
        canary = rng.binomial(n, weight)
        return poll(int(canary), int(rng.binomial(canary, p)), int(n - canary), int(rng.binomial(n - canary, q)))

    return counts


def test_a_clean_canary_takes_over_within_a_thousand_of_its_requests() -> None:
    decision, state = drive(PLAN, traffic(np.random.default_rng(1), 0, 0))
    assert decision.action == "promote"
    assert 921 <= state.metrics["errors"].total.canary <= 1000


def test_a_share_rises_only_when_the_harm_that_it_would_do_is_ruled_out() -> None:
    assert PLAN.budgets("errors") == (0.02, 0.01, 0.005)
    state = begin(PLAN)
    state = observe(state, poll(200, 0, 4000, 0), PLAN)
    assert decide(state, PLAN).action == "wait"
    state = observe(state, poll(60, 0, 4000, 0), PLAN)
    assert decide(state, PLAN).action == "advance"
    assert decide(advance(state), PLAN).action == "wait"


@pytest.mark.parametrize(("p", "requests"), [(0.05, 250), (0.2, 60), (1.0, 15)])
def test_a_canary_that_fails_is_taken_back_soon(p: float, requests: int) -> None:
    rng = np.random.default_rng(2)
    found = [drive(PLAN, traffic(rng, p, 0.005)) for _ in range(9)]
    assert all(decision.action == "rollback" and decision.reason.startswith("errors: ") for decision, _ in found)
    assert np.median([state.metrics["errors"].total.canary for _, state in found]) <= requests


def test_a_good_canary_is_hardly_ever_taken_back_however_often_one_looks() -> None:
    rng = np.random.default_rng(3)
    easy = replace(PLAN, margin=0.05, confidence=0.9)  # 10 % false alarms are allowed: enough to see them
    verdicts = [drive(easy, traffic(rng, 0.05, 0.05, 100))[0].action for _ in range(200)]
    assert verdicts.count("rollback") <= 0.1 * len(verdicts) + 3 * (0.09 * len(verdicts)) ** 0.5


def test_a_canary_that_harms_more_than_its_budget_hardly_ever_takes_over() -> None:
    rng = np.random.default_rng(4)
    blind_to_harm = replace(PLAN, margin=0.05, confidence=0.9, timeout=100)
    verdicts = [drive(blind_to_harm, traffic(rng, 0.07, 0.02, 100))[0].action for _ in range(200)]
    assert verdicts.count("promote") <= 0.1 * len(verdicts) + 3 * (0.09 * len(verdicts)) ** 0.5


def test_an_incident_that_hits_both_versions_takes_nothing_back() -> None:
    rng = np.random.default_rng(5)
    quiet, storm = traffic(rng, 0.001, 0.001), traffic(rng, 0.4, 0.4)
    seen = iter(range(10_000))
    decision, _ = drive(PLAN, lambda weight: storm(weight) if next(seen) % 40 > 20 else quiet(weight), polls=400)
    assert decision.action != "rollback"


def test_a_rise_below_the_margin_is_tolerated_even_when_it_is_beyond_doubt() -> None:
    state = begin(PLAN)
    for _ in range(500):
        state = observe(state, poll(1000, 3, 1000, 0), PLAN)
    decision = decide(state, PLAN)
    assert decision.evidence["errors"]["against"] > PLAN.threshold
    assert decision.action != "rollback"
    assert decide(observe(state, poll(5000, 5000, 5000, 0), PLAN), PLAN).action == "rollback"


def test_no_traffic_is_not_good_news() -> None:
    patient = replace(PLAN, timeout=60)
    decision, _ = drive(patient, lambda _: poll(0, 0, 0, 0))
    assert decision.action == "rollback"
    assert decision.reason == "not enough evidence in 60 s (0 requests to the canary)"


def test_missing_counts_freeze_and_then_take_back() -> None:
    state = observe(begin(PLAN), poll(400, 0, 5000, 0), PLAN)
    frozen = observe(state, Counts(BLIND - 0.1, None, None), PLAN)
    assert frozen.metrics == state.metrics
    assert decide(state, PLAN).action == "advance"
    assert decide(frozen, PLAN).action == "wait"
    decision = decide(observe(frozen, Counts(0.2, None, None), PLAN), PLAN)
    assert (decision.action, decision.reason) == ("rollback", "no counts from the proxy for 10 s")


def test_counts_that_come_back_end_the_blindness() -> None:
    state = observe(begin(PLAN), Counts(9.9, None, None), PLAN)
    state = observe(state, poll(1, 0, 20, 0), PLAN)
    assert decide(observe(state, Counts(9.9, None, None), PLAN), PLAN).action == "wait"


def late(shares: list[float], rng: np.random.Generator, n: int) -> tuple[int, ...]:
    return tuple(int(k) for k in rng.multinomial(n, shares))


def slow_traffic(rng: np.random.Generator, canary_shares: list[float]):
    stable_shares = [0.5, 0.45, 0.04, 0.01, 0.0, 0.0]

    def counts(weight: float) -> Counts:
        canary, stable = int(100 * weight) + 5, int(100 * (1 - weight)) - 5
        return Counts(
            0.25,
            Tally(stable, 0, late(stable_shares, rng, stable)),
            Tally(canary, 0, late(canary_shares, rng, canary)),
            BOUNDS,
        )

    return counts


WATCHED = replace(PLAN, latency=Late((0.95,), 0.2))


def test_a_slow_canary_is_taken_back_for_its_latency() -> None:
    decision, _ = drive(WATCHED, slow_traffic(np.random.default_rng(6), [0.2, 0.2, 0.2, 0.2, 0.2, 0.0]))
    assert decision.action == "rollback"
    assert decision.reason.startswith("latency: ")


def test_a_canary_as_fast_as_stable_takes_over() -> None:
    decision, state = drive(WATCHED, slow_traffic(np.random.default_rng(7), [0.5, 0.45, 0.04, 0.01, 0.0, 0.0]))
    assert decision.action == "promote"
    assert state.metrics["latency 0.95"].total.canary <= 1500


def test_one_stall_of_the_machine_is_no_trend() -> None:
    rng = np.random.default_rng(8)
    state = observe(begin(WATCHED), slow_traffic(rng, [0.5, 0.45, 0.04, 0.01, 0.0, 0.0])(0.5), WATCHED)
    stall = Counts(0.25, Tally(50, 0, (50, 0, 0, 0, 0, 0)), Tally(50, 0, (0, 0, 0, 0, 0, 50)), BOUNDS)
    state = observe(state, stall, WATCHED)
    assert decide(state, WATCHED).action == "wait"
    assert 1 < state.metrics["latency 0.95"].against <= 3.0001


def test_the_poll_that_is_judged_does_not_move_its_own_limit() -> None:
    first = Counts(0.25, Tally(10, 0, (0, 0, 0, 0, 0, 10)), Tally(10, 0, (0, 0, 0, 0, 0, 10)), BOUNDS)
    assert observe(begin(WATCHED), first, WATCHED).metrics["latency 0.95"].total.canary == 0


def test_alpha_is_shared_by_the_metrics() -> None:
    assert PLAN.threshold == pytest.approx(100)
    assert WATCHED.threshold == pytest.approx(200)
    assert WATCHED.needed == pytest.approx(100)


def test_the_plan_is_what_the_config_says() -> None:
    analysis = Analysis(
        confidence=0.95,
        errors=ErrorBudget(margin=0.01),
        latency=LatencyBudget(quantiles=("p90",), margin=0.5),
        timeout=60.0,
    )
    made = plan(Deploy(steps=(0.1, 0.5, 1.0), analysis=analysis))
    assert made == Plan((0.1, 0.5), 0.95, 0.01, Late((0.9,), 0.5), 60.0)


tables = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))


@given(st.lists(tables, max_size=6))
def test_a_state_survives_json(rows) -> None:
    state = begin(WATCHED)
    for x, more, y, others in rows:
        latency = (x, more, 0, 0, 0, y)
        counts = Counts(0.25, Tally(y + others, y, latency), Tally(x + more, x, latency), BOUNDS)
        state = observe(state, counts, WATCHED)
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_a_step_takes_its_least_of_requests_and_of_time() -> None:
    slow = replace(PLAN, least=(500, 60.0))
    state = observe(begin(slow), poll(499, 0, 9000, 0, 61), slow)
    assert decide(state, slow).action == "wait"
    state = observe(state, poll(1, 0, 20, 0), slow)
    assert decide(state, slow).action == "advance"
    hasty = observe(begin(slow), poll(900, 0, 9000, 0, 59), slow)
    assert decide(hasty, slow).action == "wait"
    again = observe(advance(state), poll(5000, 0, 9000, 0, 59), slow)
    assert decide(again, slow).action == "wait"
    assert decide(observe(again, poll(1, 0, 1, 0, 1), slow), slow).action == "advance"


def test_the_least_of_a_step_does_not_keep_a_bad_canary() -> None:
    slow = replace(PLAN, least=(100_000, 3600.0))
    assert decide(observe(begin(slow), poll(50, 50, 950, 0), slow), slow).action == "rollback"


def test_without_enough_evidence_it_is_held_where_the_config_says_so() -> None:
    held = replace(PLAN, timeout=60, on_timeout="hold")
    decision = decide(observe(begin(held), poll(10, 0, 190, 0, 61), held), held)
    assert (decision.action, decision.reason) == ("wait", "not enough evidence in 60 s (10 requests to the canary)")
    bad = observe(begin(held), poll(50, 50, 950, 0, 61), held)
    assert decide(bad, held).action == "rollback"


def test_plain_thresholds_are_looked_at_when_the_least_of_a_step_is_over() -> None:
    plain = replace(PLAN, always_valid=False, least=(100, 10.0))
    early = observe(begin(plain), poll(99, 99, 900, 0, 20), plain)
    assert decide(early, plain).action == "wait"
    assert decide(observe(early, poll(1, 1, 9, 0), plain), plain).action == "rollback"
    assert decide(observe(begin(plain), poll(1000, 4, 9000, 0, 20), plain), plain).action == "advance"
    decision = decide(observe(begin(plain), poll(1000, 6, 9000, 0, 20), plain), plain)
    assert decision.reason == "errors: 6 of 1000 requests failed, 0 of 9000 at stable (over the threshold)"


def test_plain_thresholds_do_not_pass_what_nobody_asked() -> None:
    plain = replace(PLAN, always_valid=False, least=(0, 10.0))
    assert decide(observe(begin(plain), poll(0, 0, 900, 0, 20), plain), plain).action == "wait"


def test_a_tolerated_ratio_of_the_odds_is_no_evidence() -> None:
    strict, busy = replace(PLAN, margin=0.0001), replace(PLAN, margin=0.0001, tolerated=1.5)
    counts = [poll(5000, 70, 95_000, 950)] * 4
    for asked, action in ((strict, "rollback"), (busy, "wait")):
        state = begin(asked)
        for one in counts:
            state = observe(state, one, asked)
        assert decide(state, asked).action == action


def test_any_quantile_that_is_slower_counts_and_all_must_be_clear() -> None:
    both = replace(PLAN, latency=Late((0.5, 0.95), 0.2))
    tail, _ = drive(both, slow_traffic(np.random.default_rng(9), [0.5, 0.3, 0.0, 0.0, 0.0, 0.2]))
    assert tail.action == "rollback"
    assert "stable's p95" in tail.reason
    middle, state = drive(both, slow_traffic(np.random.default_rng(10), [0.2, 0.2, 0.2, 0.2, 0.2, 0.0]))
    assert middle.action == "rollback"
    assert set(state.metrics) == {"errors", "latency 0.5", "latency 0.95"}


def test_the_bound_nearest_to_the_margin_is_taken() -> None:
    assert [nearest(BOUNDS, value) for value in (0.0, 0.0139, 0.0151, 0.03, 9.0)] == [0, 1, 2, 3, 5]


def test_other_answers_take_a_canary_back_and_equal_ones_let_it_go_on() -> None:
    watched = replace(PLAN, predictions=Answers("bins", 0.1))
    rng = np.random.default_rng(11)

    def answering(canary: list[float]):
        def counts(weight: float) -> Counts:
            n = int(200 * weight)
            return Counts(
                0.25, Tally(200 - n, 0, (), late([0.5, 0.5], rng, 200 - n)), Tally(n, 0, (), late(canary, rng, n))
            )

        return counts

    decision, _ = drive(watched, answering([0.7, 0.3]))
    assert decision.action == "rollback"
    assert decision.reason.startswith("predictions: the share of a bin changed by ")
    assert drive(watched, answering([0.5, 0.5]))[0].action == "promote"


def test_pairs_that_disagree_take_a_canary_back() -> None:
    paired = replace(PLAN, predictions=Answers("pairs", 0.02))
    state = observe(begin(paired), replace(poll(100, 0, 100, 0), pairs=(100, 12)), paired)
    decision = decide(state, paired)
    assert decision.reason.startswith("predictions: 12 of 100 requests were answered differently")
    assert decision.evidence["predictions"]["rise"] == pytest.approx(0.12)


MONEY = replace(PLAN, means={"revenue": Measure(0.0, 1.0, "higher", 0.1)})


@pytest.mark.parametrize(("canary", "action"), [(0.2, "rollback"), (0.5, "promote"), (0.6, "promote")])
def test_a_mean_that_falls_takes_a_canary_back(canary: float, action: str) -> None:
    rng = np.random.default_rng(12)

    def counts(weight: float) -> Counts:
        values = {"revenue": (tuple(rng.normal(canary, 0.02, 5)), tuple(rng.normal(0.5, 0.02, 9)))}
        return replace(poll(20, 0, 180, 0), values=values)

    decision, _ = drive(MONEY, counts)
    assert decision.action == action
    assert action == "promote" or decision.reason.startswith("revenue: worse by 0.2")


def test_a_metric_without_numbers_is_not_good_news() -> None:
    state = begin(MONEY)
    for _ in range(50):
        state = observe(state, poll(1000, 0, 9000, 0), MONEY)
    assert decide(state, MONEY).action == "wait"


def test_users_are_judged_by_their_first_errors_and_not_by_their_requests() -> None:
    sticky = replace(PLAN, steps=(0.2,), unit="user")
    assert sticky.metrics == ("users",)
    storm = Counts(60, Tally(8000, 10, failed_users=8), Tally(2000, 900, failed_users=2), share=0.2)
    state = observe(begin(sticky), storm, sticky)
    assert decide(state, sticky).action == "wait"
    bad = observe(
        state, Counts(60, Tally(8000, 10, failed_users=10), Tally(2000, 900, failed_users=30), share=0.2), sticky
    )
    assert decide(bad, sticky).reason.startswith("users: 32 of 50 users with an error met it at the canary")
    good = observe(
        state, Counts(60, Tally(8000, 10, failed_users=300), Tally(2000, 9, failed_users=60), share=0.2), sticky
    )
    assert decide(good, sticky).action == "promote"


def test_every_kind_of_evidence_survives_json() -> None:
    for whole in (
        replace(WATCHED, predictions=Answers("bins", 0.1), means=MONEY.means),
        replace(WATCHED, predictions=Answers("pairs", 0.1)),
        replace(PLAN, unit="user"),
    ):
        tallies = (Tally(n, 1, (n, 0, 0, 0, 0, 0), (3, n), 1) for n in (50, 9))
        counts = Counts(0.25, *tallies, BOUNDS, (9, 1), {"revenue": ((0.5,), (0.25,))}, 0.05)
        state = advance(observe(observe(begin(whole), counts, whole), counts, whole))
        again = State.from_json(json.loads(json.dumps(state.to_json())))
        assert again == state
        assert decide(again, whole) == decide(state, whole)


def test_every_key_of_the_config_arrives_in_the_plan() -> None:
    metric = LiveMetric(better="higher", low=0.0, high=5.0, margin=0.1, command=("cat", "revenue"))
    analysis = Analysis(
        always_valid=False,
        errors=ErrorBudget(tolerated_ratio=1.2),
        predictions=PredictionWatch(histogram="answers", max_change=0.05, max_disagreement=0.01),
        metrics={"revenue": metric},
        step_requests=50,
        step_time=5.0,
        on_timeout="hold",
    )
    made = plan(Deploy(analysis=analysis))
    assert (made.tolerated, made.least, made.on_timeout, made.always_valid) == (1.2, (50, 5.0), "hold", False)
    assert made.predictions == Answers("bins", 0.05)
    assert made.means == {"revenue": Measure(0.0, 5.0, "higher", 0.1)}
    assert made.metrics == ("errors", "predictions", "revenue")
    assert plan(Deploy(strategy="shadow", analysis=analysis)).predictions == Answers("pairs", 0.01)
    assert plan(Deploy(strategy="ab", analysis=analysis)).metrics == ("users", "revenue")


def test_single_requests_are_judged_together_for_nothing_is_beside_them() -> None:
    rng = np.random.default_rng(13)
    few = replace(PLAN, steps=(0.25,), timeout=3600)

    def one(_: float) -> Counts:
        mine = rng.random() < 0.25
        failed = int(rng.random() < (0.2 if mine else 0.01))
        return poll(1, failed, 0, 0, 1.0) if mine else poll(0, 0, 1, failed, 1.0)

    decision, state = drive(few, one, polls=1800)
    assert decision.action == "rollback"
    assert state.seen.canary < 200


def test_what_is_not_judged_yet_is_counted_and_no_evidence() -> None:
    state = observe(begin(PLAN), poll(9, 9, 70, 0), PLAN)
    assert (state.seen.canary, state.seen.canary_failed) == (9, 9)
    assert decide(state, PLAN).evidence["errors"]["against"] == 1.0
    assert decide(observe(state, poll(1, 0, 0, 0), PLAN), PLAN).action == "rollback"


def test_polls_at_one_share_are_not_judged_with_those_at_the_next() -> None:
    state = advance(observe(begin(PLAN), poll(9, 9, 70, 0), PLAN))
    assert (state.seen.canary, state.pending) == (9, None)
    state = observe(state, poll(20, 0, 60, 0), PLAN)
    assert (state.seen.canary, state.seen.canary_failed) == (29, 9)
    assert decide(state, PLAN).evidence["errors"]["against"] == 1.0


def test_a_good_canary_with_little_traffic_that_drifts_is_hardly_ever_taken_back() -> None:
    rng, taken = np.random.default_rng(14), 0
    few = replace(PLAN, steps=(0.25,), margin=0.0001, confidence=0.9)
    for _ in range(120):
        state = begin(few)
        for t in range(400):
            rate = 0.6 if t % 100 > 80 else 0.02
            canary, stable = rng.poisson(0.5), rng.poisson(1.5)
            counts = poll(int(canary), int(rng.binomial(canary, rate)), int(stable), int(rng.binomial(stable, rate)))
            state = observe(state, counts, few)
            if decide(state, few).action == "rollback":
                taken += 1
                break
    assert taken <= 0.1 * 120 + 3 * (0.09 * 120) ** 0.5
