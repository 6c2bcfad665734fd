"""What MLflow is told of a model: the gate's numbers on the run of its training, and the aliases that follow.

`challenger` is the version that was judged last, `champion` the one that serves in the environment `gate.champion`.
A tracker that fails never fails a step: the gate has a warning, a promotion says it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlci.evidence import promotions, results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps.protocol import Context
from mlci.tracking import Tracker, tracked, without_password

if TYPE_CHECKING:
    from mlci.config.model import MLflow

_LONGEST = 5000
"""Characters of a tag's value that MLflow keeps."""


@dataclass(frozen=True)
class Told:
    """What the gate told: for its facts, and what went wrong."""

    facts: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()


@contextmanager
def telling(ctx: Context) -> Iterator[Tracker | None]:
    """A tracker that gets ready while a step works; None where none is configured, or no run is there to add to."""
    mlflow = ctx.project.config.tracking.mlflow
    logged = mlflow is not None and not _lacking(mlflow, ctx.upstream.get("train"))
    with tracked(mlflow.uri if mlflow and logged else None, ctx.project.root, ctx.log("tracking-gate")) as tracker:
        yield tracker


def gate(ctx: Context, tracker: Tracker | None, facts: dict[str, Any], verdict: str, summary: str) -> Told:
    """The numbers and the verdict on the training's run; the alias `challenger`, and `champion` as it is now."""
    mlflow, train = ctx.project.config.tracking.mlflow, ctx.upstream["train"]
    if mlflow is None:
        return Told()
    if tracker is None:
        return Told(None, (Finding("warning", "the gate was not logged to MLflow", _lacking(mlflow, train)),))
    run_id = _run_of(train)
    tags = {"mlci.gate": verdict, "mlci.gate.summary": summary[:_LONGEST]}
    if facts["champion"]:
        tags["mlci.gate.champion"] = facts["champion"]
    found = tracker.note(run_id, metrics=_metrics(facts), tags=tags, model=mlflow.model, alias="challenger")
    if found and mlflow.model:
        _champion(ctx, tracker, mlflow.model)
    told = {"uri": without_password(mlflow.uri), "run_id": run_id, "model": mlflow.model}
    what = "the alias `champion` in MLflow was not set" if found else "the gate was not logged to MLflow"
    lost = (Finding("warning", what, tracker.problem),) if tracker.problem else ()
    return Told({**told, **found} if found else None, lost)


@contextmanager
def following(ctx: Context, environment: str) -> Iterator[None]:
    """Around what may change who serves in an environment: when it did, the alias `champion` follows."""
    config = ctx.project.config
    mlflow = config.tracking.mlflow
    if mlflow is None or mlflow.model is None or config.gate is None or config.gate.champion != environment:
        yield
        return
    before = _serving(ctx)
    yield
    if _serving(ctx) in (None, before):
        return
    with tracked(mlflow.uri, ctx.project.root, ctx.log(f"tracking-{environment}")) as tracker:
        assert tracker is not None
        _champion(ctx, tracker, mlflow.model)
        if tracker.problem:
            ctx.say(f"the alias `champion` of {mlflow.model} in MLflow was not moved: {tracker.problem}")


def _champion(ctx: Context, tracker: Tracker, model: str) -> None:
    """The alias on the version of what serves; its training may have been logged elsewhere, or never."""
    serving = _serving(ctx)
    trained = [r for r in results.on(ctx.images, serving) if r.step == "train"] if serving else []
    if trained and (run_id := _run_of(trained[-1])):
        tracker.note(run_id, metrics={}, tags={}, model=model, alias="champion")
    elif serving:
        tracker.problem = tracker.problem or f"the training of {serving[:19]} was not logged"


def _serving(ctx: Context) -> str | None:
    config = ctx.project.config
    if config.gate is None or config.gate.champion is None:
        return None
    deploys = config.environments[config.gate.champion].deploy is not None
    return promotions.serving(ctx.images, config.gate.champion, deploys=deploys)


def _run_of(train: Receipt) -> str:
    """The run that a training was logged to; empty where it was not."""
    return str((train.facts.get("tracking") or {}).get("run_id") or "")


def _lacking(mlflow: MLflow, train: Receipt | None) -> str:
    """Why there is no run to add to; empty when there is one."""
    if train is None or not _run_of(train):
        return "its training was not logged there; `mlci train --force` does it"
    there, wanted = train.facts["tracking"]["uri"], without_password(mlflow.uri)
    return "" if there == wanted else f"its training was logged to {there}; `mlci train --force` logs it to {wanted}"


def _metrics(facts: dict[str, Any]) -> dict[str, float]:
    """Each metric's value and interval, of both models and of their difference, by name; what is finite of it."""
    found: dict[str, float] = {"gate.rows": facts["rows"]}
    for metric in facts["metrics"]:
        for key, name in (("challenger", ""), ("champion", ".champion"), ("difference", ".difference")):
            for end, value in (metric[key] or {}).items():
                found[f"gate.{metric['name']}{name}" + ("" if end == "value" else f".{end}")] = value
    return {name: value for name, value in found.items() if math.isfinite(value)}
