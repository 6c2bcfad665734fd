"""Moments and windows of time, as people write them: `2026-12-20T18:00Z`, `fri 16:00 - mon 08:00`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AT = rf"({'|'.join(_DAYS)})(?: +([0-9]{{1,2}}):([0-9]{{2}}))?"
_WEEKLY = re.compile(rf"{_AT} *[-–] *{_AT}")
_DAY, _WEEK = 24 * 60, 7 * 24 * 60


def moment(raw: str) -> str:
    """A date (its beginning in UTC) or a time with its offset, as RFC 3339 in UTC; ValueError otherwise."""
    if not _MOMENT.fullmatch(raw):
        raise ValueError(f"{raw!r} is no date, and no time with its offset, such as 2026-12-20T18:00Z")
    found = datetime.fromisoformat(raw.upper().replace("Z", "+00:00"))
    found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return found.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def weekly(raw: str) -> tuple[int, int]:
    """Beginning and end (exclusive) in minutes since Monday 00:00; the end may lie in the week after.

    Without a time it is the beginning of the first day, and the end of the last. Raises ValueError.
    """
    found = _WEEKLY.fullmatch(raw.strip().lower())
    if not found:
        raise ValueError(f"{raw!r} is no window such as `fri 16:00 - mon 08:00` or `sat - sun`")
    start = _minutes(found[1], found[2], found[3], without=0)
    end = _minutes(found[4], found[5], found[6], without=_DAY)
    if start == end:
        raise ValueError(f"{raw!r} begins when it ends")
    return start % _WEEK, end if end > start else end + _WEEK


def is_within(window: tuple[int, int], at: datetime) -> bool:
    """Whether a moment, in the time zone of the window, lies in it."""
    minute = at.weekday() * _DAY + at.hour * 60 + at.minute
    return any(window[0] <= one < window[1] for one in (minute, minute + _WEEK))


def zone_of(name: str) -> str:
    """The name of a time zone that this machine knows; ValueError otherwise."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{name!r} is no time zone that this machine knows") from error
    return name


def _minutes(day: str, hour: str | None, minute: str | None, *, without: int) -> int:
    if hour is None or minute is None:
        return _DAYS.index(day) * _DAY + without
    if int(hour) * 60 + int(minute) > _DAY or int(minute) > 59:
        raise ValueError(f"{hour}:{minute} is no time of a day")
    return _DAYS.index(day) * _DAY + int(hour) * 60 + int(minute)


def mistakes(window: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A window is one of each week, or has a beginning and an end."""
    start, end = window.get("start"), window.get("end")
    if bool(window.get("weekly")) == bool(start or end) or bool(start) != bool(end):
        yield "a window is weekly, or has a start and an end", "such as `weekly: fri 16:00 - mon 08:00`"
    elif isinstance(start, str) and isinstance(end, str):
        try:
            backwards = moment(end) <= moment(start)
        except ValueError:
            return
        if backwards:
            yield f"it ends at {end}, before it starts at {start}", ""
