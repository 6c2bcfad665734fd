"""Gaps between groups: how differently a model treats the values of one column, by fairlearn's names and definitions.

    equalized_odds_difference: {by: sex, max: 0.1, margin: 0.02}

A gap is the largest rate of a group minus the smallest: the largest of all differences between two groups. Everything
comes from one count of the joint cells group × label × challenger × champion. The noise of many groups pulls their
rates apart, so neither the gap nor its bootstrap is centred on the truth; these bounds hold without that:

- The truth is the difference of one pair of groups, so the largest of all pairs' upper bounds lies above it. Its lower
  bound is the largest of the pairs' lower bounds, each at a level divided by their number (Bonferroni).
- A gap of the challenger minus that of the champion is at most what the pair that makes the challenger's gap has
  gained, and at least what the pair that makes the champion's has: between the smallest of the pairs' paired lower
  bounds and the largest of their upper ones. It also lies between the differences of the two gaps' own bounds. The
  narrower of the two counts, each at half the level, and a gap's own bounds at half of that.

So an interval is wide where groups are small, and on the safe side.

Rates have the binomial variance of their group with half a row more in each cell (Agresti & Min 2005 for pairs).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError, WorldError
from mlci.gate.deciding import student
from mlci.gate.deciding.decide import Measured
from mlci.gate.deciding.intervals import Estimate
from mlci.gate.deciding.measure import detectable
from mlci.gate.metric.confusion import cell
from mlci.gate.metric.metrics import METRICS

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.table import Array, Grouping, Numbers, Table

_ABOUT: dict[str, tuple[tuple[int, ...], ...]] = {
    "demographic_parity_difference": ((0, 1),),
    "equal_opportunity_difference": ((1,),),
    "equalized_odds_difference": ((1,), (0,)),
}
"""The labels of the rows whose rate of positive predictions is compared; for the odds the larger of two gaps counts."""
GAPS = frozenset(_ABOUT)


def measured_gap(table: Table, name: str, rule: Metric, confidence: float) -> Measured:
    """The gap of both models over the groups of `rule.by`, and the paired difference.

    Raises WorldError when there is but one group, or one without two rows of a class that the gap is about.
    """
    import numpy as np

    grouping = next((one for one in table.groupings if one.by == rule.by), None)
    if grouping is None:
        raise UsageError(f"{name} needs the groups of `{rule.by}`, and they were not read")
    metric = METRICS["accuracy"]
    one = metric.column(table.challenger, rule.threshold)
    other = metric.column(table.champion, rule.threshold) if table.champion is not None else None
    if one is None:
        raise UsageError(f"{name} needs a class, and the challenger's predictions hold none")
    second = one if other is None else other
    groups = len(grouping.values)
    code = grouping.codes.astype(np.int64) * 8 + cell(table.labels, one, second)
    joint = np.bincount(code, minlength=8 * groups).reshape(groups, 2, 2, 2)
    _refuse(name, grouping, joint)
    tables = [joint[:, list(labels)].sum(1) for labels in _ABOUT[name]]
    alone, champion = (_gap([t.sum(axis) for t in tables], confidence) for axis in (2, 1))
    difference = Estimate(0.0, 0.0, 0.0) if (one == second).all() else _change(tables, confidence)
    paired = None if other is None else difference
    return Measured(
        name,
        "lower",
        table.rows,
        alone,
        None if other is None else champion,
        paired,
        f"all pairs of {groups} groups, normal; each end a one-sided bound at {100 * confidence:g} %",
        detectable=detectable(alone, paired, confidence, math.inf),
    )


def _gap(tables: list[Array], confidence: float) -> Estimate:
    """From counts of group × predicted class, one table for each kind of label."""
    import numpy as np

    rows = [t.sum(1) for t in tables]
    rates = [t[:, 1] / n for t, n in zip(tables, rows, strict=True)]
    softened = [(t[:, 1] + 1) / (n + 2) for t, n in zip(tables, rows, strict=True)]
    spreads = [p * (1 - p) / n for p, n in zip(softened, rows, strict=True)]
    apart = np.concatenate([_pairs(rate, np.subtract) for rate in rates])
    error = np.sqrt(np.concatenate([_pairs(spread, np.add) for spread in spreads]))
    sure, surer = (student.quantile(c, math.inf) for c in (confidence, 1 - (1 - confidence) / len(apart)))
    value = float(apart.max())
    low = max(0.0, float((apart - surer * error).max()))
    return Estimate(value, min(value, low), min(1.0, float((apart + sure * error).max())))


def _change(tables: list[Array], confidence: float) -> Estimate:
    """Challenger minus champion, from counts of group × challenger × champion."""
    import numpy as np

    half, quarter = (1 - (1 - confidence) / share for share in (2, 4))
    one, other = (_gap([t.sum(axis) for t in tables], quarter) for axis in (2, 1))
    gained, spreads = [], []
    for t in tables:
        rows = t.sum((1, 2))
        more, less = (t[:, 1, 0] + 0.5) / (rows + 2), (t[:, 0, 1] + 0.5) / (rows + 2)
        gained.append((t[:, 1, 0] - t[:, 0, 1]) / rows)
        spreads.append((more + less - (more - less) ** 2) / rows)
    change = np.concatenate([_pairs(one, np.subtract) for one in gained])
    error = np.sqrt(np.concatenate([_pairs(spread, np.add) for spread in spreads]))
    sure = student.quantile(half, math.inf)
    value = one.value - other.value
    low = max(float((change - sure * error).min()), one.low - other.high)
    high = min(float((change + sure * error).max()), one.high - other.low)
    return Estimate(value, min(value, low), max(value, high))


def _pairs(of: Numbers, combine: Any) -> Numbers:
    """Every ordered pair of two different groups."""
    import numpy as np

    every = combine.outer(of, of)
    pairs: Numbers = every[~np.eye(len(of), dtype=bool)]
    return pairs


def _refuse(name: str, grouping: Grouping, joint: Array) -> None:
    labels = joint.sum((-1, -2))
    if len(labels) < 2:
        raise WorldError(f"{name}: `{grouping.by}` has one value, and a gap is between two groups")
    wanted = {"equal_opportunity_difference": labels[:, 1], "equalized_odds_difference": labels.min(1)}
    for value, rows in zip(grouping.values, wanted.get(name, labels.sum(1)), strict=True):
        if rows < 2:
            raise WorldError(
                f"{name}: too few rows of {grouping.by} = {value} to know its rates",
                help="Leave these rows out of the holdout, or put them into a larger group.",
            )
