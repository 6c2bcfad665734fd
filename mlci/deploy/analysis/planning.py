"""What a canary is asked for: shares of the traffic, metrics with what is tolerated of each, floors and a ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from mlci.config.model import Deploy

TAIL = 0.1
"""The largest share of late answers that counts as a budget, for quantiles near the middle."""
TOGETHER = 4
"""Requests expected of the version with the smaller share in the counts that are judged together."""
MORE = 0.5
"""Of the users: the most that all of them together may meet errors more often, as a fraction, before it goes on."""


@dataclass(frozen=True)
class Late:
    """The quantiles of stable's latency (fractions) that are watched, and the tolerated rise of each (a fraction)."""

    quantiles: tuple[float, ...]
    margin: float


@dataclass(frozen=True)
class Answers:
    """What is allowed: a share of requests answered differently (`pairs`), or a change of a bin's share (`bins`)."""

    kind: Literal["bins", "pairs"]
    allowed: float


@dataclass(frozen=True)
class Measure:
    """A number between `low` and `high`, which way it is better, the tolerated change for the worse, in its unit."""

    low: float
    high: float
    better: Literal["lower", "higher"]
    margin: float


@dataclass(frozen=True)
class Plan:
    """What was asked for. Shares and rates are fractions of one, times seconds.

    `margin` is the tolerated rise of the rate of errors, `tolerated` the tolerated ratio of their odds. `least` are the
    canary requests and the seconds that each step takes at least. `always_valid` false means plain thresholds.
    `mirrored` means that both versions get every request, in one step: each has half of what is counted.
    """

    steps: tuple[float, ...]
    confidence: float
    margin: float
    latency: Late | None
    timeout: float
    tolerated: float = 1.0
    predictions: Answers | None = None
    means: dict[str, Measure] = field(default_factory=dict)
    unit: Literal["request", "user"] = "request"
    least: tuple[int, float] = (0, 0.0)
    on_timeout: Literal["rollback", "hold"] = "rollback"
    always_valid: bool = True
    mirrored: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is judged, by name; each has an equal part of the false alarms."""
        if self.unit == "user":
            return ("users", *self.means)
        rest = {"latency": self.latency, "predictions": self.predictions}
        return ("errors", *(name for name, asked in rest.items() if asked), *self.means)

    @property
    def threshold(self) -> float:
        """The evidence (e-value) against the canary that takes it back."""
        return round(len(self.metrics) / (1 - self.confidence), 6)

    @property
    def needed(self) -> float:
        """The evidence (e-value) for the canary that lets it go on."""
        return round(1 / (1 - self.confidence), 6)

    @property
    def next_shares(self) -> tuple[float, ...]:
        """The share after each step; the last is all."""
        return (*self.steps[1:], 1.0)

    def together(self, step: int) -> int:
        """How many requests at least are judged together, of both versions: `TOGETHER` at the smaller share."""
        share = self.steps[step]
        return ceil(TOGETHER / min(share, 1 - share))

    def budgets(self, metric: str, quantile: float = 0.0) -> tuple[float, ...]:
        """The excess rate of failure to exclude at each step, before the share rises to the next."""
        whole = self.margin if metric == "errors" else min(TAIL, 1 - quantile)
        return tuple(min(0.99, whole / share) for share in self.next_shares)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The odds ratio of users with errors to exclude at each step: 11, 3, 2 and 1.5 before 5, 25, 50 and 100 %."""
        return tuple(1 + MORE / share for share in self.next_shares)


def plan(deploy: Deploy) -> Plan:
    """The plan that an environment's `deploy` asks for; a step of 100 % is the end of every canary."""
    analysis = deploy.analysis
    latency = analysis.latency
    return Plan(
        steps=(0.5,) if deploy.strategy == "shadow" else tuple(step for step in deploy.steps if step < 1),
        confidence=analysis.confidence,
        margin=analysis.errors.margin,
        latency=Late(tuple(_quantile(q) for q in latency.quantiles), latency.margin) if latency else None,
        timeout=analysis.timeout,
        tolerated=analysis.errors.tolerated_ratio,
        predictions=_answers(deploy),
        means={name: Measure(m.low, m.high, m.better, m.margin) for name, m in analysis.metrics.items()},
        unit="user" if deploy.strategy == "ab" else "request",
        least=(analysis.step_requests, analysis.step_time),
        on_timeout=analysis.on_timeout,
        always_valid=analysis.always_valid,
        mirrored=deploy.strategy == "shadow",
    )


def _answers(deploy: Deploy) -> Answers | None:
    watch = deploy.analysis.predictions
    if watch is None:
        return None
    if deploy.strategy == "shadow" or watch.histogram is None:
        return Answers("pairs", watch.max_disagreement)
    return Answers("bins", watch.max_change)


def _quantile(name: str) -> float:
    return float(f"0.{name[1:]}")
