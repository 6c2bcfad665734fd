"""Users who stay with a version: requests would cry wolf, first errors do not."""

from __future__ import annotations

from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.deploy.analysis import Table, Users, first_errors, harm, log_mean
from mlci.deploy.analysis.errors import ALTERNATIVES

NOTHING = Users((0.0,) * len(ALTERNATIVES), ((0.0,) * 5,))


@given(st.integers(1, 30), st.floats(0.01, 0.99), st.floats(1, 3), st.floats(1.01, 50), st.floats(0, 1))
def test_first_errors_give_no_evidence_on_average_where_the_odds_are_tolerated(n, share, null, more, part) -> None:
    odds = null * part
    due = odds * share / (odds * share + 1 - share)
    chances = [comb(n, k) * due**k * (1 - due) ** (n - k) for k in range(n + 1)]
    mean = sum(p * exp(first_errors(k, n - k, share, null * more, null)) for k, p in enumerate(chances))
    assert mean <= 1 + 1e-9


def simulate(rng: np.random.Generator, more: float) -> tuple[bool, bool]:
    """2,000 users, 2 % of them in trouble with a quarter of their requests; a fifth are the canary's."""
    users, share = 2000, 0.2
    canary = rng.random(users) < share
    trouble = rng.random(users) < 0.02
    rate = np.where(trouble, 0.25, 0.0005) * np.where(canary, more, 1.0)
    failed, found, by_request = np.zeros(users, bool), NOTHING, np.zeros(len(ALTERNATIVES))
    by_user = requests = False
    for _ in range(120):
        asks = rng.random(users) < 0.1
        errors = asks & (rng.random(users) < rate)
        new = errors & ~failed
        failed |= errors
        found = found.add(int((new & canary).sum()), int((new & ~canary).sum()), share, 1.0, (2.0,))
        by_user |= found.against >= log(100)
        table = Table(
            int((asks & canary).sum()),
            int((errors & canary).sum()),
            int((asks & ~canary).sum()),
            int((errors & ~canary).sum()),
        )
        by_request += harm(table)
        requests |= log_mean(tuple(by_request)) >= log(100)
    return by_user, requests


def test_a_few_users_in_trouble_make_requests_cry_wolf_and_first_errors_not() -> None:
    rng = np.random.default_rng(1)
    by_user, by_request = np.array([simulate(rng, 1.0) for _ in range(120)]).mean(axis=0)
    assert by_user <= 0.01 + 3 * (0.0099 / 120) ** 0.5
    assert by_request > 0.05


def test_a_version_that_hurts_more_users_is_found() -> None:
    found = NOTHING.add(30, 20, 0.2, 1.0, (2.0,))
    assert found.against >= log(100)
    assert found.rise == pytest.approx(2.0)


def test_many_users_without_a_difference_rule_out_twice_as_many() -> None:
    found = NOTHING.add(30, 170, 0.2, 1.0, (2.0,))
    assert found.calm(0) >= log(100)
    assert found.against < 0


def test_the_share_may_rise_on_the_way() -> None:
    found = NOTHING.add(1, 19, 0.05, 1.0, (2.0,)).add(10, 10, 0.5, 1.0, (2.0,))
    assert found.due == pytest.approx(11)
    assert found.against < 0
