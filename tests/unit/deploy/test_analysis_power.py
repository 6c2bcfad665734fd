"""What would be found: the simulation decides as the decisions do, and its figures are those of arithmetic."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log

import numpy as np
import pytest

from mlci.deploy.analysis import Counts, Late, Plan, Table, Tally, advance, begin, decide, harm, no_harm, observe, power
from mlci.deploy.analysis.simulation import harms, no_harms, simulate, steady

PLAN = Plan(steps=(0.05, 0.25), confidence=0.99, margin=0.005, latency=None, timeout=300)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("tolerated", [1.0, 1.5])
def test_many_tables_give_what_each_gives(rate: float, tolerated: float) -> None:
    rng = np.random.default_rng(1)
    n, m = rng.integers(0, 150, 60), rng.integers(0, 400, 60)
    tables = np.stack([n, rng.binomial(n, rate), m, rng.binomial(m, min(1.0, 0.5 * rate))])
    one_by_one = [harm(Table(*map(int, column)), tolerated) for column in tables.T]
    np.testing.assert_allclose(harms(tables, tolerated), one_by_one, atol=1e-7)
    likely = np.stack([rng.uniform(0.001, 0.2, 60), rng.uniform(0.001, 0.2, 60)])
    clear = [
        no_harm(Table(*map(int, column)), expected=(float(p), float(q)), excess=0.02)
        for column, p, q in zip(tables.T, *likely, strict=True)
    ]
    np.testing.assert_allclose(no_harms(tables, likely, [0.5, 0.02])[1], clear, atol=1e-5)


def test_simulated_canaries_end_as_the_decisions_end_them() -> None:
    drawn: list[np.ndarray] = []
    draw, looks = steady(0.005, 0.02, 200.0), [float(t) for t in range(1, 301)]

    def kept(rng, start, end, share):
        drawn.append(draw(rng, start, end, share))
        return drawn[-1]

    for seed in range(8):
        drawn.clear()
        ends = simulate(
            PLAN, kept, looks, runs=1, rng=np.random.default_rng(seed), budgets=[PLAN.budgets("errors")], allowed=0.005
        )
        state, action = begin(PLAN), "wait"
        for tables in drawn:
            n, x, m, y = (int(k) for k in tables[:, 0, 0])
            state = observe(state, Counts(1.0, Tally(m, y), Tally(n, x)), PLAN)
            action = decide(state, PLAN).action
            state = advance(state) if action == "advance" else state
        assert {"rollback": 1, "promote": 2}[action] == ends.action[0]
        assert (state.elapsed, state.seen.canary) == (ends.seconds[0], ends.requests[0])


def test_an_equal_canary_is_hardly_ever_taken_back_and_a_broken_one_always() -> None:
    found = power(PLAN, 200.0, runs=100)
    equal, *_, broken = found.cases
    assert (equal.canary, equal.back) == (0.005, pytest.approx(0, abs=0.02))
    assert (broken.canary, broken.back) == (1.0, 1.0)
    assert broken.requests is not None
    assert broken.requests < 30
    assert found.alarms == 0.01


def test_a_larger_rise_is_found_in_more_canaries_and_sooner() -> None:
    cases = power(replace(PLAN, timeout=100), 200.0, runs=60).cases
    assert [case.back for case in cases] == sorted(case.back for case in cases)
    sooner = [case.requests for case in cases if case.requests is not None]
    assert sooner == sorted(sooner, reverse=True)


def test_without_failures_it_takes_over_after_the_requests_that_arithmetic_says() -> None:
    ends = simulate(
        PLAN,
        steady(0.0, 0.0, 500.0),
        [t / 4 for t in range(1, 1200)],
        runs=20,
        rng=np.random.default_rng(1),
        budgets=[PLAN.budgets("errors")],
        allowed=0.005,
    )
    assert (ends.action == 2).all()
    assert np.median(ends.requests) == pytest.approx(log(100) / -np.log1p(-0.005), rel=0.1)


def test_little_traffic_decides_nothing_and_says_so() -> None:
    found = power(replace(PLAN, timeout=20), 1.0, runs=50)
    assert found.detected("errors") is None
    assert found.cases[0].undecided == 1.0


def test_latency_is_told_as_the_share_of_late_answers() -> None:
    found = power(replace(PLAN, latency=Late((0.9,), 0.2), timeout=30), 200.0, runs=60)
    late = [case for case in found.cases if case.metric == "p90"]
    assert (late[0].stable, late[0].canary, late[-1].back) == (0.1, 0.1, 1.0)
    assert json.loads(json.dumps(found.to_json()))["detected"]["p90"] <= 0.5
