"""Many canaries at once: the decisions about rates of failure of `deciding`, on arrays, for what is not yet known.

Rows are runs. The functions do what those of `errors` and `rates` do, run by run; the tests hold them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Any

from mlci.deploy.analysis.errors import ALTERNATIVES
from mlci.deploy.analysis.planning import Plan

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Draw = Callable[[np.random.Generator, float, float, Array], Array]

EXACT = 60
"""Failures in one poll up to which powers of the odds are summed as they are, not as logarithms."""
HALVINGS = 30
"""Steps of the search for the nearest point of a hypothesis; the scalar test takes 60."""
GONE = {"rollback": 1, "promote": 2}


@dataclass(frozen=True)
class Ends:
    """How each run ended (0: not decided, else as in GONE), after so many canary requests, failures and seconds."""

    action: Array
    requests: Array
    failed: Array
    seconds: Array


def steady(stable: float, canary: float, traffic: float) -> Draw:
    """Poisson traffic (requests a second) that fails at constant rates."""

    def draw(rng: np.random.Generator, begin: float, end: float, share: Array) -> Array:
        import numpy as np

        n = rng.poisson(traffic * (end - begin), share.shape)
        mine = rng.binomial(n, share)
        return np.stack([mine, rng.binomial(mine, canary), n - mine, rng.binomial(n - mine, stable)])[:, None]

    return draw


def simulate(
    plan: Plan,
    draw: Draw,
    looks: Sequence[float],
    *,
    runs: int,
    rng: np.random.Generator,
    budgets: Sequence[Sequence[float]] | None,
    allowed: float,
    most: float = inf,
    streams: int = 1,
) -> Ends:
    """Canaries of one metric, looked at after these seconds.

    `draw(rng, begin, end, share)` gives the tables of a poll for runs at those shares: canary, canary failed, stable,
    stable failed; streams (such as quantiles); runs. `budgets` are by stream and step; None: they never go on.
    """
    import numpy as np

    known = _Known(plan, runs, streams, budgets, most)
    pending, ends = np.zeros((4, streams, runs), int), np.zeros((2, runs), int)
    together = np.array([plan.together(i) for i in range(len(plan.steps))])
    step, action, seconds = np.zeros(runs, int), np.zeros(runs, int), np.full(runs, float(looks[-1]))
    shares, begin = np.array(plan.steps), 0.0
    for end in looks:
        on = np.flatnonzero(action == 0)
        if not on.size:
            break
        drawn = draw(rng, begin, end, shares[step[on]])
        begin = end
        ends[:, on] += drawn[:2, 0]
        pending[:, :, on] += drawn
        on = on[pending[0, 0, on] + pending[2, 0, on] >= together[step[on]]]
        if not on.size:
            continue
        known.add(on, pending[:, :, on])
        pending[:, :, on] = 0
        back = known.worse(on, allowed)
        sure = known.clear(on, step[on]) & ~back
        over = sure & (step[on] + 1 == len(plan.steps))
        action[on[back]], action[on[over]] = GONE["rollback"], GONE["promote"]
        seconds[on[back | over]] = end
        step[on[sure & ~over]] += 1
    return Ends(action, ends[0], ends[1], seconds)


class _Known:
    """The evidence of all runs so far; `on` are the places of some of them."""

    def __init__(
        self, plan: Plan, runs: int, streams: int, budgets: Sequence[Sequence[float]] | None, most: float
    ) -> None:
        import numpy as np

        self._plan, self._budgets, self._most = plan, budgets, most
        self._harm = np.zeros((streams, runs, len(ALTERNATIVES)))
        self._clear = np.zeros((streams, len(plan.steps), runs))
        self._totals, self._rise = np.zeros((4, streams, runs)), np.zeros((2, streams, runs))

    def add(self, on: Array, tables: Array) -> None:
        """After one poll of theirs."""
        import numpy as np

        likely = _expected(self._totals[:, :, on])
        for i, budgets in enumerate(self._budgets or ()):
            self._clear[i][:, on] += no_harms(tables[:, i], likely[:, i], budgets)
        for i in range(tables.shape[1]):
            self._harm[i, on] += np.minimum(self._most, harms(tables[:, i], self._plan.tolerated))
        n, x, m, y = tables
        both = np.maximum(1, n + m)
        self._rise[:, :, on] += np.stack([(x * m - y * n) / both, n * m / both])
        self._totals[:, :, on] += tables

    def worse(self, on: Array, allowed: float) -> Array:
        """Which are to be taken back."""
        import numpy as np

        against = _log_mean(self._harm[:, on].transpose(1, 0, 2).reshape(on.size, -1))
        risen = (self._rise[0, :, on] > allowed * self._rise[1, :, on]).any(axis=1)
        return np.asarray((against >= log(self._plan.threshold)) & risen)

    def clear(self, on: Array, step: Array) -> Array:
        """Which may go on from their step."""
        import numpy as np

        if self._budgets is None:
            return np.zeros(on.size, bool)
        return np.asarray(self._clear[:, step, on].min(axis=0) >= log(self._plan.needed))


def harms(tables: Array, tolerated: float = 1.0) -> Array:
    """`errors.harm` of many tables: (4, runs) to (runs, alternatives)."""
    import numpy as np

    out = np.zeros((tables.shape[1], len(ALTERNATIVES)))
    failed = tables[1] + tables[3]
    low, high = np.maximum(0, failed - tables[2]), np.minimum(tables[0], failed)
    rows = np.flatnonzero(high > low)
    if not rows.size:
        return out
    n, x, m, failed, low, width = (a[rows, None] for a in (tables[0], tables[1], tables[2], failed, low, high - low))
    most = int(width.max())
    at = low + np.arange(most)
    inside = np.arange(most) < width
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(inside, (n - at) * (failed - at) / ((at + 1.0) * (m - failed + at + 1)), 0.0)
        ways = np.concatenate([np.zeros((rows.size, 1)), np.cumsum(np.log(ratio), axis=1)], axis=1)
    logs = np.log(tolerated * np.array([1.0, *ALTERNATIVES]))
    sums = _sums(ways, logs)
    mine = x - low
    out[rows] = mine * (logs[1:] - logs[0]) - (sums[:, 1:] - sums[:, :1])
    return out


def _sums(ways: Array, logs: Array) -> Array:
    """The logarithm of the sum of exp(ways + k * log odds), by row and odds."""
    import numpy as np

    k = np.arange(ways.shape[1])
    if len(k) <= EXACT:
        top = ways.max(axis=1, keepdims=True)
        return np.asarray(top + np.log(np.exp(ways - top) @ np.exp(k[:, None] * logs)))
    return np.stack([_log_sum(ways + k * one) for one in logs], axis=1)


def no_harms(tables: Array, expected: Array, budgets: Sequence[float]) -> Array:
    """`errors.no_harm` of many tables: (4, runs) and likely rates (2, runs) to (budgets, runs)."""
    import numpy as np

    n, x, m, y = tables
    p, q = expected
    excess = np.array(budgets)[:, None]
    high = np.minimum(q, 1 - excess)
    low = np.zeros(high.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(HALVINGS):
            at = (low + high) / 2
            moved = at + excess
            slope = n * (moved - p) / (moved * (1 - moved)) + m * (at - q) / (at * (1 - at))
            low, high = np.where(slope < 0, at, low), np.where(slope < 0, high, at)
        one = x * np.log(p / (high + excess)) + (n - x) * (np.log1p(-p) - np.log1p(-high - excess))
        other = np.where(y > 0, y * np.log(q / high), 0.0) + (m - y) * (np.log1p(-q) - np.log1p(-high))
    return np.where((p < q + excess) & (n > 0) & (m > 0), one + other, 0.0)


def _expected(totals: Array) -> Array:
    import numpy as np

    n, x, m, y = totals
    common = (x + y + 0.5) / (n + m + 200)
    return np.stack([(x + 200 * common) / (n + 200), (y + 200 * common) / (m + 200)])


def _log_sum(terms: Array) -> Array:
    import numpy as np

    top = terms.max(axis=1)
    return np.asarray(top + np.log(np.exp(terms - top[:, None]).sum(axis=1)))


def _log_mean(terms: Array) -> Array:
    import numpy as np

    return np.asarray(_log_sum(terms) - np.log(terms.shape[1]))
