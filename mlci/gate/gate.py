"""The gate: measure both models on the same rows, apply the rules, say what the verdict hangs on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.check import mistakes
from mlci.gate.cost.cost_rules import asked_for
from mlci.gate.deciding.decide import ALONE, Judged, Measured, Ruling, decide
from mlci.gate.deciding.measure import fits, measured
from mlci.gate.metric.gaps import GAPS, measured_gap
from mlci.gate.showing.curves import curves
from mlci.gate.slicing.search import Searched, sliced
from mlci.gate.slicing.slices import Skipped, Slice, slice_json
from mlci.gate.trial.selftest import SelfTest, constant, self_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlci.config.costs import ModelSize
    from mlci.config.judging import Gate
    from mlci.gate.cost.costs import Cost
    from mlci.gate.table import Table

Inconclusive = Literal["fail", "pass", "ask"]
_Sliced: TypeAlias = "tuple[tuple[Slice, ...], tuple[Skipped, ...], Searched | None]"


@dataclass(frozen=True)
class SizeRuling:
    """How big the model is, in bytes, and whether it may be; the champion's, and the share by which it may be more."""

    bytes: int
    max: int | None
    verdict: Literal["pass", "fail"]
    champion: int | None = None
    margin: float | None = None

    @property
    def reason(self) -> str:
        """Which limit it breaks, or that it breaks none."""
        if self.max is not None and self.bytes > self.max:
            return f"the model has {words.size(self.bytes)}, over {words.size(self.max)}"
        beside = f"the champion's {words.size(self.champion or 0)} by more than {100 * (self.margin or 0):g} %"
        return f"the model has {words.size(self.bytes)}, over {beside}" if self.verdict == "fail" else ""


