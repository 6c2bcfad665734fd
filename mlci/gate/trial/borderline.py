"""Planted models that lie close to a rule: they tell a gate that weighs evidence from one that looks at values.

Each is judged by the margins alone, against the challenger that it was made of:

- *nearly the margin*: it loses so nearly the margin that these rows cannot show that it keeps it, though the value
  does. A gate that compares values, or is sure of everything, lets it through.
- *far less than the margin*: it loses something, and surely less. A gate by strict `>` stops it.
- *the truth itself*: it says the labels. A gate that takes the better side of a metric for the worse one stops it.

What cannot be told surely on these rows is not planted; how sure is reckoned here by standard errors, not by the
intervals of which the gate has to be proved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlci.gate.deciding.intervals import error, freedom, skewness
from mlci.gate.deciding.measure import fits
from mlci.gate.metric.metrics import find
from mlci.gate.table import Predictions
from mlci.gate.trial.plants import dealt

if TYPE_CHECKING:
    from mlci.config.judging import Gate, Metric
    from mlci.gate.table import Table

SURE = 6.0
"""So many standard errors are more than any bound reaches, within CONFIDENCES."""
SKEWED = 0.25
FREEDOM = 6.0
"""More of that, or fewer degrees of this, as a few groups have, and a bound may reach that far after all."""
CONFIDENCES = (0.9, 0.99)
FEWEST = 30
"""Fewer changed rows are no sample."""


@dataclass(frozen=True)
class Close:
    """A planted model, whether it is to be stopped, and the rules it is judged by."""

    name: str
    model: Predictions
    bad: bool
    rules: Mapping[str, Metric]


def close(table: Table, gate: Gate, rng: Any) -> Iterator[Close]:
    """What can be planted; `table` has the challenger as its champion. One metric for each kind of interval."""
    margins = {
        name: replace(rule, min=None, max=None, improve=None)
        for name, rule in gate.metrics.items()
        if rule.margin and rule.by is None and name not in table.challenger.wholes and find(name, table.task, rule)
    }
    if not CONFIDENCES[0] <= gate.confidence <= CONFIDENCES[1]:
        return
    seen = set()
    for name, rule in margins.items():
        metric = find(name, table.task, rule)
        assert metric is not None
        assert rule.margin is not None
        if (metric.kind, metric.reads) in seen:
            continue
        seen.add((metric.kind, metric.reads))
        for part, bad, word in ((1.0, True, "nearly"), (0.25, False, "far less than")):
            model = _losing(table, name, rule, part * rule.margin, rng)
            if model is None:
                continue
            lost, spread, even = _lost(table, model, name, rule)
            far = lost > 0 and rule.margin - lost > SURE * spread and even
            if lost > rule.margin - spread if bad else far:
                yield Close(f"a model that loses {word} the margin of {name}", model, bad, {name: rule})
    truth = _truth(table)
    if truth is not None:
        found = {name: _lost(table, truth, name, rule) for name, rule in margins.items() if not _own(table, name, rule)}
        apart = {n: margins[n] for n, (lost, spread, even) in found.items() if even and abs(lost) > SURE * spread > 0}
        if apart:
            yield Close("the truth itself", truth, False, apart)


def _own(table: Table, name: str, rule: Metric) -> bool:
    """Whether the metric reads numbers of its own or has no better side that the labels are on."""
    metric = find(name, table.task, rule)
    return metric is None or metric.reads == "column" or name == "selection_rate"


def _lost(table: Table, model: Predictions, name: str, rule: Metric) -> tuple[float, float, bool]:
    """By how much the model is worse, the standard error of that, and whether SURE of them are enough."""
    one, other = fits(replace(table, challenger=model), name, rule)
    assert other is not None
    influence = one.influence - other.influence
    even = abs(skewness(one, influence)) < SKEWED and freedom(one, influence) >= FREEDOM
    return one.metric.sign * (other.value - one.value), error(one, influence), even


def _losing(table: Table, name: str, rule: Metric, limit: float, rng: Any) -> Predictions | None:
    """The challenger, so much worse in some rows that it loses up to the limit and little less."""
    import numpy as np

    metric = find(name, table.task, rule)
    assert metric is not None
    order = rng.permutation(table.rows)
    if metric.reads == "column" and name in table.challenger.columns:
        # Half of the rows move, so that the difference has a spread.
        moved = np.zeros(table.rows)
        moved[order[: table.rows // 2]] = -metric.sign * 2 * limit / (1 + 0.5 / table.rows**0.5)
        columns = table.challenger.columns
        return replace(table.challenger, columns={**columns, name: columns[name] + moved})
    best, low, high = None, 0, table.rows
    for _ in range(12):
        some = np.sort(order[: (low + high + 1) // 2])
        model = dealt(table.challenger, some, some[rng.permutation(len(some))])
        if _lost(table, model, name, rule)[0] > limit:
            high = len(some)
        else:
            best, low = model, len(some)
    return best if low >= FEWEST else None


def _truth(table: Table) -> Predictions | None:
    """The labels as predictions, in the columns that the challenger has; None where they cannot be said."""
    import numpy as np

    given, labels = table.challenger, table.labels
    if table.task not in ("classification", "multiclass", "regression"):
        return None
    score = given.score
    if score is not None:
        score = labels.astype(float) if score.ndim == 1 else np.eye(score.shape[1])[labels.astype(int)]
    return Predictions(score, None if given.value is None else labels.astype(given.value.dtype), given.columns)
