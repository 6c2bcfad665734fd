"""What a model answers: does the canary answer other things than stable does.

Two kinds of evidence. `Shift` compares how often each version gives an answer of each bin or class, on requests of
their own. `Pairs` counts the requests that both versions answered, and those of them that they answered differently.

A new model is meant to answer differently, so neither asks for equality: both ask for no more change than allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log1p

from mlci.deploy.analysis.counts import Table
from mlci.deploy.analysis.errors import ALTERNATIVES, log_mean, no_harm

CONCENTRATIONS = (30.0, 300.0, 3000.0)
"""How many answers the common distribution weighs in the guess of each version's own: strong and faint changes."""
PULL = 50.0
"""How many answers the common share weighs in the guess of each version's own share of a bin."""
CALMER = (0.1, 0.25, 0.4, 0.6, 0.8)
"""Fractions of a limit that the evidence for staying below it looks for."""


@dataclass(frozen=True)
class Shift:
    """Evidence about two distributions over bins: `terms` by concentration, `clear` by bin, up and then down."""

    canary: tuple[int, ...] = ()
    stable: tuple[int, ...] = ()
    terms: tuple[float, ...] = (0.0,) * len(CONCENTRATIONS)
    clear: tuple[float, ...] = ()

    def add(self, canary: tuple[int, ...], stable: tuple[int, ...], allowed: float) -> Shift:
        """After the answers of one poll, by bin."""
        if not self.canary:
            nothing = (0,) * len(canary)
            return Shift(nothing, nothing, self.terms, (0.0,) * 2 * len(canary)).add(canary, stable, allowed)
        new = tuple(shift(canary, stable, (self.canary, self.stable), c) for c in CONCENTRATIONS)
        return Shift(
            tuple(map(sum, zip(self.canary, canary, strict=True))),
            tuple(map(sum, zip(self.stable, stable, strict=True))),
            tuple(old + term for old, term in zip(self.terms, new, strict=True)),
            tuple(old + term for old, term in zip(self.clear, self._calm(canary, stable, allowed), strict=True)),
        )

    def _calm(self, canary: tuple[int, ...], stable: tuple[int, ...], allowed: float) -> list[float]:
        """Per bin: evidence that its share rose by less than `allowed`, and that that of all others did.

        The first answers only teach what to expect: shares are anything from 0 to 1, not near nothing as errors are.
        """
        rising, falling = [], []
        sizes, before = (sum(canary), sum(stable)), (sum(self.canary), sum(self.stable))
        if not all(before):
            return [0.0] * 2 * len(canary)
        for x, y, seen_x, seen_y in zip(canary, stable, self.canary, self.stable, strict=True):
            up = Table(sizes[0], x, sizes[1], y)
            down = Table(sizes[0], sizes[0] - x, sizes[1], sizes[1] - y)
            common = (seen_x + seen_y + 0.5) / (sum(before) + 1)
            p, q = ((seen + PULL * common) / (size + PULL) for seen, size in zip((seen_x, seen_y), before, strict=True))
            rising.append(no_harm(up, expected=(p, q), excess=allowed))
            falling.append(no_harm(down, expected=(1 - p, 1 - q), excess=allowed))
        return [*rising, *falling]

    @property
    def against(self) -> float:
        """Log-evidence that the two distributions differ."""
        return log_mean(self.terms)

    @property
    def calm(self) -> float:
        """Log-evidence that no bin's share changed by as much as allowed."""
        return min(self.clear, default=0.0)

    @property
    def change(self) -> float:
        """The largest difference of a bin's shares, as measured."""
        canary, stable = sum(self.canary), sum(self.stable)
        if not (canary and stable):
            return 0.0
        return max(abs(x / canary - y / stable) for x, y in zip(self.canary, self.stable, strict=True))


def shift(
    canary: tuple[int, ...], stable: tuple[int, ...], seen: tuple[tuple[int, ...], tuple[int, ...]], weight: float
) -> float:
    """Log-evidence of one poll that two distributions over bins differ.

    The guess for each version is the mean of a Dirichlet posterior: `seen`, its answers of earlier polls, and those of
    both together with a weight of so many answers. The evidence is the likelihood of the guesses to that of their
    mixture by the sizes of this poll; for any distribution that both share, its expectation is at most one, whatever
    the guesses are: Turner, Ly and Grünwald, "Generic e-variables for exact sequential k-sample tests that allow for
    optional stopping" (Journal of Statistical Planning and Inference 2024), for bins in place of two outcomes.
    """
    sizes = sum(canary), sum(stable)
    if not (sizes[0] and sizes[1]):
        return 0.0
    totals = sum(seen[0]), sum(seen[1])
    found = 0.0
    for x, y, seen_x, seen_y in zip(canary, stable, *seen, strict=True):
        common = (seen_x + seen_y + 0.5) / (totals[0] + totals[1] + 0.5 * len(canary))
        p = (seen_x + weight * common) / (totals[0] + weight)
        q = (seen_y + weight * common) / (totals[1] + weight)
        both = (sizes[0] * p + sizes[1] * q) / (sizes[0] + sizes[1])
        found += x * log(p / both) + y * log(q / both)
    return found


@dataclass(frozen=True)
class Pairs:
    """Requests that both versions answered, and those that they answered differently."""

    compared: int = 0
    different: int = 0

    def above(self, limit: float) -> float:
        """Log-evidence that more than this share is answered differently (a mixture of likelihood ratios)."""
        return self._mixture(limit, tuple(_tilted(limit, odds) for odds in ALTERNATIVES))

    def below(self, limit: float) -> float:
        """Log-evidence that less than this share is answered differently."""
        return self._mixture(limit, tuple(limit * part for part in CALMER))

    @property
    def share(self) -> float:
        return self.different / self.compared if self.compared else 0.0

    def _mixture(self, limit: float, guesses: tuple[float, ...]) -> float:
        same = self.compared - self.different
        return log_mean(tuple(self.different * log(g / limit) + same * (log1p(-g) - log1p(-limit)) for g in guesses))


def _tilted(share: float, odds: float) -> float:
    return odds * share / (1 - share + odds * share)
