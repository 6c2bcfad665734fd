"""How far two histograms of the same bins are apart: figures of effect, not of significance.

Pure functions of counts. Shares are smoothed by half a value in each bin (Krichevsky & Trofimov, IEEE Trans. Inf.
Theory 27(2), 1981), so that an empty bin is no infinity. PSI and the Jensen-Shannon divergence are of at most `COARSE`
bins, made of neighbours: over many bins with few values each, they measure noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

COARSE = 20


def psi(one: Sequence[int], two: Sequence[int]) -> float:
    """The population stability index: sum of (p - q) ln(p / q). Siddiqi, Credit Risk Scorecards, Wiley, 2006."""
    return sum((p - q) * math.log(p / q) for p, q in zip(*_shares(one, two), strict=True))


def jensen_shannon(one: Sequence[int], two: Sequence[int]) -> float:
    """The Jensen-Shannon divergence in bits, from 0 to 1. Lin, IEEE Trans. Inf. Theory 37(1), 1991."""
    pairs = list(zip(*_shares(one, two), strict=True))
    return sum(p * math.log2(2 * p / (p + q)) + q * math.log2(2 * q / (p + q)) for p, q in pairs) / 2


def ks(one: Sequence[int], two: Sequence[int]) -> float:
    """The largest distance of the two distribution functions, at the ends of the bins (Kolmogorov-Smirnov).

    Below the exact one by at most what the fullest bin holds: 1/256 for a profile of numbers that are all different.
    """
    n, m = sum(one), sum(two)
    below = above = 0
    largest = 0.0
    for a, b in zip(one, two, strict=True):
        below, above = below + a, above + b
        largest = max(largest, abs(below / n - above / m)) if n and m else 1.0
    return largest


FIGURES: Mapping[str, Callable[[Sequence[int], Sequence[int]], float]] = {
    "psi": psi,
    "ks": ks,
    "jensenShannon": jensen_shannon,
}


def _shares(one: Sequence[int], two: Sequence[int]) -> tuple[list[float], list[float]]:
    """The shares of both in the same coarse bins, of about the same mass in the first one."""
    size, groups = sum(one) / COARSE, list[tuple[int, int]]()
    if len(one) <= COARSE:
        groups = list(zip(one, two, strict=True))
    else:
        a = b = 0
        for x, y in zip(one, two, strict=True):
            a, b = a + x, b + y
            if a >= size:
                groups.append((a, b))
                a = b = 0
        groups += [(a, b)] if a or b else []
    return _smooth([a for a, _ in groups]), _smooth([b for _, b in groups])


def _smooth(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + len(counts) / 2
    return [(count + 0.5) / whole for count in counts]
