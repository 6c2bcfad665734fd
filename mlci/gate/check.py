"""What a gate's configuration gets wrong, found before anything is run.

A rule that is silently left out would let through what it was meant to stop: what cannot be judged is a mistake.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlci.gate.cost.costs import NAMES
from mlci.gate.metric.expression import refusal
from mlci.gate.metric.function import SPELLING
from mlci.gate.metric.gaps import GAPS
from mlci.gate.metric.metrics import OF_TASK, find, unknown
from mlci.gate.reading.cuts import cut_mistakes
from mlci.gate.reading.features import search_mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlci.config.judging import Columns, Gate, Metric, Slices


@dataclass(frozen=True)
class Mistake:
    """One mistake: where in `mlci.yaml` (`$.gate.metrics.roc_acu`), what is wrong, what to do."""

    path: str
    message: str
    help: str = ""

    @property
    def place(self) -> tuple[str | int, ...]:
        """The path as steps from the top of the file: `slices.by[1]` is `("slices", "by", 1)`."""
        return tuple(int(index) if index else name for index, name in _STEP.findall(self.path.removeprefix("$.")))


_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def mistakes(gate: Gate) -> tuple[Mistake, ...]:
    """All that is wrong with the rules of a gate: unknown metrics, columns they lack, what is not judged yet."""
    return tuple(_mistakes(gate))


def _mistakes(gate: Gate) -> Iterator[Mistake]:
    for name, rule in gate.metrics.items():
        path = f"$.gate.metrics.{name}"
        if rule.replicates is not None and rule.function is None:
            yield Mistake(f"{path}.replicates", "`replicates` is for a function", "Remove it.")
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
        compared = find(gate.slices.metric, gate.task, gate.metrics.get(gate.slices.metric))
        if compared is not None and not compared.directed:
            yield Mistake(
                "$.gate.slices.metric",
                f"`{compared.name}` is best in the middle: no slice is better by it",
                "Use another.",
            )
        yield from _slices(gate, gate.slices)
    for name in set(gate.metrics) & NAMES:
        yield Mistake(f"$.gate.metrics.{name}", f"`{name}` is the name of a cost", "Give the metric another name.")


_OF = {
    "labels": ("multilabel",),
    "predictions": ("multilabel",),
    "scores": ("multiclass", "multilabel"),
    "quantiles": ("forecasting",),
    "series": ("forecasting",),
    "time": ("forecasting",),
    "scale": ("forecasting",),
}
"""The tasks of the columns that not every task has."""


def _slices(gate: Gate, rules: Slices) -> Iterator[Mistake]:
    path = "$.gate.slices"
    if not rules.by and rules.search is None:
        yield Mistake(path, "slices need `by` or `search`", "Such as `by: [COLUMN]`, or `search: 2`.")
    for at, message, help in cut_mistakes(rules.by):
        yield Mistake(f"{path}.by{at}", message, help)
    if rules.search is not None:
        for at, message, help in search_mistakes(rules.search, gate.columns, gate.metrics, gate.task):
            yield Mistake(f"{path}.search{at}", message, help)


def _columns(gate: Gate) -> Iterator[Mistake]:
    columns, path = gate.columns, "$.gate.columns"
    needs = {
        "multilabel": {"labels": "of each tag the column of its truth"},
        "forecasting": {"label": "", "time": "when each row is"},
        "ranking": {"label": "", "group": "the query of each row"},
        "scores": {},
    }
    for name, what in needs.get(gate.task, {"label": ""}).items():
        if not getattr(columns, name):
            said = f"the task {gate.task} needs the column `{name}`{what and f', {what}'}"
            yield Mistake(path, said, "Name it under `gate.columns`.")
    for name, tasks in _OF.items():
        if getattr(columns, name) and gate.task not in tasks:
            yield Mistake(
                f"{path}.{name}", f"`{name}` is for the task {' or '.join(tasks)}", "Set `gate.task`, or remove it."
            )
    if gate.task == "ranking" and columns.weight is not None:
        yield Mistake(f"{path}.weight", "a ranking is not weighted", "Remove `weight`.")
    if gate.task == "multilabel":
        yield from _tags(columns, path)
    if gate.task == "forecasting":
        yield from _levels(columns, path)


def _tags(columns: Columns, path: str) -> Iterator[Mistake]:
    for name in ("label", "score", "prediction"):
        if getattr(columns, name):
            yield Mistake(f"{path}.{name}", f"a multilabel gate has `{name}s`, a column for each tag", "Use that.")
    for name, given in (("scores", columns.scores), ("predictions", columns.predictions)):
        for tag in (one for one in columns.labels if given and one not in given):
            yield Mistake(f"{path}.{name}", f"there is no column for the tag `{tag}`", "Each tag of `labels` has one.")
        for tag in (one for one in given if one not in columns.labels):
            near = difflib.get_close_matches(tag, columns.labels, n=1, cutoff=0.5)
            help = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(columns.labels)}."
            yield Mistake(f"{path}.{name}.{tag}", f"`labels` has no tag `{tag}`", help)


def _levels(columns: Columns, path: str) -> Iterator[Mistake]:
    levels = [*columns.quantiles.values()]
    for name, level in columns.quantiles.items():
        if not 0 < level < 1:
            yield Mistake(f"{path}.quantiles.{name}", f"the level {level:g} is not between 0 and 1", "Such as 0.9.")
        elif levels.count(level) > 1:
            yield Mistake(f"{path}.quantiles.{name}", f"another column has the level {level:g}", "Keep one of them.")
    scaled = [name for name, metric in OF_TASK["forecasting"].items() if metric.scaled]
    for name in (one for one in columns.scale if one not in scaled):
        yield Mistake(f"{path}.scale.{name}", f"`{name}` has no scale", f"There are {', '.join(scaled)}.")


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
        more = ", pinball@0.9, coverage@0.8, interval_score@0.8" if gate.task == "forecasting" else ""
        choices = f"One of {', '.join(OF_TASK[gate.task])}{more}."
        yield Mistake(path, f"unknown metric `{name}`", f"Did you mean `{near}`?" if near else choices)
    elif metric.reads == "quantiles" and not set(metric.levels) <= set(gate.columns.quantiles.values()):
        lacking = [f"{level:g}" for level in metric.levels if level not in gate.columns.quantiles.values()]
        yield Mistake(
            path,
            f"`{name}` needs a column of the quantile {' and '.join(lacking)}",
            "Name it under `gate.columns.quantiles`.",
        )
    elif metric.scaled and name not in gate.columns.scale:
        help = f"The naive forecast's error on the training series: `gate.columns.scale: {{{name}: COLUMN}}`."
        yield Mistake(path, f"`{name}` needs the column that errors are divided by", help)
    elif not metric.directed and (rule is not None and (rule.margin is not None or rule.improve is not None)):
        yield Mistake(
            path, f"`{name}` is best in the middle: neither more nor less of it is better", "Use `min` and `max`."
        )
    elif not _reads(gate)[metric.reads]:
        wanted = {"score": "`score`", "class": "`score` or `prediction`", "number": "`prediction`"}[metric.reads]
        if gate.task in ("multiclass", "multilabel"):
            wanted = wanted.replace("`score`", "`scores`")
        if gate.task == "multilabel":
            wanted = wanted.replace("`prediction`", "`predictions`")
        yield Mistake(path, f"`{name}` needs the column {wanted}", "Name it under `gate.columns`.")
    elif gate.columns.weight is not None and not metric.weighs:
        yield Mistake(path, f"`{name}` is not measured with weights", "Remove it, or `gate.columns.weight`.")


def _reads(gate: Gate) -> dict[str, bool]:
    columns = gate.columns
    score = bool(columns.scores) if gate.task in ("multiclass", "multilabel") else columns.score is not None
    prediction = bool(columns.predictions) if gate.task == "multilabel" else columns.prediction is not None
    return {"score": score, "class": score or prediction, "number": prediction, "quantiles": True, "column": True}