@dataclass(frozen=True)
class Report:
    """Everything the gate found. `champion` is the name it goes by, None when there was none.

    `family` is how many refutations Holm's correction spans; `inconclusive` is what becomes of a model that too few
    rows can tell about.
    """

    rows: int
    confidence: float
    champion: str | None
    positives: int | None
    metrics: tuple[Judged, ...]
    slice_metric: str | None = None
    slices: tuple[Slice, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    size: SizeRuling | None = None
    family: int = 0
    inconclusive: Inconclusive = "fail"
    constant: bool = False
    self_test: SelfTest | None = None
    curves: dict[str, Any] = field(default_factory=dict)
    searched: Searched | None = None

    @property
    def passed(self) -> bool:
        """Whether the model may go on: no objection, which an inconclusive rule is too unless the rules say `pass`."""
        return not self.objections

    @property
    def asks(self) -> bool:
        """Whether only a person's decision is missing: nothing speaks surely against the model, nor surely for it."""
        return self.inconclusive == "ask" and not self._certain and bool(self._unsure)

    @property
    def summary(self) -> str:
        """One sentence: what the verdict hangs on."""
        if self.objections:
            first, *others = self.objections
            return first + (f"; and {words.many(len(others), 'more rule')} not kept" if others else "")
        rulings = [(one, rule) for one in self.metrics for rule in one.rulings if rule.reason != ALONE]
        alone = f" ({ALONE})" if any(rule.reason == ALONE for one in self.metrics for rule in one.rulings) else ""
        if self._unsure:
            return f"let through as gate.inconclusive says: {self._unsure[0]}{alone}"
        if rulings:
            return f"every rule holds: {_sentence(*min(rulings, key=lambda pair: pair[1].slack))}{alone}"
        return f"no rule on a metric was judged{alone}" if alone else "no rule is set on a metric: nothing could fail"

    @property
    def objections(self) -> tuple[str, ...]:
        """What stands against the model, the surest first; empty when it may go on."""
        word = {"fail": "inconclusive", "ask": "a person decides", "pass": ""}[self.inconclusive]
        return self._certain + (tuple(f"{word}: {one}" for one in self._unsure) if word else ())

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know though it stops nothing."""
        return tuple(f"inconclusive: {one}" for one in self._unsure) if self.inconclusive == "pass" else ()

    @property
    def _certain(self) -> tuple[str, ...]:
        out = ["the challenger predicts the same for every row: a model that looks at nothing"] if self.constant else []
        out += self.self_test.objections if self.self_test else ()
        out += [_sentence(one, rule) for one in self.metrics for rule in one.rulings if rule.verdict == "fail"]
        out += [f"{self.slice_metric} in {s.by} = {s.value}: {s.reason}" for s in self.slices if s.verdict == "fail"]
        if self.size is not None and self.size.verdict == "fail":
            out.append(self.size.reason)
        return tuple(out)

    @property
    def _unsure(self) -> tuple[str, ...]:
        rulings = [(one, rule) for one in self.metrics for rule in one.rulings if rule.verdict == "inconclusive"]
        return tuple(_sentence(one, rule) for one, rule in rulings)

    def facts(self) -> dict[str, Any]:
        """The same as plain JSON, for the receipt."""
        size = self.size
        return {
            "rows": self.rows,
            "confidence": self.confidence,
            "family": {"level": round(1 - self.confidence, 12), "tests": self.family, "method": FAMILY},
            "inconclusive": self.inconclusive,
            "asks": self.asks,
            "champion": self.champion,
            "positives": self.positives,
            "metrics": [_metric_json(one) for one in self.metrics],
            "slices": [slice_json(one, self.slice_metric or "") for one in self.slices],
            "slices_skipped": [
                {"by": s.by, "groups": s.groups, "rows": s.rows, "reason": s.reason} for s in self.skipped
            ],
            "search": self.searched.to_json() if self.searched else None,
            "size": asdict(size) if size else None,
            "self_test": self.self_test.to_json() if self.self_test else None,
            "curves": self.curves,
        }


FAMILY = "Holm (1979) over the refutations; passes by the intersection-union test (Berger 1982)"


def judge(
    table: Table,
    gate: Gate,
    *,
    champion_name: str | None,
    model_bytes: int | None,
    champion_bytes: int | None = None,
    costs: Sequence[Cost] = (),
    seed: int = 0,
) -> Report:
    """Judge the challenger of `table` by the rules of `gate`. The same input and seed give the same report.

    Raises UsageError when the rules cannot be judged (see `mistakes`) or the size or a cost is missing, and
    WorldError when the rows cannot bear a metric: too few, labels of one class only, numbers that overflow.
    """
    found = mistakes(gate)
    if found:
        raise UsageError(f"the gate cannot be judged: {found[0].path}: {found[0].message}", help=found[0].help)
    if table.rows < 2:
        raise WorldError(f"the gate has {words.many(table.rows, 'row')}: at least 2 are needed", help="Use more rows.")
    estimates, (slices, skipped, searched) = _measured(table, gate, seed)
    if (missing := asked_for(gate)) and not costs:
        raise UsageError(f"the gate has a rule for `{missing[0]}`, but it was not measured")
    told = [cost for cost in costs if not cost.untold]
    rules = {**gate.metrics, **{cost.measured.name: cost.rule for cost in told}}
    decision = decide([*estimates, *(cost.measured for cost in told)], rules, confidence=gate.confidence)
    return Report(
        table.rows,
        gate.confidence,
        champion_name if table.champion is not None else None,
        table.positives,
        (*decision.metrics, *(cost.judged for cost in costs if cost.untold)),
        gate.slices.metric if gate.slices else None,
        slices,
        skipped,
        judge_size(model_bytes, gate.size, champion_bytes),
        decision.family,
        gate.inconclusive,
        constant(table.challenger),
        searched=searched,
    )


def _measured(table: Table, gate: Gate, seed: int) -> tuple[list[Measured], _Sliced]:
    """The metrics, and the slices by the one that is compared over them, which is fitted once."""
    estimates, overall = [], None
    for name, rule in gate.metrics.items():
        if name in GAPS:
            estimates.append(measured_gap(table, name, rule, gate.confidence))
            continue
        pair = fits(table, name, rule)
        estimates.append(measured(*pair, gate.confidence, seed))
        if gate.slices is not None and name == gate.slices.metric:
            overall = pair
    if gate.slices is None:
        return estimates, ((), (), None)
    pair = overall or fits(table, gate.slices.metric, gate.metrics.get(gate.slices.metric))
    return estimates, sliced(table, gate, gate.slices, pair, seed)


def judge_and_test(
    table: Table,
    gate: Gate,
    *,
    champion_name: str | None,
    model_bytes: int | None,
    champion_bytes: int | None = None,
    costs: Sequence[Cost] = (),
    seed: int = 0,
) -> Report:
    """`judge`, whether this gate can say no, and the curves of both models: what step and command do."""

    def judged(planted: Table, rules: Gate) -> Report:
        return judge(planted, rules, champion_name="itself", model_bytes=None, seed=seed)

    report = judge(
        table,
        gate,
        champion_name=champion_name,
        model_bytes=model_bytes,
        champion_bytes=champion_bytes,
        costs=costs,
        seed=seed,
    )
    report = replace(report, curves=curves(table, gate))
    if not gate.self_test or report.constant:
        return report
    return replace(report, self_test=self_test(table, gate, judged, seed=seed))


def judge_size(bytes: int | None, rule: ModelSize | None, champion: int | None = None) -> SizeRuling | None:
    """Whether the model may be that big, alone and beside the champion's; None when nobody knows or asks."""
    max, margin = (rule.max, rule.margin) if rule else (None, None)
    if bytes is None:
        if max is not None or margin is not None:
            raise UsageError("the gate has a rule for the model's size, but the size is not known")
        return None
    over = max is not None and bytes > max
    over |= margin is not None and champion is not None and bytes > champion * (1 + margin)
    return SizeRuling(bytes, max, "fail" if over else "pass", champion, margin)


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
        "detectable": seen.detectable,
        "rules": [_ruling_json(ruling) for ruling in one.rulings],
        "verdict": one.verdict,
    }


def _ruling_json(one: Ruling) -> dict[str, Any]:
    shown = {"rule": one.rule, "limit": one.limit, "verdict": one.verdict, "reason": one.reason}
    return {**shown, "chance": one.chance, "more_rows": one.more}
