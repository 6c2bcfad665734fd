"""Decisions about a canary, from counts alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.model import Analysis, Deploy, ErrorBudget, LatencyBudget
from mlci.deploy.analysis import (
    BLIND,
    Counts,
    Decision,
    Plan,
    State,
    Tally,
    advance,
    begin,
    decide,
    observe,
    plan,
)

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


WATCHED = replace(PLAN, latency=(0.95, 0.2))


def test_a_slow_canary_is_taken_back_for_its_latency() -> None:
    decision, _ = drive(WATCHED, slow_traffic(np.random.default_rng(6), [0.2, 0.2, 0.2, 0.2, 0.2, 0.0]))
    assert decision.action == "rollback"
    assert decision.reason.startswith("latency: ")


def test_a_canary_as_fast_as_stable_takes_over() -> None:
    decision, state = drive(WATCHED, slow_traffic(np.random.default_rng(7), [0.5, 0.45, 0.04, 0.01, 0.0, 0.0]))
    assert decision.action == "promote"
    assert state.metrics["latency"].total.canary <= 1500


def test_one_stall_of_the_machine_is_no_trend() -> None:
    rng = np.random.default_rng(8)
    state = observe(begin(WATCHED), slow_traffic(rng, [0.5, 0.45, 0.04, 0.01, 0.0, 0.0])(0.5), WATCHED)
    stall = Counts(0.25, Tally(50, 0, (50, 0, 0, 0, 0, 0)), Tally(50, 0, (0, 0, 0, 0, 0, 50)), BOUNDS)
    state = observe(state, stall, WATCHED)
    assert decide(state, WATCHED).action == "wait"
    assert 1 < state.metrics["latency"].against <= 3.0001


def test_the_poll_that_is_judged_does_not_move_its_own_limit() -> None:
    first = Counts(0.25, Tally(10, 0, (0, 0, 0, 0, 0, 10)), Tally(10, 0, (0, 0, 0, 0, 0, 10)), BOUNDS)
    assert observe(begin(WATCHED), first, WATCHED).metrics["latency"].total.canary == 0


def test_alpha_is_shared_by_the_metrics() -> None:
    assert PLAN.threshold == pytest.approx(100)
    assert WATCHED.threshold == pytest.approx(200)
    assert WATCHED.needed == pytest.approx(100)


def test_the_plan_is_what_the_config_says() -> None:
    analysis = Analysis(
        confidence=0.95,
        errors=ErrorBudget(margin=0.01),
        latency=LatencyBudget(quantile="p90", margin=0.5),
        timeout=60.0,
    )
    made = plan(Deploy(steps=(0.1, 0.5, 1.0), analysis=analysis))
    assert made == Plan((0.1, 0.5), 0.95, 0.01, (0.9, 0.5), 60.0)


tables = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))


@given(st.lists(tables, max_size=6))
def test_a_state_survives_json(rows) -> None:
    state = begin(WATCHED)
    for x, more, y, others in rows:
        latency = (x, more, 0, 0, 0, y)
        counts = Counts(0.25, Tally(y + others, y, latency), Tally(x + more, x, latency), BOUNDS)
        state = observe(state, counts, WATCHED)
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
