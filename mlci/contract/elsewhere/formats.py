"""Formats of strings by regular expressions alone, which every engine has: the counterpart of `formats.holds`.

A calendar fits in an expression, leap years and all. A second 60 is only right where the minute is 23:59 in UTC
(RFC 3339, section 5.7): that is left to the fallback.
"""

from __future__ import annotations

from collections.abc import Callable

from mlci.contract.elsewhere.logic import Truth, unknown, where
from mlci.contract.language.formats import known

_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_MONTHS = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
_DAY = f"([0-9]{{4}}-({_MONTHS})|{_LEAP}-02-29)"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_ZONE = rf"(\.[0-9]+)?([Zz]|[+-]{_CLOCK})"


def is_of(name: str, matches: Callable[[str], Truth]) -> Truth:
    """Whether a text is of the format, NULL where that cannot be said; `matches` runs an RE2 pattern on it."""
    if name == "date":
        return matches(_whole(_DAY))
    if name in ("date-time", "time"):
        day = f"{_DAY}[Tt]" if name == "date-time" else ""
        surely = matches(_whole(f"{day}{_CLOCK}:[0-5][0-9]{_ZONE}"))
        return where(matches(_whole(f"{day}{_CLOCK}:60{_ZONE}")), unknown(), surely)
    found = known(name)
    if found is None:
        return unknown()
    surely = matches(_whole(found.surely or ""))
    if found.exact:
        return surely
    return where(surely, True, where(matches(found.never or ""), False, unknown()))


def _whole(pattern: str) -> str:
    return rf"\A({pattern.removeprefix('(?s)')})\z"
