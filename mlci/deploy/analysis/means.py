"""The mean of a metric with known bounds: is the canary's worse, and by how much at most.

Each observation is a difference, canary less stable in the same poll, turned so that more is worse. A base that drifts
for both versions cancels, and the claim is about the mean of the differences, whatever their distribution.

Source: the predictable plug-in empirical-Bernstein confidence sequence, Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting" (JRSS B 2024), theorem 2, which rests on the e-process of Howard, Ramdas, McAuliffe
and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of Statistics 2021), lemma 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, log1p, sqrt

BOLD = 0.5
"""The largest bet; the paper advises 1/2 or 3/4."""


@dataclass(frozen=True)
class Mean:
    """What is known of the mean of numbers in [low, high]: all of it in six sums.

    Numbers are kept as shares of that range. `bets`, `won` and `cost` are the sums of λ, of λ·x and of v·ψ(λ) of the
    paper, so the evidence about any mean is one line.
    """

    low: float
    high: float
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    bets: float = 0.0
    won: float = 0.0
    cost: float = 0.0

    def add(self, values: Sequence[float], alpha: float) -> Mean:
        """After these numbers, in their order; `alpha` only tunes the bets. Numbers beyond the bounds are moved in."""
        found = self
        for value in values:
            found = found._one(min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), alpha)
        return found

    def _one(self, x: float, alpha: float) -> Mean:
        count = self.count + 1
        guess = (0.5 + self.total) / count
        variance = (0.25 + self.squares) / count
        bet = min(BOLD, sqrt(2 * log(2 / alpha) / (variance * count * log1p(count))))
        after = (0.5 + self.total + x) / (count + 1)
        return replace(
            self,
            count=count,
            total=self.total + x,
            squares=self.squares + (x - after) ** 2,
            bets=self.bets + bet,
            won=self.won + bet * x,
            cost=self.cost + (x - guess) ** 2 * (-log1p(-bet) - bet),
        )

    @property
    def value(self) -> float:
        """The plain mean, in the metric's own unit; NaN-free: the middle of the range before the first number."""
        return self.low + (self.high - self.low) * (self.total / self.count if self.count else 0.5)

    def above(self, mean: float) -> float:
        """Log-evidence that the mean is larger than this one."""
        return self.won - self.bets * (mean - self.low) / (self.high - self.low) - self.cost

    def below(self, mean: float) -> float:
        """Log-evidence that the mean is smaller than this one."""
        return self.bets * (mean - self.low) / (self.high - self.low) - self.won - self.cost

    def interval(self, alpha: float) -> tuple[float, float]:
        """Holds the mean at all times at once, with a probability of at least 1 - alpha."""
        if not self.bets:
            return self.low, self.high
        width = self.high - self.low
        centre, half = self.won / self.bets, (log(2 / alpha) + self.cost) / self.bets
        return self.low + width * max(0.0, centre - half), self.low + width * min(1.0, centre + half)


def confidence_sequence(values: Sequence[float], *, low: float, high: float, alpha: float) -> list[tuple[float, float]]:
    """The interval for the mean after each number: all of them hold together, with a probability of 1 - alpha.

    Raises ValueError for bounds that are none.
    """
    if not -inf < low < high < inf:
        raise ValueError(f"no bounds: {low} and {high}")
    found, out = Mean(low, high), []
    for value in values:
        found = found.add([value], alpha)
        out.append(found.interval(alpha))
    return out


def differences(canary: Sequence[float], stable: Sequence[float]) -> list[float]:
    """Canary less stable, as many as the smaller side has numbers: each against the mean of a block of the other's."""
    count = min(len(canary), len(stable))
    return [_block(canary, i, count) - _block(stable, i, count) for i in range(count)]


def _block(values: Sequence[float], i: int, count: int) -> float:
    block = values[i * len(values) // count : (i + 1) * len(values) // count]
    return sum(block) / len(block)


def e_value(log_evidence: float) -> float:
    """The e-value of some log-evidence; infinite ones end at 1e299, for JSON has none."""
    return exp(min(log_evidence, 690.0))
