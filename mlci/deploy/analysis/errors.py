"""Errors: two e-processes that compare a canary with the stable version, request by request, in exact arithmetic.

An e-process is a running product whose expectation never exceeds one while the hypothesis holds, so by Ville's
inequality it reaches 1/alpha with a probability of at most alpha, however often and whenever it is looked at
(Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", Statistical Science 2023).

Both work poll by poll on a 2×2 table: the requests and the failures of each version over the same short time. The
hypothesis is only about that poll, so a base rate that drifts, or an incident that hits both versions, changes
nothing. A failure is whatever the caller counts: an error, or an answer that took too long.
"""

from __future__ import annotations

from math import exp, inf, log, log1p

from mlci.deploy.analysis.counts import Table

ALTERNATIVES = (1.4, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Odds ratios that the test for harm looks for, with equal weight."""


def harm(table: Table, tolerated: float = 1.0) -> tuple[float, ...]:
    """Log-evidence that the canary's odds of failure are more than `tolerated` times stable's, by `ALTERNATIVES`.

    Given the margins of the table, the canary's failures are hypergeometric when the odds are equal, whatever the
    rate is, and Fisher's noncentral hypergeometric at an odds ratio w; the term is the logarithm of the ratio of
    `tolerated` * w to `tolerated`. It falls where the canary is better, so it is an e-process for "no worse than
    tolerated". Add the terms up over polls, then `log_mean`. Zero when the table cannot tell: no failure, or no
    requests of one version.

    Source: the conditional test of Lindon and Malek, "Anytime-valid inference for multinomial count data"
    (NeurIPS 2022), on the exact distribution.
    """
    failed = table.canary_failed + table.stable_failed
    lowest, highest = max(0, failed - table.stable), min(table.canary, failed)
    if lowest == highest:
        return (0.0,) * len(ALTERNATIVES)
    ways = [0.0]  # log C(canary, x) C(stable, failed - x), less its value at the lowest x
    for x in range(lowest, highest):
        ratio = (table.canary - x) * (failed - x) / ((x + 1) * (table.stable - failed + x + 1))
        ways.append(ways[-1] + log(ratio))
    observed = table.canary_failed - lowest
    ways = [way + i * log(tolerated) for i, way in enumerate(ways)]
    base = _log_sum(ways)
    terms = []
    for odds in ALTERNATIVES:
        tilted = [way + i * log(odds) for i, way in enumerate(ways)]
        terms.append(tilted[observed] - _log_sum(tilted) - (ways[observed] - base))
    return tuple(terms)


def no_harm(table: Table, *, expected: tuple[float, float], excess: float) -> float:
    """Log-evidence against "the canary fails at least `excess` more often than stable" (rates, not odds).

    `expected` are the rates of failure of canary and stable that are thought likely, from earlier polls only: a bad
    guess costs evidence, never validity. The evidence is the likelihood ratio of the guess to the point of the
    hypothesis that is nearest to it. The hypothesis is convex in the two rates, and at that point the first-order
    condition bounds the expectation by one for every other point: Turner and Grünwald, "Exact anytime-valid
    confidence intervals for contingency tables and beyond" (Statistics & Probability Letters 2023), theorem 1. With no
    failures at all it grows by -log(1 - excess) a canary request, which no valid test betters.
    """
    p, q = expected
    if p >= q + excess or not (table.canary and table.stable):
        return 0.0
    low, high = 0.0, min(q, 1 - excess)
    for _ in range(60):
        middle = (low + high) / 2
        if _slope(table, p, q, middle, excess) < 0:
            low = middle
        else:
            high = middle
    nearest = high
    return _log_ratio(table.canary, table.canary_failed, p, nearest + excess) + _log_ratio(
        table.stable, table.stable_failed, q, nearest
    )


def log_mean(terms: tuple[float, ...]) -> float:
    """The logarithm of the mean of the exponentials."""
    return _log_sum(terms) - log(len(terms))


def _slope(table: Table, p: float, q: float, at: float, excess: float) -> float:
    """The derivative of the divergence from the guess, at a stable rate `at` and a canary rate `at + excess`."""
    moved = at + excess
    canary = (moved - p) / (moved * (1 - moved)) if 0 < moved < 1 else inf
    stable = (at - q) / (at * (1 - at)) if 0 < at < 1 else -inf
    return table.canary * canary + table.stable * stable


def _log_ratio(requests: int, failed: int, guess: float, null: float) -> float:
    hit = failed * log(guess / null) if failed else 0.0
    return hit + (requests - failed) * (log1p(-guess) - log1p(-null))


def _log_sum(terms: list[float] | tuple[float, ...]) -> float:
    top = max(terms)
    return top + log(sum(exp(term - top) for term in terms))


def expected(total: Table) -> tuple[float, float]:
    """The likely rates of failure of canary and stable: those so far, drawn towards the common one (200 requests)."""
    common = (total.canary_failed + total.stable_failed + 0.5) / (total.canary + total.stable + 200)
    pull = 200.0
    canary = (total.canary_failed + pull * common) / (total.canary + pull)
    stable = (total.stable_failed + pull * common) / (total.stable + pull)
    return canary, stable
