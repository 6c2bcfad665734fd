"""Metrics that nobody can read now, users who hardly ever meet an error, and versions that both get every request."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mlci.config.model import Deploy
from mlci.deploy import analysis
from mlci.deploy.analysis import Answers, Counts, Measure, Plan, Shift, State, Tally

VALUES = {"value": ((0.5,), (0.5,))}
PLAN = Plan((0.5,), 0.99, 0.05, None, 60.0, means={"value": Measure(0, 1, "lower", 0.4)})
POLL = Counts(0.25, Tally(50), Tally(50), values=VALUES)


def after(plan: Plan, *polls: Counts) -> State:
    state = analysis.begin(plan)
    for poll in polls:
        state = analysis.observe(state, poll, plan)
    return state


def test_what_is_silent_lets_nothing_go_on_until_it_speaks() -> None:
    seen = after(PLAN, *[POLL] * 200)
    assert analysis.decide(seen, PLAN).action == "promote"
    silent = replace(POLL, values={}, silent={"value": "HTTP 503"})
    blind = after(PLAN, *[POLL] * 200, silent)
    assert State.from_json(json.loads(json.dumps(blind.to_json()))) == blind
    assert analysis.decide(blind, PLAN).action == "wait"
    late = analysis.decide(replace(blind, elapsed=61.0), PLAN)
    assert late.action == "rollback"
    assert late.reason.endswith("; no numbers for value: HTTP 503")
    assert analysis.decide(analysis.observe(blind, POLL, PLAN), PLAN).action == "promote"


def test_what_is_silent_hides_no_errors() -> None:
    bad = Counts(0.25, Tally(50), Tally(50, 25), silent={"value": "HTTP 503"})
    assert analysis.decide(after(PLAN, bad, bad), PLAN).action == "rollback"


@pytest.mark.parametrize("kind", ["means", "bins", "pairs"])
def test_thresholds_on_what_was_never_measured_let_nothing_go_on(kind: str) -> None:
    plan = replace(PLAN, always_valid=False, least=(20, 0.0))
    if kind != "means":
        plan = replace(plan, means={}, predictions=Answers("bins" if kind == "bins" else "pairs", 0.1))
    without = replace(POLL, values={})
    assert analysis.decide(after(plan, without), plan).action == "wait"
    bins = Tally(50, predictions=(25, 25))
    measured = replace(POLL, canary=bins, stable=bins, pairs=(10, 0))
    assert analysis.decide(after(plan, measured), plan).action == "promote"


def test_where_no_user_meets_an_error_first_requests_tell() -> None:
    plan = replace(PLAN, means={}, unit="user")
    came = Tally(10, users=10)
    few = after(plan, *[Counts(0.25, came, came, share=0.5)] * 5)
    assert analysis.decide(few, plan).action == "wait"
    many = after(plan, *[Counts(0.25, came, came, share=0.5)] * 40)
    found = analysis.decide(many, plan)
    assert found.action == "promote"
    assert "5.00% more of them" in found.reason
    again = Tally(10)  # the same users' later requests prove nothing
    same = after(plan, *[Counts(0.25, came, came, share=0.5)] * 5, *[Counts(0.25, again, again, share=0.5)] * 200)
    assert analysis.decide(same, plan).action == "wait"


def test_first_requests_that_fail_more_often_let_a_version_on_as_rarely_as_promised() -> None:
    rng, plan = np.random.default_rng(2), replace(PLAN, means={}, unit="user", tolerated=99.0)
    wrong = 0
    for _ in range(200):
        state = analysis.begin(plan)
        for _ in range(40):
            canary, stable = (Tally(20, users=20, greeted_badly=int(rng.binomial(20, p))) for p in (0.06, 0.01))
            state = analysis.observe(state, Counts(0.25, stable, canary, share=0.5), plan)
            if analysis.decide(state, plan).action == "promote":
                wrong += 1
                break
    assert wrong <= 200 * 0.01 + 3 * (200 * 0.0099) ** 0.5


def test_a_shadow_has_one_step_in_which_both_versions_get_everything() -> None:
    plan = analysis.plan(Deploy(strategy="shadow", repeatable=True))
    assert (plan.steps, plan.next_shares, plan.mirrored) == ((0.5,), (1.0,), True)
    assert plan.budgets("errors") == (0.005,)


def test_bins_that_do_not_change_are_cleared_by_a_few_hundred_answers() -> None:
    rng, found = np.random.default_rng(3), Shift()
    for _ in range(4):
        canary, stable = (tuple(int(n) for n in rng.multinomial(size, [0.25] * 4)) for size in (150, 600))
        found = found.add(canary, stable, 0.2)
    assert found.calm > np.log(100)
