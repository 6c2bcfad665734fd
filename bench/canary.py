"""The canary: how often it takes back what is no worse, and how much harm it lets through, beside the peers' rules."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench import canary_latency
from bench.canary_peers import NEVER, calibrated, kayenta, limited
from bench.measure import Options, say, table
from mlci.deploy.analysis import Plan
from mlci.deploy.analysis.simulation import Ends, simulate

Array = np.ndarray[Any, Any]
RUNS, HORIZON, WINDOW = 2_000, 1_800, 60
"""Canaries of a cell; seconds of each, with a look at every one; seconds of a peer's interval."""
STABLE = 0.005
RATES = (0.0075, 0.01, 0.02, 0.05)
TRAFFIC, SHARES = (1.0, 10.0, 100.0, 1000.0), (0.01, 0.05, 0.25)
ALARMS = 0.01
THRESHOLD = 0.01
"""Of the peers that compare with a fixed one: 99 % of the requests succeed."""
PEERS = ("99 %, 1 min", "99 %, 5 min", "Mann-Whitney, each min", "Mann-Whitney, once")


@dataclass(frozen=True)
class Cell:
    """Traffic in requests a second, the canary's share of it, and how the world goes while it lasts."""

    traffic: float
    share: float
    world: str = "steady"

    def base(self, t: float) -> float:
        """Stable's error rate after t seconds: an incident of a minute each ten, or a rise to the fourfold."""
        if self.world == "incident":
            return 0.2 if t % 600 >= 540 else STABLE
        return STABLE * (1 + 3 * t / HORIZON) if self.world == "drift" else STABLE

    def load(self, t: float) -> float:
        """Requests a second after t seconds: with drift they fall to a half and rise to the one and a half."""
        return self.traffic * (1 - 0.5 * np.sin(2 * np.pi * t / HORIZON)) if self.world == "drift" else self.traffic


@dataclass(frozen=True)
class Found:
    """Of a rule in a cell: the share taken back, the median of canary requests until then, mean of failed answers."""

    back: float
    requests: float
    failed: float


@dataclass(frozen=True)
class Row:
    """A cell and its canary's errors by stable's, by mlci and by each peer, calibrated at a ratio of one.

    `peers` have at most ALARMS false alarms there, `matched` no more than mlci has.
    """

    cell: Cell
    ratio: float
    mlci: Found
    peers: dict[str, Found]
    matched: dict[str, Found]


def measure(options: Options) -> str:
    """The section of the page."""
    traffic, shares = ((100.0,), (0.05,)) if options.quick else (TRAFFIC, SHARES)
    runs = 200 if options.quick else RUNS
    cells = [Cell(rate, share) for rate in traffic for share in shares]
    worlds = [Cell(100.0, share, world) for world in ("incident", "drift") for share in shares]
    rows: list[Row] = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for found in pool.map(judge, [*cells, *worlds], [runs] * (len(cells) + len(worlds))):
            say(f"{found[0].cell}")
            rows += found
        latency = canary_latency.section(pool, shares, runs)
    return _page(rows, runs, latency)


def judge(cell: Cell, runs: int) -> list[Row]:
    """All error rates in one cell; the first is no rise, by which the peers are calibrated."""
    seed = [round(cell.traffic), round(1000 * cell.share), len(cell.world)]
    ratios = [1.0, *((rate / STABLE for rate in RATES) if cell.world == "steady" else (2.0,))]
    rows: list[Row] = []
    limits: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for ratio in ratios:
        rng = np.random.default_rng([*seed, round(100 * ratio)])
        ends = _mlci(cell, ratio, runs, rng)
        back = ends.action == 1
        mlci = Found(float(back.mean()), _median(ends.requests[back]), _harm(cell, ratio, ends.requests, ends.failed))
        alarms = (rows[0].mlci if rows else mlci).back
        peers, matched = _peers(cell, ratio, runs, rng, (ALARMS, alarms), limits)
        rows.append(Row(cell, ratio, mlci, peers, matched))
    return rows


def _mlci(cell: Cell, ratio: float, runs: int, rng: np.random.Generator) -> Ends:
    """Never let go on, so that each is watched to its end: the largest chance of a false alarm that there is."""
    plan = Plan((cell.share,), 1 - ALARMS, margin=0.0, latency=None, timeout=HORIZON)

    def draw(rng: np.random.Generator, begin: float, _end: float, share: Array) -> Array:
        n = rng.poisson(cell.load(begin), share.shape)
        mine = rng.binomial(n, share)
        failed, base = rng.binomial(mine, min(1.0, ratio * cell.base(begin))), cell.base(begin)
        return np.stack([mine, failed, n - mine, rng.binomial(n - mine, base)])[:, None]

    looks = [float(t) for t in range(1, HORIZON + 1)]
    return simulate(plan, draw, looks, runs=runs, rng=rng, budgets=None, allowed=0.0)


