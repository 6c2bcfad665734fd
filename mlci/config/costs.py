"""The keys of `gate` that say what a model may cost (docs/gate.md, "Costs")."""

from __future__ import annotations

from dataclasses import dataclass

from mlci.config.keys import Duration, Fraction, Size, key


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one request to the server of the image may take: a row of the gate's data, one after another."""

    p50: Duration | None = key("Median.", None)
    p95: Duration | None = key("95th percentile.", None)
    p99: Duration | None = key("99th percentile; needs rounds of 100 requests.", None)
    margin: Fraction | None = key(
        "Each quantile that has a limit (p50 and p95 where none has) is at most this share above the champion's.", None
    )
    path: str = key('Where requests go, as POST with a JSON body {"instances": [row]}.', "/predict", pattern="^/")
    time: Duration = key("Measure no longer than this.", 20.0)


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """How big the model may be."""

    max: Size | None = key("Bytes of the model's files together.", None)
    margin: Fraction | None = key("At most this share above the champion's.", None)


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """How many packages the image may carry."""

    max: int | None = key("Installed distributions.", None, minimum=0)


@dataclass(frozen=True, kw_only=True)
class Load:
    """How long the server of the image may take from its start until its ready path answers 200."""

    max: Duration | None = key("The time in a round.", None)
    margin: Fraction | None = key("At most this share above the champion's.", None)
    time: Duration = key("Measure no longer than this.", 20.0)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """How much memory the server of the image may take: the peak, when it has answered some requests."""

    max: Size | None = key("Resident memory of its processes together.", None)
    margin: Fraction | None = key("At most this share above the champion's.", None)
    time: Duration = key("Measure no longer than this.", 20.0)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How long one run of `predict` over the gate's data may take."""

    max: Duration | None = key("From its start until its end.", None)
    memory: Size | None = key("Peak of the resident memory of its processes together.", None)
    margin: Fraction | None = key(
        "Time, and memory where it has a limit: at most this share above the champion's.", None
    )
    time: Duration = key("Measure no longer than this.", 60.0)
