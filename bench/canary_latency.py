"""A slower canary: after how many of its requests it is taken back, beside the peers and the p99 of each minute."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from statistics import NormalDist
from typing import Any

import numpy as np

from bench.canary_peers import NEVER, calibrated, kayenta, limited
from bench.measure import table
from mlci.deploy.analysis import Late, Plan
from mlci.deploy.analysis.latency import STALL
from mlci.deploy.analysis.simulation import simulate

Array = np.ndarray[Any, Any]
TRAFFIC, HORIZON, WINDOW = 100.0, 1_800, 60
SPREAD = 0.6
"""Of the logarithm of the latency, which is normal."""
QUANTILES = (0.5, 0.99)
SLOWER = (1.0, 1.1, 1.25, 2.0)
FIXED = 1.1
"""The peers' fixed threshold, in stable's p99, which they must know."""
ALARMS = 0.01


def section(pool: Executor, shares: tuple[float, ...], runs: int) -> str:
    """The table of all shares."""
    rows = [row for found in pool.map(judge, shares, [runs] * len(shares)) for row in found]
    about = (
        f"{TRAFFIC:g} requests/s, latencies of a log-normal distribution; the canary's are so many times as long. "
        "A cell tells how many were taken back, and the canary requests until then, on average over all. mlci compares "
        f"p50 and p99 with no margin. The fixed threshold is {FIXED:g} times stable's p99, by the p99 of each minute, "
        "with the smallest limit that has at most 1 % false alarms; Mann-Whitney is Kayenta's judge on these p99."
    )
    return f"{about}\n\n{table(['share', 'slower', 'mlci', 'fixed p99', 'Mann-Whitney on p99, each min'], rows)}"


def judge(share: float, runs: int) -> list[list[str]]:
    """The rows of one share of the traffic."""
    rows, limit = [], 0
    for times in SLOWER:
        rng = np.random.default_rng([round(1000 * share), round(100 * times)])
        n = rng.poisson(TRAFFIC * share * WINDOW, (runs, HORIZON // WINDOW))
        m = rng.poisson(TRAFFIC * (1 - share) * WINDOW, n.shape)
        ours, theirs = times * _p99(rng, n), _p99(rng, m)
        over = ours > FIXED * math.exp(SPREAD * NormalDist().inv_cdf(0.99))
        limit = calibrated(over, ALARMS) if times == 1 else limit
        ends = _mlci(share, times, runs, rng)
        told = [_told(float((ends.action == 1).mean()), float(ends.requests.mean()))]
        told += [_ended(limited(over, limit), n), _ended(kayenta(ours, theirs, every=True), n)]
        rows.append([f"{100 * share:g} %", f"{times:g} ×", *told])
    return rows


def _mlci(share: float, times: float, runs: int, rng: np.random.Generator) -> Any:
    plan = Plan((share,), 1 - ALARMS, 0.0, Late(QUANTILES, 0.0), HORIZON)
    alike = np.array([*QUANTILES, 1.0])
    slower = np.array([*(_below(q, times) for q in QUANTILES), 1.0])

    def draw(rng: np.random.Generator, begin: float, end: float, shares: Array) -> Array:
        n = rng.poisson(TRAFFIC * (end - begin), shares.shape)
        mine = rng.binomial(n, shares)
        late = []
        for size, below in ((mine, slower), (n - mine, alike)):
            counts = rng.multinomial(size, np.diff(below, prepend=0.0))
            late.append(np.stack([counts[:, i + 1 :].sum(axis=1) for i in range(len(QUANTILES))]))
        both = np.broadcast_to(mine, late[0].shape), np.broadcast_to(n - mine, late[0].shape)
        return np.stack([both[0], late[0], both[1], late[1]])

    looks = [float(t) for t in range(1, HORIZON + 1)]
    return simulate(
        plan, draw, looks, runs=runs, rng=rng, budgets=None, allowed=0.0, most=STALL, streams=len(QUANTILES)
    )


def _below(quantile: float, times: float) -> float:
    """The share of a slower version's answers that are within stable's quantile."""
    normal = NormalDist()
    return normal.cdf(normal.inv_cdf(quantile) - math.log(times) / SPREAD)


def _p99(rng: np.random.Generator, n: Array) -> Array:
    """The p99 of so many answers, drawn as the order statistic that it is."""
    place = np.maximum(1, np.ceil(0.99 * n))
    drawn = rng.beta(place, np.maximum(1, n) - place + 1)
    normal = NormalDist()
    return np.exp(SPREAD * np.vectorize(normal.inv_cdf)(np.clip(drawn, 1e-9, 1 - 1e-9)))


def _ended(window: Array, n: Array) -> str:
    back = window != NEVER
    last = np.where(back, np.minimum(window, n.shape[1] - 1), n.shape[1] - 1)
    requests = np.take_along_axis(np.cumsum(n, axis=1), last[:, None], axis=1)
    return _told(float(back.mean()), float(requests.mean()))


def _told(back: float, requests: float) -> str:
    return f"{100 * back:.3g} %; {requests:.0f}"
