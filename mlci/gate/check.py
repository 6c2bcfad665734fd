"""What a gate's configuration gets wrong, found before anything is run.

A rule that is silently left out would let through what it was meant to stop: what cannot be judged is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlci.gate.expression import refusal
from mlci.gate.function import SPELLING
from mlci.gate.gaps import GAPS
from mlci.gate.metrics import OF_TASK, find, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlci.config.model import Gate, Metric


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
        if rule.expression is not None and rule.function is not None:
            yield Mistake(path, "has an expression and a function", "Keep one of them.")
        elif rule.function is not None:
            if not SPELLING.fullmatch(rule.function):
                shown = f"`{rule.function}` is no function's name"
                yield Mistake(f"{path}.function", shown, "Write `module:function`, such as `evaluation:profit`.")
        elif rule.expression is not None:
            wrong = refusal(rule.expression)
            if wrong:
                help = "Write a number for each row, by the functions of docs/gate.md; the metric is their mean."
                yield Mistake(f"{path}.expression", f"this expression is not let through: {wrong}", help)
        elif name in GAPS or rule.by is not None:
            yield from _gap(name, path, gate, rule)
        else:
            yield from _metric(name, path, gate, rule)
    yield from _columns(gate)
    if gate.slices is not None:
        yield from _metric(gate.slices.metric, "$.gate.slices.metric", gate, gate.metrics.get(gate.slices.metric))
        if gate.task == "ranking":
            yield Mistake("$.gate.slices", "a ranking is not judged in slices", "Remove `slices`.")
    if gate.latency is not None:
        yield Mistake("$.gate.latency", "latency is not judged by this version", "Remove `latency`.")


def _columns(gate: Gate) -> Iterator[Mistake]:
    columns, path = gate.columns, "$.gate.columns"
    if gate.task != "scores" and columns.label is None:
        yield Mistake(path, f"the task {gate.task} needs the column `label`", "Name it under `gate.columns`.")
    if gate.task == "ranking" and columns.group is None:
        yield Mistake(
            path, "a ranking needs the column `group`, the query of each row", "Name it under `gate.columns`."
        )
    if gate.task == "ranking" and columns.weight is not None:
        yield Mistake(f"{path}.weight", "a ranking is not weighted", "Remove `weight`.")
    if gate.task != "multiclass" and columns.scores:
        yield Mistake(f"{path}.scores", "`scores` is for the task multiclass", "Set `gate.task`, or use `score`.")


def _gap(name: str, path: str, gate: Gate, rule: Metric) -> Iterator[Mistake]:
    if name not in GAPS:
        yield Mistake(f"{path}.by", "`by` is for gaps between groups", f"One of {', '.join(GAPS)}.")
    elif gate.task != "classification":
        yield Mistake(path, f"`{name}` is a metric of classification, and the gate's task is {gate.task}")
    elif rule.by is None:
        yield Mistake(path, f"`{name}` needs the groups that it is about", "Name their column: `by: COLUMN`.")
    elif gate.columns.weight is not None or gate.columns.group is not None:
        yield Mistake(path, f"`{name}` is not measured with `weight` or `group`", "Remove it, or them.")


def _metric(name: str, path: str, gate: Gate, rule: Metric | None = None) -> Iterator[Mistake]:
    metric = find(name, gate.task, rule)
    if metric is None:
        of = next((task for task, known in OF_TASK.items() if name in known), None)
        if of is not None:
            yield Mistake(path, f"`{name}` is a metric of {of}, and the gate's task is {gate.task}")
            return
        near = unknown([name], gate.task)[name]
        choices = f"One of {', '.join(OF_TASK[gate.task])}."
        yield Mistake(path, f"unknown metric `{name}`", f"Did you mean `{near}`?" if near else choices)
    elif not _reads(gate)[metric.reads]:
        wanted = {"score": "`score`", "class": "`score` or `prediction`", "number": "`prediction`"}[metric.reads]
        if gate.task == "multiclass":
            wanted = wanted.replace("`score`", "`scores`")
        yield Mistake(path, f"`{name}` needs the column {wanted}", "Name it under `gate.columns`.")
    elif gate.columns.weight is not None and not metric.weighs:
        yield Mistake(path, f"`{name}` is not measured with weights", "Remove it, or `gate.columns.weight`.")


def _reads(gate: Gate) -> dict[str, bool]:
    columns = gate.columns
    score = bool(columns.scores) if gate.task == "multiclass" else columns.score is not None
    prediction = columns.prediction is not None
    return {"score": score, "class": score or prediction, "number": prediction, "column": True}
