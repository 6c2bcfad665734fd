"""What MLflow is told of a model: the gate's numbers on the run of its training, and the aliases that follow.

`challenger` is the version that was judged last, `champion` the one that serves in the environment `gate.champion`, and
an environment's name the one that is promoted there. A tracker that fails never fails a step: the gate has a warning; a
promotion says it, leaves a record, and the next one to that environment tries again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlci.evidence import promotions, provenance, results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps.protocol import Context
from mlci.store import Store, sha256
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
def following(ctx: Context, environment: str, receipt: Receipt) -> Iterator[None]:
    """Around what a receipt describes and may change what is in an environment, or who serves: the aliases follow."""
    mlflow = ctx.project.config.tracking.mlflow
    if mlflow is None or mlflow.model is None:
        yield
        return
    before = _aliases(ctx, environment)
    yield
    if _aliases(ctx, environment) != before:
        follow(ctx, environment, receipt)


def follow(ctx: Context, environment: str, receipt: Receipt) -> None:
    """Move the aliases to what is there now. Where that fails a record on the digest says so, for the next run."""
    mlflow, place = ctx.project.config.tracking.mlflow, ctx.place(environment)
    digest = place.resolve(environment)
    if mlflow is None or mlflow.model is None or digest is None:
        return
    moves = [(alias, of, _logged(place, of)) for alias, of in _aliases(ctx, environment).items() if of]
    for alias in (alias for alias, _, train in moves if train is None):
        ctx.say(f"the alias `{alias}` of {mlflow.model} in MLflow stays: the training of {digest[:19]} was not logged")
    if all(train is None for _, _, train in moves):
        return
    with tracked(mlflow.uri, ctx.project.root, ctx.log(f"tracking-{environment}")) as tracker:
        assert tracker is not None
        for alias, of, train in moves:
            if train:
                tags = _tags(of, train, receipt)
                tracker.note(_run_of(train), metrics={}, tags={}, model=mlflow.model, alias=alias, version_tags=tags)
        problem = tracker.problem
    if problem:
        ctx.say(f"the aliases of {mlflow.model} in MLflow do not follow {environment} yet: {problem}")
    noted = _noted(ctx, environment, digest, problem)
    if problem or late(place, environment, digest):
        results.attach(place, noted, place.get_manifest(digest).descriptor)


def behind(ctx: Context, environment: str, digest: str) -> bool:
    """Whether MLflow is yet to be told of a digest in an environment."""
    mlflow = ctx.project.config.tracking.mlflow
    return mlflow is not None and mlflow.model is not None and late(ctx.place(environment), environment, digest) != ""


def late(place: Store, environment: str, digest: str) -> str:
    """What kept MLflow from being told of a digest in an environment; empty once it was."""
    noted = [r for r in results.on(place, digest) if r.step == f"track:{environment}"]
    return noted[-1].summary if noted and noted[-1].verdict == "fail" else ""


def _noted(ctx: Context, environment: str, digest: str, problem: str) -> Receipt:
    now = provenance.now()
    return Receipt(
        step=f"track:{environment}",
        key="",
        verdict="fail" if problem else "pass",
        summary=f"MLflow does not know yet: {problem}" if problem else "MLflow knows it now",
        subjects={"image": digest},
        facts={"environment": environment},
        source=provenance.source(ctx.project.root),
        builder=provenance.builder(),
        started=now,
        finished=now,
    )


def _aliases(ctx: Context, environment: str) -> dict[str, str | None]:
    """What each alias is to be on: the environment's name on what is promoted there, `champion` on what serves."""
    config = ctx.project.config
    aliases = {environment: ctx.place(environment).resolve(environment)}
    if config.gate is not None and config.gate.champion == environment:
        aliases["champion"] = _serving(ctx)
    return aliases


def _champion(ctx: Context, tracker: Tracker, model: str) -> None:
    config = ctx.project.config
    if not (serving := _serving(ctx)) or config.gate is None or config.gate.champion is None:
        return
    train = _logged(ctx.place(config.gate.champion), serving)
    if train:
        tracker.note(_run_of(train), metrics={}, tags={}, model=model, alias="champion")
    else:
        tracker.problem = tracker.problem or f"the training of {serving[:19]} was not logged"


def _logged(place: Store, digest: str) -> Receipt | None:
    """The training of an image, if it was logged; it may have been elsewhere, or never."""
    trained = [r for r in results.on(place, digest) if r.step == "train"]
    return trained[-1] if trained and _run_of(trained[-1]) else None


def _tags(digest: str, train: Receipt, receipt: Receipt) -> dict[str, str]:
    """What the version is told: which digest it is, of which commit, and the receipt of what moved the alias."""
    tags = {"mlci.digest": digest, "mlci.commit": str(train.source.get("commit") or "")}
    return {**tags, "mlci.receipt": sha256(receipt.to_bytes())} if receipt.subjects.get("image") == digest else tags


def _serving(ctx: Context) -> str | None:
    config = ctx.project.config
    if config.gate is None or config.gate.champion is None:
        return None
    deploys = config.environments[config.gate.champion].deploy is not None
    return promotions.serving(ctx.place(config.gate.champion), config.gate.champion, deploys=deploys)


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
