"""The two e-processes: exact against a reference, and never above one on average where the hypothesis holds."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, isclose, log, log1p

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, nchypergeom_fisher

from mlci.deploy.analysis.counts import Table
from mlci.deploy.analysis.errors import ALTERNATIVES, harm, log_mean, no_harm

rates = st.floats(0.0, 1.0)
sizes = st.integers(0, 7)


def expectation(log_evidence, canary: int, stable: int, p: float, q: float) -> float:
    """The exact mean of an e-value over all tables of this size."""
    total = 0.0
    for x, y in product(range(canary + 1), range(stable + 1)):
        chance = comb(canary, x) * p**x * (1 - p) ** (canary - x) * comb(stable, y) * q**y * (1 - q) ** (stable - y)
        total += chance * exp(log_evidence(Table(canary, x, stable, y))) if chance else 0.0
    return total


@given(canary=st.integers(1, 60), stable=st.integers(1, 200), data=st.data())
def test_harm_is_the_ratio_of_fishers_noncentral_hypergeometric_to_the_central(canary, stable, data) -> None:
    failed = data.draw(st.integers(0, canary + stable))
    x = data.draw(st.integers(max(0, failed - stable), min(canary, failed)))
    terms = harm(Table(canary, x, stable, failed - x))
    for odds, term in zip(ALTERNATIVES, terms, strict=True):
        tilted = nchypergeom_fisher.logpmf(x, canary + stable, failed, canary, odds)
        plain = hypergeom.logpmf(x, canary + stable, failed, canary)
        if tilted > -600:  # below, the reference has no digits left
            assert isclose(term, tilted - plain, abs_tol=1e-6, rel_tol=1e-6)


@given(canary=sizes, stable=sizes, p=rates, better=rates)
def test_harm_is_at_most_one_on_average_where_the_canary_is_no_worse(canary, stable, p, better) -> None:
    assert expectation(lambda t: log_mean(harm(t)), canary, stable, p * better, p) <= 1 + 1e-9


@given(canary=sizes, stable=sizes, q=rates, p=rates, excess=st.floats(1e-4, 0.99), guesses=st.tuples(rates, rates))
@settings(max_examples=300)
def test_no_harm_is_at_most_one_on_average_where_the_canary_fails_that_much_more(
    canary, stable, q, p, excess, guesses
) -> None:
    q = q * (1 - excess)
    p = min(1.0, q + excess + p * (1 - q - excess))
    guess = tuple(min(max(g, 1e-6), 1 - 1e-6) for g in guesses)
    assert expectation(lambda t: no_harm(t, expected=guess, excess=excess), canary, stable, p, q) <= 1 + 1e-9


def test_without_failures_the_evidence_grows_as_fast_as_any_valid_test_may() -> None:
    found = no_harm(Table(1000, 0, 19_000, 0), expected=(1e-9, 1e-9), excess=0.005)
    assert isclose(found, -1000 * log1p(-0.005), rel_tol=1e-3)


@pytest.mark.parametrize("table", [Table(0, 0, 50, 3), Table(50, 0, 0, 0), Table(20, 0, 30, 0), Table(20, 20, 30, 30)])
def test_a_table_that_cannot_tell_says_nothing(table) -> None:
    assert harm(table) == (0.0,) * len(ALTERNATIVES)


def test_no_traffic_to_one_version_is_no_evidence_for_the_other() -> None:
    assert no_harm(Table(100, 0, 0, 0), expected=(0.001, 0.001), excess=0.01) == 0.0
    assert no_harm(Table(0, 0, 100, 0), expected=(0.001, 0.001), excess=0.01) == 0.0


def test_the_mean_of_evidence_does_not_overflow() -> None:
    assert log_mean((1000.0, 0.0)) == pytest.approx(1000 - log(2))
    assert log_mean((-1000.0, -1000.0)) == -1000
    assert log_mean((0.0,)) < inf
