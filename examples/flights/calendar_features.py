"""What the date says about a flight: how far it is from the public holidays around it."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import numpy as np

THURSDAY, MONDAY = 3, 0


def nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th such weekday (Monday is 0) of the month, such as the fourth Thursday of November."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


@lru_cache
def holidays(first_year: int, last_year: int) -> np.ndarray:
    """The public holidays of the USA on which people travel, in order, from the year before to the year after."""
    days: list[date] = []
    for year in range(first_year - 1, last_year + 2):
        days += [
            date(year, 1, 1),
            nth_weekday(year, 1, MONDAY, 3),  # Martin Luther King's birthday
            nth_weekday(year, 2, MONDAY, 3),  # Washington's birthday
            nth_weekday(year, 6, MONDAY, 1) - timedelta(days=7),  # Memorial Day, the last Monday of May
            date(year, 7, 4),
            nth_weekday(year, 9, MONDAY, 1),  # Labor Day
            nth_weekday(year, 11, THURSDAY, 4),  # Thanksgiving
            date(year, 12, 25),
        ]
    return np.array(days, dtype="datetime64[D]")


def days_to_holidays(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Days since the last holiday and until the next one, both 0 on the day itself."""
    months = (year.astype(np.int64) - 1970) * 12 + month.astype(np.int64) - 1
    dates = months.astype("datetime64[M]").astype("datetime64[D]") + (day.astype(np.int64) - 1)
    known = holidays(int(year.min()), int(year.max()))
    since = dates - known[np.searchsorted(known, dates, side="right") - 1]
    until = known[np.searchsorted(known, dates, side="left")] - dates
    return since.astype(np.float64), until.astype(np.float64)
