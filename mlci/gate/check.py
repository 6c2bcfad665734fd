"""What a gate's configuration gets wrong, found before anything is run.

A rule that is silently left out would let through what it was meant to stop: what cannot be judged is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlci.gate.metrics import METRICS, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlci.config.model import Columns, Gate


@dataclass(frozen=True)
class Mistake:
    """One mistake: where in `mlci.yaml` (`$.gate.metrics.roc_acu`), what is wrong, what to do."""

    path: str
    message: str
    help: str = ""


def mistakes(gate: Gate) -> tuple[Mistake, ...]:
    """All that is wrong with the rules of a gate: unknown metrics, columns they lack, what is not judged yet."""
    return tuple(_mistakes(gate))


def _mistakes(gate: Gate) -> Iterator[Mistake]:
    for name, rule in gate.metrics.items():
        path = f"$.gate.metrics.{name}"
        if rule.function is not None or rule.expression is not None:
            yield Mistake(path, "metrics by a function or an expression are not judged by this version")
        else:
            yield from _metric(name, path, gate)
    if gate.slices is not None:
        yield from _metric(gate.slices.metric, "$.gate.slices.metric", gate)
    if gate.latency is not None:
        yield Mistake("$.gate.latency", "latency is not judged by this version", "Remove `latency`.")


def _metric(name: str, path: str, gate: Gate) -> Iterator[Mistake]:
    near = unknown([name])
    if near:
        choices = f"One of {', '.join(metric.name for metric in METRICS.values() if metric.task == gate.task)}."
        yield Mistake(path, f"unknown metric `{name}`", f"Did you mean `{near[name]}`?" if near[name] else choices)
        return
    metric = METRICS[name]
    if metric.task != gate.task:
        yield Mistake(path, f"`{name}` is a metric of {metric.task}, and the gate's task is {gate.task}")
    elif not _reads(gate.columns)[metric.reads]:
        wanted = {"score": "`score`", "class": "`score` or `prediction`", "number": "`prediction`"}[metric.reads]
        yield Mistake(path, f"`{name}` needs the column {wanted}", "Name it under `gate.columns`.")


def _reads(columns: Columns) -> dict[str, bool]:
    score, prediction = columns.score is not None, columns.prediction is not None
    return {"score": score, "class": score or prediction, "number": prediction}
