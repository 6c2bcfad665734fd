"""What a canary's plan would find, before any of it has happened: by simulation, with a seed, so always the same.

Each metric is simulated by itself, with the evidence that it needs among the others of the plan.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mlci.deploy.analysis.latency import STALL
from mlci.deploy.analysis.planning import TAIL, Plan

RUNS = 400
FIRST, GROWTH = 0.25, 0.02
"""Seconds until the first look, and by which part of the time the next is later; in fact they come every 0.25 s."""
SURE = 0.8
"""The share of canaries in which something must be taken back to count as detected."""
TIMES = (1.0, 2.0, 4.0, 10.0)
"""Rises that are tried, in margins."""


@dataclass(frozen=True)
class Case:
    """A canary that fails at a rate, and of how many such ones what becomes (fractions).

    `requests` to the canary, its `failed` answers and `seconds` are the medians until it is taken back (`back`), or
    None where less than half are.
    """

    metric: str
    stable: float
    canary: float
    back: float
    over: float
    undecided: float
    requests: float | None
    failed: float | None
    seconds: float | None


@dataclass(frozen=True)
class Power:
    """The cases, at this traffic (requests a second); `alarms` is the largest rate of false alarms, of all metrics."""

    traffic: float
    alarms: float
    timeout: float
    cases: tuple[Case, ...]

    def detected(self, metric: str) -> Case | None:
        """The smallest rise that is taken back in at least `SURE` of the canaries."""
        return next((case for case in self.cases if case.metric == metric and case.back >= SURE), None)

    def to_json(self) -> dict[str, Any]:
        metrics = dict.fromkeys(case.metric for case in self.cases)
        found = {name: case.canary if (case := self.detected(name)) else None for name in metrics}
        return {**asdict(self), "detected": found}


def power(plan: Plan, traffic: float, *, errors: float = 0.005, runs: int = RUNS, seed: int = 1) -> Power:
    """What this plan would find at so many requests a second, where stable fails in a fraction `errors` of them.

    Errors and the quantiles of latency are told, late answers as their share: 1 % are over stable's p99.
    """
    cases = [_case(plan, "errors", errors, rate, traffic, runs, seed) for rate in _rates(errors, plan.margin)]
    for q in plan.latency.quantiles if plan.latency else ():
        rates = _rates(1 - q, min(TAIL, 1 - q))
        cases += [_case(plan, f"p{100 * q:g}", round(1 - q, 6), rate, traffic, runs, seed) for rate in rates]
    return Power(traffic, round(1 - plan.confidence, 9), plan.timeout, tuple(cases))


def _rates(stable: float, margin: float) -> tuple[float, ...]:
    rises = [stable, *(stable + margin * times for times in TIMES), (1 + stable) / 2, 1.0]
    return tuple(sorted({round(min(1.0, rate), 6) for rate in rises}))


def _case(plan: Plan, metric: str, stable: float, canary: float, traffic: float, runs: int, seed: int) -> Case:
    import numpy as np

    from mlci.deploy.analysis.simulation import simulate, steady

    late = metric != "errors"
    ends = simulate(
        plan,
        steady(stable, canary, traffic),
        _looks(plan.timeout),
        runs=runs,
        rng=np.random.default_rng(seed),
        budgets=[plan.budgets("latency" if late else "errors", 1 - stable if late else 0.0)],
        allowed=0.0 if late else plan.margin,
        most=STALL if late else float("inf"),
    )
    back = ends.action == 1
    share, over = float(back.mean()), float((ends.action == 2).mean())
    known = [float(np.median(one[back])) for one in (ends.requests, ends.failed, ends.seconds)] if share >= 0.5 else []
    requests, failed, seconds = known or (None, None, None)
    return Case(metric, stable, canary, share, over, max(0.0, round(1 - share - over, 9)), requests, failed, seconds)


def _looks(timeout: float) -> list[float]:
    looks = [FIRST]
    while looks[-1] < timeout:
        looks.append(min(timeout, looks[-1] + max(FIRST, GROWTH * looks[-1])))
    return looks
