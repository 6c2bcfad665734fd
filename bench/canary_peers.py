"""What others decide by, written from their definitions; many canaries at once: rows are runs, columns windows.

* Argo Rollouts (`failureLimit`) and Flagger (`threshold`): each interval, the success rate of the canary, or a quantile
  of its latency, is compared with a fixed threshold; so many intervals over it take it back. `failureLimit: n` lets n
  of them pass, `threshold: n` takes back at the nth. Intervals without requests do not count.
* Kayenta: the canary's and stable's values of all intervals so far, by the Mann-Whitney test with confidence 0.98;
  "high" when the lower end of the interval for the Hodges-Lehmann shift is over a quarter of its estimate.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
NEVER = np.iinfo(np.int64).max
CONFIDENCE_Z = 2.326
"""Of the two-sided confidence 0.98."""
TOLERANCE = 0.25


def limited(over: Array, limit: int) -> Array:
    """The window (from 0) in which the count of windows `over` passes `limit`; NEVER where it does not."""
    count = np.cumsum(over, axis=1)
    hit = count > limit
    return np.where(hit.any(axis=1), hit.argmax(axis=1), NEVER)


def calibrated(over: Array, alarms: float) -> int:
    """The smallest limit that takes back at most this share of runs in which nothing is wrong."""
    counts = over.sum(axis=1)
    return next(limit for limit in range(over.shape[1] + 1) if (counts > limit).mean() <= alarms)


def kayenta(canary: Array, stable: Array, *, every: bool) -> Array:
    """The window in which Kayenta's judge says "high": looked at in each window, or once after the last."""
    runs, windows = canary.shape
    out = np.full(runs, NEVER)
    for count in range(5, windows + 1) if every else [windows]:
        on = np.flatnonzero(out == NEVER)
        if not on.size:
            break
        shifts = np.sort((canary[on, :count, None] - stable[on, None, :count]).reshape(on.size, -1), axis=1)
        half = count * count / 2
        lowest = math.floor(half - CONFIDENCE_Z * math.sqrt(count * count * (2 * count + 1) / 12))
        if lowest < 1:
            continue
        high = shifts[:, lowest - 1] > TOLERANCE * np.abs(np.median(shifts, axis=1))
        out[on[high]] = count - 1
    return out
