"""The evidence about one rate of failure, poll by poll: is it higher, and is a rise beyond a budget excluded."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from mlci.deploy.analysis.counts import Table
from mlci.deploy.analysis.errors import ALTERNATIVES, expected, harm, log_mean, no_harm
from mlci.deploy.analysis.means import e_value


@dataclass(frozen=True)
class Evidence:
    """`harm` by odds ratio and `clear` by step, as logarithms; the totals; the rise.

    The rise of the rate of failure is Mantel and Haenszel's (difference and weight summed over polls), which a base
    rate that drifts while the weights change does not bias.
    """

    harm: tuple[float, ...]
    clear: tuple[float, ...]
    total: Table = field(default_factory=lambda: Table(0, 0, 0, 0))
    difference: float = 0.0
    weight: float = 0.0

    @classmethod
    def nothing(cls, steps: int) -> Evidence:
        """Before the first poll."""
        return cls((0.0,) * len(ALTERNATIVES), (0.0,) * steps)

    def add(self, table: Table, budgets: tuple[float, ...], tolerated: float = 1.0, most: float = inf) -> Evidence:
        """After one poll, which adds at most `most` to each term of the harm."""
        likely = expected(self.total)
        both = table.canary + table.stable
        difference = (table.canary_failed * table.stable - table.stable_failed * table.canary) / both if both else 0.0
        clear = (no_harm(table, expected=likely, excess=excess) for excess in budgets)
        return Evidence(
            harm=tuple(old + min(most, new) for old, new in zip(self.harm, harm(table, tolerated), strict=True)),
            clear=tuple(old + new for old, new in zip(self.clear, clear, strict=True)),
            total=self.total + table,
            difference=self.difference + difference,
            weight=self.weight + (table.canary * table.stable / both if both else 0.0),
        )

    @property
    def log_against(self) -> float:
        return log_mean(self.harm)

    @property
    def against(self) -> float:
        """The e-value that the canary is worse (1e299 stands for all that is larger)."""
        return e_value(self.log_against)

    @property
    def rise(self) -> float:
        return self.difference / self.weight if self.weight else 0.0
