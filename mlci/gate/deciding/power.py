"""What can this holdout tell apart? Asked before anybody trains: a margin that no holdout of this size can see is none.

The answer needs predictions on it, of any model that is about as good as those to come: the champion's, say. With two
models the paired difference says how much they share; with one, the next is taken to share nothing, the worst case.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlci.gate import words
from mlci.gate.deciding.measure import POWER, fits, measured
from mlci.gate.metric.gaps import GAPS, measured_gap
from mlci.gate.words import aligned

if TYPE_CHECKING:
    from mlci.config.judging import Gate
    from mlci.gate.table import Table


@dataclass(frozen=True)
class Power:
    """Of one metric: `detectable` is the smallest regression that is called worse in four of five holdouts like this.

    `rows_for_margin`: about how many rows it takes for an equal model to pass the margin as often, None without one.
    """

    metric: str
    rows: int
    detectable: float
    margin: float | None
    rows_for_margin: int | None
    paired: bool

    def to_json(self) -> dict[str, Any]:
        """As `mlci gate --power --json` prints it."""
        return asdict(self)


def power(table: Table, gate: Gate, *, seed: int = 0) -> tuple[Power, ...]:
    """The power of each metric of the gate. Raises like `judge`."""
    out = []
    for name, rule in gate.metrics.items():
        found = (
            measured_gap(table, name, rule, gate.confidence)
            if name in GAPS
            else measured(*fits(table, name, rule), gate.confidence, seed)
        )
        assert found.detectable is not None
        # The same sum of quantiles times the error stands between an equal model and its margin.
        need = words.rough(found.rows * (found.detectable / rule.margin) ** 2) if rule.margin else None
        paired = found.difference is not None and found.difference.high > found.difference.low
        out.append(Power(name, found.rows, found.detectable, rule.margin, need, paired))
    return tuple(out)


def render_power(found: tuple[Power, ...]) -> str:
    """As a table for a terminal."""
    rows = [("metric", "rows", f"regression seen in {POWER:.0%}", "margin", "rows for it", "")]
    for one in found:
        margin = "–" if one.margin is None else words.plain(one.margin)
        need = "–" if one.rows_for_margin is None else f"{one.rows_for_margin:,}"
        state = "" if one.rows_for_margin is None else "enough" if one.rows_for_margin <= one.rows else "too few rows"
        rows.append((one.metric, f"{one.rows:,}", f"{one.detectable:.3g}", margin, need, state))
    if all(one.paired for one in found):
        about = "of the paired difference of these two models; one that is less alike needs more rows"
    else:
        about = "of a model as good whose mistakes have nothing to do with this one's, the worst case"
    return f"{aligned(rows)}\n\n{about}\n"
