"""The gate: measure both models on the same rows, apply the rules, say what the verdict hangs on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.check import mistakes
from mlci.gate.decide import ALONE, Judged, Measured, Ruling, decide
from mlci.gate.intervals import Fit, difference, fit, interval, method
from mlci.gate.metrics import METRICS, Definition
from mlci.gate.slices import Skipped, Slice, judge_slices, slice_json

if TYPE_CHECKING:
    from mlci.config.model import Gate
    from mlci.gate.table import Predictions, Table


@dataclass(frozen=True)
class SizeRuling:
    """How big the model is, in bytes, and whether it may be."""

    bytes: int
    max: int | None
    verdict: Literal["pass", "fail"]


@dataclass(frozen=True)
class Report:
    """Everything the gate found. `champion` is the name it goes by, None when there was none."""

    rows: int
    confidence: float
    champion: str | None
    positives: int | None
    metrics: tuple[Judged, ...]
    slice_metric: str | None = None
    slices: tuple[Slice, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    size: SizeRuling | None = None

    @property
    def passed(self) -> bool:
        """Whether the model may go on: every rule passes, no slice fails, the size fits. Inconclusive is no pass."""
        return not self.objections

    @property
    def summary(self) -> str:
        """One sentence: what the verdict hangs on."""
        if self.objections:
            first, *others = self.objections
            return first + (f"; and {words.many(len(others), 'more rule')} not kept" if others else "")
        rulings = [(one, rule) for one in self.metrics for rule in one.rulings if rule.reason != ALONE]
        alone = f" ({ALONE})" if any(rule.reason == ALONE for one in self.metrics for rule in one.rulings) else ""
        if rulings:
            return f"every rule holds: {_sentence(*min(rulings, key=lambda pair: pair[1].slack))}{alone}"
        return f"no rule on a metric was judged{alone}" if alone else "no rule is set on a metric: nothing could fail"

    @property
    def objections(self) -> tuple[str, ...]:
        """What stands against the model, the surest first; empty when it may go on."""
        rulings = [(one, rule) for one in self.metrics for rule in one.rulings]
        out = [_sentence(one, rule) for one, rule in rulings if rule.verdict == "fail"]
        out += [f"{self.slice_metric} in {s.by} = {s.value}: {s.reason}" for s in self.slices if s.verdict == "fail"]
        if self.size is not None and self.size.verdict == "fail":
            out.append(f"the model has {words.size(self.size.bytes)}, over {words.size(self.size.max or 0)}")
        out += [f"inconclusive: {_sentence(one, rule)}" for one, rule in rulings if rule.verdict == "inconclusive"]
        return tuple(out)

    def facts(self) -> dict[str, Any]:
        """The same as plain JSON, for the receipt."""
        size = self.size
        return {
            "rows": self.rows,
            "confidence": self.confidence,
            "champion": self.champion,
            "positives": self.positives,
            "metrics": [_metric_json(one) for one in self.metrics],
            "slices": [slice_json(one, self.slice_metric or "") for one in self.slices],
            "slices_skipped": [
                {"by": s.by, "groups": s.groups, "rows": s.rows, "reason": s.reason} for s in self.skipped
            ],
            "size": {"bytes": size.bytes, "max": size.max, "verdict": size.verdict} if size else None,
        }


def judge(table: Table, gate: Gate, *, champion_name: str | None, model_bytes: int | None, seed: int = 0) -> Report:
    """Judge the challenger of `table` by the rules of `gate`. The same input and seed give the same report.

    Raises UsageError when the rules cannot be judged (see `mistakes`) or the size of the model is missing, and
    WorldError when the rows cannot bear a metric: too few, labels of one class only, numbers that overflow.
    """
    found = mistakes(gate)
    if found:
        raise UsageError(f"the gate cannot be judged: {found[0].path}: {found[0].message}", help=found[0].help)
    if table.rows < 2:
        raise WorldError(f"the gate has {words.many(table.rows, 'row')}: at least 2 are needed", help="Use more rows.")
    measured, overall = [], None
    for name, rule in gate.metrics.items():
        challenger, champion = _fits(table, METRICS[name], rule.threshold)
        measured.append(_measure(challenger, champion, gate.confidence, seed))
        if gate.slices is not None and name == gate.slices.metric:
            overall = challenger
    slices: tuple[Slice, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    if gate.slices is not None:
        overall = overall or _fit(table, METRICS[gate.slices.metric], table.challenger, "challenger")
        slices, skipped = judge_slices(table.groupings, overall, gate.slices, confidence=gate.confidence, seed=seed)
    return Report(
        table.rows,
        gate.confidence,
        champion_name if table.champion is not None else None,
        table.positives,
        decide(measured, gate.metrics).metrics,
        gate.slices.metric if gate.slices else None,
        slices,
        skipped,
        judge_size(model_bytes, gate.size.max if gate.size else None),
    )


def judge_size(bytes: int | None, max: int | None) -> SizeRuling | None:
    """Whether the model may be that big; None when its size is neither known nor asked for."""
    if bytes is None:
        if max is not None:
            raise UsageError("the gate has a rule for the model's size, but the size is not known")
        return None
    return SizeRuling(bytes, max, "fail" if max is not None and bytes > max else "pass")


def _fits(table: Table, metric: Definition, threshold: float) -> tuple[Fit, Fit | None]:
    challenger = _fit(table, metric, table.challenger, "challenger", threshold)
    if table.champion is None:
        return challenger, None
    return challenger, _fit(table, metric, table.champion, "champion", threshold)


def _fit(table: Table, metric: Definition, predictions: Predictions, who: str, threshold: float = 0.5) -> Fit:
    import numpy as np

    if not metric.defined_on(table.labels):
        positives = table.positives
        if positives is None:
            raise WorldError(f"{metric.name} is not defined: all {table.rows:,} labels are the same")
        raise WorldError(
            f"{metric.name} needs two rows of each class: {words.many(positives, 'label')} of {table.rows:,} "
            f"{'is' if positives == 1 else 'are'} positive",
            help="Use a holdout with both classes.",
        )
    column = metric.column(predictions, threshold)
    if column is None:
        raise UsageError(f"{metric.name} needs a {metric.reads}, and the {who}'s predictions hold none")
    with np.errstate(over="ignore", invalid="ignore"):
        one = fit(metric, table.labels, column)
        finite = math.isfinite(one.value) and math.isfinite(float(one.influence @ one.influence))
    if not finite:
        raise WorldError(f"{metric.name} of the {who} overflows: the predictions or the labels are too large")
    return one


def _measure(challenger: Fit, champion: Fit | None, confidence: float, seed: int) -> Measured:
    metric = challenger.metric
    return Measured(
        metric.name,
        metric.better,
        len(challenger.labels),
        interval(challenger, confidence, seed=seed),
        interval(champion, confidence, seed=seed) if champion else None,
        difference(challenger, champion, confidence, seed=seed) if champion else None,
        method(metric, confidence),
    )


def _sentence(one: Judged, rule: Ruling) -> str:
    """The ruling with its metric; a ruling on the difference also says where the challenger stands."""
    name = one.measured.name
    if rule.rule in ("min", "max"):
        return f"{name} {rule.reason}"
    return f"{name} {words.estimate(one.measured.challenger)}, {rule.reason}"


def _metric_json(one: Judged) -> dict[str, Any]:
    seen = one.measured
    return {
        "name": seen.name,
        "better": seen.better,
        "challenger": seen.challenger.to_json(),
        "champion": seen.champion.to_json() if seen.champion else None,
        "difference": seen.difference.to_json() if seen.difference else None,
        "method": seen.method,
        "rules": [{"rule": r.rule, "limit": r.limit, "verdict": r.verdict, "reason": r.reason} for r in one.rulings],
        "verdict": one.verdict,
    }
