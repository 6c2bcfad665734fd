"""Many tests at once: p-values adjusted so that they may be compared with one level.

Holm (1979) keeps the chance of *any* false finding below the level, whatever the tests have to do with each other: for
what blocks. Benjamini & Hochberg (1995) keep the expected share of false ones *among the findings* below it: for what
is only pointed out. They find more, and a person looks at each.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(chances: Sequence[float], among: int | None = None) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979).

    `among` is how many tests there are with those that are not given because they can only be less certain.
    """
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, i in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        highest = max(highest, min(1.0, chances[i] * ((among or len(chances)) - rank)))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(chances: Sequence[float]) -> list[float]:
    """Benjamini & Hochberg's adjusted p-values ("q-values"), in the order given (1995, step-up)."""
    adjusted, lowest = [0.0] * len(chances), 1.0
    order = sorted(range(len(chances)), key=chances.__getitem__)
    for rank in range(len(order), 0, -1):
        i = order[rank - 1]
        lowest = min(lowest, chances[i] * len(order) / rank)
        adjusted[i] = lowest
    return adjusted
