"""What the model answers: exact bounds on the evidence, and what it finds."""

from __future__ import annotations

from itertools import product
from math import comb, exp, factorial, log, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.deploy.analysis import Pairs, Shift, shift

weights = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)
counts = st.lists(st.integers(0, 200), min_size=3, max_size=3).map(tuple)


def chance(counts: tuple[int, ...], shares: list[float]) -> float:
    ways = factorial(sum(counts)) / prod(factorial(k) for k in counts)
    return ways * prod(p**k for p, k in zip(shares, counts, strict=True))


def outcomes(n: int) -> list[tuple[int, ...]]:
    return [k for k in product(range(n + 1), repeat=3) if sum(k) == n]


@given(weights, counts, counts, st.integers(1, 4), st.integers(1, 4), st.floats(1, 1000))
@settings(max_examples=60)
def test_two_versions_that_answer_alike_give_no_evidence_on_average(w, seen_x, seen_y, n, m, weight) -> None:
    shares = [one / sum(w) for one in w]
    mean = sum(
        chance(x, shares) * chance(y, shares) * exp(shift(x, y, (seen_x, seen_y), weight))
        for x, y in product(outcomes(n), outcomes(m))
    )
    assert mean <= 1 + 1e-9


def drawn(rng: np.random.Generator, shares: list[float], n: int) -> tuple[int, ...]:
    return tuple(int(k) for k in rng.multinomial(n, shares))


def watch(rng: np.random.Generator, canary: list[float], stable: list[float], polls: int) -> tuple[Shift, float]:
    found, most = Shift(), 0.0
    for _ in range(polls):
        found = found.add(drawn(rng, canary, 5), drawn(rng, stable, 95), 0.1)
        most = max(most, found.against)
    return found, most


def test_a_distribution_that_drifts_for_both_versions_is_hardly_ever_called_a_change() -> None:
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(60):
        seen, total, most = np.zeros((2, 3), int), 0.0, 0.0
        for t in range(200):
            shares = [0.4 + t / 1000, 0.3, 0.3 - t / 1000]
            canary, stable = drawn(rng, shares, 5), drawn(rng, shares, 95)
            total += shift(canary, stable, (tuple(seen[0]), tuple(seen[1])), 300.0)
            seen += np.array([canary, stable])
            most = max(most, total)
        alarms += most >= log(20)
    assert alarms <= 0.05 * 60 + 3 * (0.0475 * 60) ** 0.5


def test_a_change_is_found_and_measured() -> None:
    found, most = watch(np.random.default_rng(2), [0.5, 0.3, 0.2], [0.3, 0.3, 0.4], 100)
    assert most >= log(100)
    assert found.change == pytest.approx(0.2, abs=0.05)
    assert found.calm < log(100)


def test_equal_answers_rule_out_a_change_as_large_as_allowed() -> None:
    found, _ = watch(np.random.default_rng(3), [0.3, 0.3, 0.4], [0.3, 0.3, 0.4], 200)
    assert found.calm >= log(100)
    assert found.change < 0.1


def test_a_version_without_answers_says_nothing() -> None:
    assert shift((0, 0, 0), (3, 4, 5), ((0, 0, 0), (0, 0, 0)), 30.0) == 0.0
    assert Shift().add((0, 0), (5, 5), 0.1).against == 0.0
    assert Shift().calm == 0.0


@given(st.integers(1, 25), st.floats(0.01, 0.5), st.floats(0, 1))
def test_pairs_give_no_evidence_on_average_where_the_share_is_on_the_right_side(n, limit, part) -> None:
    def mean(share: float, evidence) -> float:
        chances = [comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
        return sum(p * exp(evidence(Pairs(n, k))) for k, p in enumerate(chances))

    assert mean(limit * part, lambda pairs: pairs.above(limit)) <= 1 + 1e-9
    assert mean(limit + part * (1 - limit), lambda pairs: pairs.below(limit)) <= 1 + 1e-9


def test_pairs_that_differ_too_often_are_found_and_those_that_do_not_are_cleared() -> None:
    assert Pairs(200, 14).above(0.02) >= log(100)
    assert Pairs(2000, 10).below(0.02) >= log(100)
    assert Pairs(1000, 20).above(0.02) < log(100) > Pairs(1000, 20).below(0.02)
