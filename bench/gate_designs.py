"""How the rows of the simulations are made, and what is true of them.

A design makes the labels and the predictions of two models on the same rows. The champion has the skill 0, the
challenger either the same or one that loses just the margin. What a model of that skill would measure on endlessly many
rows is known, not estimated: at 50,000 rows an estimate would have to take hundreds of millions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlci.gate.deciding.intervals import Fit, fit
from mlci.gate.metric.measures import mean, values
from mlci.gate.metric.metrics import METRICS, Definition

PER_USER = 10
POSITIVE, CHAMPION, OWN = 0.3, 1.5, 0.5
"""Two classes: the share of positives, what the label adds to the champion's log-odds, a model's own noise in them."""
SPREAD = math.sqrt(1 + OWN**2)
OF_NUMBERS, OF_SCORES = 0.4, 0.1
MEAN = Definition("score", "scores", "higher", "column", "mean", mean(values), (-math.inf, math.inf))
Rows = tuple[Any, Any, Any, Any]


@dataclass(frozen=True)
class Design:
    """`make(rng, rows, skill of the challenger)` gives labels, challenger, champion, clusters; `truth(skill)` the value
    of the metric; `worse` is the skill that loses just the margin.
    """

    name: str
    metric: Definition
    worse: float
    make: Callable[[np.random.Generator, int, float], Rows]
    truth: Callable[[float], float]

    @cached_property
    def true(self) -> float:
        """The value of the worse model."""
        return self.truth(self.worse)

    @cached_property
    def loss(self) -> float:
        """Challenger − champion of the worse model; its size is the margin."""
        return self.true - self.truth(0.0)

    def pair(self, rng: np.random.Generator, rows: int, skill: float) -> list[Fit]:
        """The metric of both models on new rows."""
        labels, *said, clusters = self.make(rng, rows, skill)
        return [fit(self.metric, labels, one, None, clusters) for one in said]


def probabilities(rng: np.random.Generator, rows: int, skill: float) -> Rows:
    """Two models share most of what misleads them."""
    labels = (rng.random(rows) < POSITIVE).astype(np.int8)
    shared = rng.normal(size=rows)
    odds = [s * labels + shared - 1 + OWN * rng.normal(size=rows) for s in (CHAMPION + skill, CHAMPION)]
    one, other = (1 / (1 + np.exp(-one)) for one in odds)
    return labels, one, other, None


def _classes(rng: np.random.Generator, rows: int, skill: float) -> Rows:
    labels, one, other, _ = probabilities(rng, rows, skill)
    return labels, one >= 0.5, other >= 0.5, None


def _numbers(rng: np.random.Generator, rows: int, skill: float) -> Rows:
    labels, shared = rng.normal(size=rows), rng.standard_t(5, size=rows)
    one, other = (labels + (1 - s) * shared + OF_NUMBERS * rng.normal(size=rows) for s in (skill, 0.0))
    return labels, one, other, None


def _users(rng: np.random.Generator, rows: int, skill: float) -> Rows:
    """Rows of a user share how hard they are, and how much a model likes them."""
    clusters = np.repeat(np.arange(rows // PER_USER), PER_USER)
    hard, *tastes = (rng.normal(size=rows // PER_USER)[clusters] for _ in range(3))
    pairs = zip((skill, 0.0), tastes, strict=True)
    one, other = (1.3 + s + hard + OWN * taste + rng.normal(size=len(clusters)) > 0 for s, taste in pairs)
    return np.ones(len(clusters), np.int8), one, other, clusters


def _scores(rng: np.random.Generator, rows: int, skill: float) -> Rows:
    shared = rng.beta(4, 2, size=rows)
    one, other = (np.clip(shared + s + OF_SCORES * rng.standard_t(4, size=rows), 0, 1) for s in (skill, 0.0))
    return np.zeros(rows), one, other, None


def _accuracy(skill: float) -> float:
    from scipy.stats import norm

    right, left = norm.cdf((CHAMPION + skill - 1) / SPREAD), norm.cdf(1 / SPREAD)
    return float(POSITIVE * right + (1 - POSITIVE) * left)


def _roc_auc(skill: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf((CHAMPION + skill) / (math.sqrt(2) * SPREAD)))


def _log_loss(skill: float) -> float:
    from scipy.integrate import quad
    from scipy.stats import norm

    def expected(sign: int, centre: float) -> float:
        of = norm(centre, SPREAD).pdf
        return float(quad(lambda z: np.logaddexp(0, sign * z) * of(z), -20, 20, epsabs=1e-12)[0])

    return POSITIVE * expected(-1, CHAMPION + skill - 1) + (1 - POSITIVE) * expected(1, -1)


def _rmse(skill: float) -> float:
    return math.sqrt((1 - skill) ** 2 * 5 / 3 + OF_NUMBERS**2)  # Student's t with 5 degrees has the variance 5/3


def _by_user(skill: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf((1.3 + skill) / math.sqrt(2 + OWN**2)))


def _score(skill: float) -> float:
    from scipy.integrate import dblquad
    from scipy.stats import beta, t

    # The mean of a number in [0, 1] is the integral of how often it is above each u.
    above, density = t(4).sf, beta(4, 2).pdf
    found = dblquad(lambda u, x: density(x) * above((u - x - skill) / OF_SCORES), 0, 1, 0, 1, epsabs=1e-9)
    return float(found[0])


DESIGNS = (
    Design("accuracy", METRICS["accuracy"], -0.3, _classes, _accuracy),
    Design("roc_auc", METRICS["roc_auc"], -0.3, probabilities, _roc_auc),
    Design("log_loss", METRICS["log_loss"], -0.3, probabilities, _log_loss),
    Design("rmse", METRICS["rmse"], -0.06, _numbers, _rmse),
    Design(f"accuracy, {PER_USER} rows a user", METRICS["accuracy"], -0.1, _users, _by_user),
    Design("mean score", MEAN, -0.02, _scores, _score),
)
