"""The keys of a deployment that say what is watched, and what is tolerated of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlci.config.keys import NAME, Command, Duration, Fraction, key


@dataclass(frozen=True, kw_only=True)
class ErrorBudget:
    """How many more errors the new version may make."""

    margin: Fraction = key("Largest tolerated rise of the error rate.", 0.005)
    alarm: Fraction = key(
        "Where both versions fail this share of the last requests, an alarm is told and nothing goes on.", 0.1
    )
    tolerated_ratio: float = key(
        "Odds of an error up to so many times stable's are no reason to take back; 1.2 for busy services.",
        1.0,
        minimum=1,
        maximum=100,
    )


@dataclass(frozen=True, kw_only=True)
class LatencyBudget:
    """How much slower the new version may be."""

    quantiles: tuple[Literal["p50", "p75", "p90", "p95", "p99"], ...] = key(
        "Which quantiles are compared; left out: p50 and p99.", ("p50", "p99"), minItems=1, uniqueItems=True
    )
    margin: Fraction = key("Largest tolerated rise of each quantile, as near as the buckets are (10 %).", 0.2)


@dataclass(frozen=True, kw_only=True)
class PredictionWatch:
    """How much the model's answers may change."""

    histogram: str | None = key("The histogram of the server's /metrics; left out: only pairs are compared.", None)
    max_change: Fraction = key("Largest tolerated change of the share of any bin of the histogram.", 0.1)
    max_disagreement: Fraction = key("Largest tolerated share of requests that both versions answer differently.", 0.02)
    difference: float = key("Numbers that differ by no more than this are the same answer.", 0.0, minimum=0)


@dataclass(frozen=True, kw_only=True)
class LiveMetric:
    """A number that matters, read for each version while both serve; from one of `prometheus`, `url`, `command`.

    `{version}` stands for `canary` or `stable` in any of them, `{digest}` for the digest of that version's image.
    """

    better: Literal["lower", "higher"] = key("Which way it is better.")
    low: float = key("It is never less than this.")
    high: float = key("It is never more than this; the narrower the bounds, the sooner it decides.")
    margin: float = key("Largest tolerated change of its mean for the worse, in its own unit.", exclusiveMinimum=0)
    prometheus: str | None = key("A Prometheus server's URL; `query` is asked there.", None)
    query: str | None = key("A PromQL query for one number.", None)
    url: str | None = key("A URL that answers JSON; `json` says where in it.", None)
    json: str | None = key("Names and places in the JSON, with dots between, such as `orders.0.value`.", None)
    command: Command | None = key("A command that prints the number.", None)
    every: Duration = key(
        "How often it is asked; each answer counts as a new one, so a query's window is no longer than this.",
        5.0,
        minimum=0.1,
    )


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """When a canary goes on, and when it is taken back."""

    confidence: float = key(
        "1 - the chance of taking back a good version.", 0.99, exclusiveMinimum=0.5, exclusiveMaximum=1
    )
    always_valid: bool = key(
        "The confidence holds however often it is looked at; false: plain thresholds, when a step's least is over.",
        True,
    )
    errors: ErrorBudget = key("Errors.", factory=ErrorBudget)
    latency: LatencyBudget | None = key("Latency.", None)
    predictions: PredictionWatch | None = key("Predictions.", None)
    metrics: dict[str, LiveMetric] = key("Any other number, by name.", factory=dict, propertyNames=NAME)
    step_requests: int = key("Each step takes at least so many requests to the canary.", 0, minimum=0)
    step_time: Duration = key("Each step takes at least this time.", 0.0)
    timeout: Duration = key("The most time for all steps.", 1800.0)
    on_timeout: Literal["rollback", "hold"] = key(
        "Not enough evidence by then: taken back, or held where it is until somebody decides.", "rollback"
    )