def _peers(
    cell: Cell,
    ratio: float,
    runs: int,
    rng: np.random.Generator,
    alarms: tuple[float, float],
    limits: tuple[dict[str, int], dict[str, int]],
) -> tuple[dict[str, Found], dict[str, Found]]:
    """The same world in the peers' windows, by two rates of false alarms; `limits` keeps what they were set to."""
    seconds = np.arange(HORIZON).reshape(-1, WINDOW)
    load = np.array([[cell.load(t) for t in row] for row in seconds])
    base = np.array([[cell.base(t) for t in row] for row in seconds])
    lost = (load * base).sum(axis=1)
    n, m = (rng.poisson(load.sum(axis=1) * part, (runs, len(seconds))) for part in (cell.share, 1 - cell.share))
    rate = lost / load.sum(axis=1)
    x, y = rng.binomial(n, np.minimum(1, ratio * rate)), rng.binomial(m, rate)
    out: tuple[dict[str, Found], dict[str, Found]] = ({}, {})

    def ended(window: Array, minutes: int) -> Found:
        back = window != NEVER
        last = np.where(back, np.minimum(window, n.shape[1]) * minutes + minutes - 1, n.shape[1] - 1)
        requests, failed = (np.take_along_axis(np.cumsum(a, axis=1), last[:, None], axis=1)[:, 0] for a in (n, x))
        return Found(float(back.mean()), _median(requests[back]), _harm(cell, ratio, requests, failed))

    for name, minutes in (("99 %, 1 min", 1), ("99 %, 5 min", 5)):
        wide, failed = (a.reshape(runs, -1, minutes).sum(axis=2) for a in (n, x))
        over = failed > THRESHOLD * wide
        for found, known, most in zip(out, limits, alarms, strict=True):
            known.setdefault(name, calibrated(over, most))
            found[name] = ended(limited(over, known[name]), minutes)
    ours, theirs = x / np.maximum(1, n), y / np.maximum(1, m)
    for name, every in (("Mann-Whitney, each min", True), ("Mann-Whitney, once", False)):
        out[0][name] = ended(kayenta(ours, theirs, every=every), 1)
    return out


def _harm(cell: Cell, ratio: float, requests: Array, failed: Array) -> float:
    """Failed requests on average; at a steady rate by how many there were, which is the same with less chance in it."""
    return float(requests.mean()) * ratio * STABLE if cell.world == "steady" else float(failed.mean())


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _page(rows: list[Row], runs: int, latency: str) -> str:
    head = ["traffic", "share", "world", "canary's errors", "mlci", *PEERS]
    body = [
        [
            f"{row.cell.traffic:g}/s",
            f"{100 * row.cell.share:g} %",
            row.cell.world,
            f"{row.ratio:g} ×",
            *(_told(found) for found in (row.mlci, *(row.peers[name] for name in PEERS))),
        ]
        for row in rows
    ]
    return f"{_about(runs)}\n\n{table(head, body)}\n\n{_limits(rows)}\n\n### Latency\n\n{latency}"


def _about(runs: int) -> str:
    return (
        f"{runs:,} canaries a cell, each watched for {HORIZON // 60} minutes at a fixed share, stable fails in "
        f"{100 * STABLE:g} % of its requests. A cell tells how many were taken back, the median of canary requests "
        "until then, and the failed requests that the canary served on average. 1 × is a canary that is no worse: what "
        f"is taken back there is a false alarm. mlci looks each second, at confidence {1 - ALARMS:g}. The peers that "
        "compare with a fixed threshold (Argo Rollouts, Flagger) have the smallest limit of failed intervals with at "
        f"most {100 * ALARMS:g} % false alarms in that very cell, which nobody knows beforehand; Kayenta's judge has "
        "no such setting. *Incident*: each ten minutes both versions fail in 20 % for one. *Drift*: the rate of errors "
        "rises to the fourfold while the traffic falls and rises by a half."
    )


def _limits(rows: list[Row]) -> str:
    """Which of the limits hold, by these rows."""
    alarms = max(row.mlci.back for row in rows if row.ratio == 1)
    bad = [row.mlci.requests for row in rows if row.ratio == 10 and row.mlci.back > 0.5]
    silent = {(row.cell, name) for row in rows if row.ratio == 1 for name in PEERS if row.peers[name].back <= ALARMS}
    worse = [row for row in rows if row.ratio > 1]
    easy = [(row, name, row.peers[name]) for row in worse for name in PEERS if (row.cell, name) in silent]
    same = [(row, name, found) for row in worse for name, found in row.matched.items()]
    lines = [
        f"False alarms of mlci: at most {100 * alarms:.2f} % in any cell.",
        f"5 % against {100 * STABLE:g} %: taken back after a median of {min(bad):.0f} to {max(bad):.0f} requests, "
        "in the cells in which most are; at 1,000/s one look at 25 % is 250.",
        _compared(f"a peer of at most {100 * ALARMS:g} % false alarms", easy),
        _compared("a fixed threshold of no more false alarms than mlci had in that cell", same),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _compared(with_what: str, pairs: list[tuple[Row, str, Found]]) -> str:
    lost = [(row, name, peer) for row, name, peer in pairs if peer.failed < row.mlci.failed]
    told = f"Of {len(pairs)} comparisons with {with_what}, mlci let fewer failed requests through in "
    told += f"{len(pairs) - len(lost)}."
    for row, name, peer in lost:
        told += (
            f" Not at {row.cell.traffic:g}/s, {100 * row.cell.share:g} %, {row.ratio:g} × ({row.cell.world}, {name}: "
        )
        told += f"{peer.failed:.3g} against {row.mlci.failed:.3g})."
    return told


def _told(found: Found) -> str:
    if not found.back:
        return f"0 %; {found.failed:.3g}"
    return f"{100 * found.back:.3g} % ({found.requests:.0f}); {found.failed:.3g}"
