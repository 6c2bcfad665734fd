"""Errors when each user stays with one version: the user is the unit, not the request.

A few users may fail in most of their requests. If it is by chance with which version they are, requests make that
chance look like a difference between versions. So each user counts once: at the first error of the whole deployment.
If the versions do not differ, that user is the canary's with the canary's share of the users at that moment, whatever
the base rate does and however users differ.

Source: the sequential test of a known share, Lindon and Malek, "Anytime-valid inference for multinomial count data"
(NeurIPS 2022), on first errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from mlci.deploy.analysis.errors import ALTERNATIVES, log_mean
from mlci.deploy.analysis.predictions import CALMER


@dataclass(frozen=True)
class Users:
    """Users by where their first error was; `due` of the canary's would be expected if versions did not differ.

    `harm` is by odds ratio, `clear` by step and then by fraction of the step's bound, as logarithms.
    """

    harm: tuple[float, ...]
    clear: tuple[tuple[float, ...], ...]
    canary: int = 0
    stable: int = 0
    due: float = 0.0

    def add(self, canary: int, stable: int, share: float, tolerated: float, bounds: tuple[float, ...]) -> Users:
        """After the first errors of one poll, at the canary's `share` of the users (between 0 and 1)."""

        def moved(old: tuple[float, ...], odds: tuple[float, ...], null: float) -> tuple[float, ...]:
            return tuple(t + first_errors(canary, stable, share, w, null) for t, w in zip(old, odds, strict=True))

        return Users(
            moved(self.harm, tuple(tolerated * w for w in ALTERNATIVES), tolerated),
            tuple(moved(old, tuple(b * part for part in CALMER), b) for old, b in zip(self.clear, bounds, strict=True)),
            self.canary + canary,
            self.stable + stable,
            self.due + share * (canary + stable),
        )

    @property
    def against(self) -> float:
        """Log-evidence that users of the canary meet errors more often than tolerated."""
        return log_mean(self.harm)

    def calm(self, step: int) -> float:
        """Log-evidence that their odds are less than the step's bound times those of the others."""
        return log_mean(self.clear[step])

    @property
    def rise(self) -> float:
        """How many more of the canary's users met an error than expected, as a fraction of those."""
        return self.canary / self.due - 1 if self.due else 0.0


def first_errors(canary: int, stable: int, share: float, odds: float, null: float) -> float:
    """The log-likelihood ratio of two odds ratios for these first errors, at the canary's `share` of the users."""

    def at(w: float) -> float:
        return canary * log(w) - (canary + stable) * log(share * w + 1 - share)

    return at(odds) - at(null)
