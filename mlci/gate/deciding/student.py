"""Student's t distribution in a page, so that no statistics library is needed for one quantile.

Up to 200 degrees of freedom the finite series of Abramowitz & Stegun (1964), 26.7.3 and 26.7.4, exact to rounding;
above, the normal approximation of Wallace (1959), whose error is below 1e-6 there.
"""

from __future__ import annotations

import math
from functools import lru_cache

SERIES_UP_TO = 200


def tail(t: float, freedom: float) -> float:
    """The probability of a value above `t`; a fraction of a degree of freedom is dropped, to be on the safe side."""
    if t < 0:
        return 1 - tail(-t, freedom)
    n = max(1, math.floor(min(freedom, 1e15)))
    if n > SERIES_UP_TO:
        z = (8 * n + 1) / (8 * n + 3) * math.sqrt(n * math.log1p(t * t / n))
        return math.erfc(z / math.sqrt(2)) / 2
    angle = math.atan(t / math.sqrt(n))
    cosine = math.cos(angle)
    odd = n % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(3 if odd else 2, n + 1, 2):
        total += term
        term *= (k - 1) / k * cosine**2
    inside = math.sin(angle) * total
    if odd:
        inside = (angle + inside) * 2 / math.pi
    return max(0.0, (1 - inside) / 2)


@lru_cache(maxsize=1024)
def quantile(confidence: float, freedom: float) -> float:
    """The t that a share `confidence` (above one half) of the distribution lies below, by bisection."""
    low, high = 0.0, 1.0
    while tail(high, freedom) > 1 - confidence:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, freedom) > 1 - confidence else (low, middle)
    return (low + high) / 2
