"""Numbers, times, digests and states in words: what the page and the Markdown say alike.

All text of a run is written by others. `clean` makes visible what could hide or reorder other text.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import datetime

STATES = {
    "pass": "passed",
    "fail": "failed",
    "rolled-back": "taken back",
    "error": "could not finish",
    "skipped": "not run",
    "inconclusive": "not certain",
}
"""The states of steps and rules, as a reader who does not know mlci would say them."""

_TITLES = {
    "validate": ("Data contract", "Data contract: {}"),
    "train": ("Training", "Training: {}"),
    "gate": ("Quality gate", "Quality gate: {}"),
    "build": ("Image", "Image: {}"),
    "promote": ("Promotion", "Promotion to {}"),
    "deploy": ("Deployment", "Deployment to {}"),
    "rollback": ("Rollback", "Rollback of {}"),
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_JOINERS = "\u200c\u200d"


def clean(value: object, limit: int = 2000) -> str:
    """The value as text that can be shown: control, bidirectional and broken characters as escapes, cut at `limit`."""
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in "\n\t" or char in _JOINERS or unicodedata.category(char) in ("Zs", "Co"):
        return char
    return char if char.isprintable() else f"\\u{ord(char):04x}"


def line(value: object, limit: int = 300) -> str:
    """The value on one line."""
    return clean(" ".join(str(value)[: limit * 4].split()), limit)


def sentence(text: object) -> str:
    """The first line with a full stop, and a capital unless it starts with a name: `roc_auc`, or `ece 0.03`."""
    first = next((part for part in str(text).splitlines() if part.strip()), "")
    found = line(first, 400).rstrip(". ")
    if not found:
        return ""
    first, second = [*found.split(), "", ""][:2]
    named = (
        not (first.isalpha() or first == "inconclusive:") or second[:1].isdigit() or second.startswith(("−", "-", "+"))
    )
    return f"{found[0] if named else found[0].upper()}{found[1:]}."


def kind(step: str) -> str:
    """`validate` of `validate:train`."""
    return step.partition(":")[0]


def known(step: str) -> bool:
    """Whether it is a kind of step that the report knows."""
    return kind(step) in _TITLES


def title(step: str) -> str:
    """A heading for a step."""
    what, _, name = step.partition(":")
    alone, named = _TITLES.get(what, (step, step))
    return line(named.format(name) if name else alone, 120)


def state(status: object) -> str:
    """A status in words."""
    return STATES.get(str(status), line(status, 40)) if status else "not known"


def number(value: float | None, digits: int = 4) -> str:
    """A number with at most so many significant digits, and commas in whole numbers."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return minus(f"{int(value):,}")
    if 10**digits <= abs(value) < 1e9:
        return minus(f"{value:,.0f}")
    mantissa, e, power = f"{value:.{digits}g}".partition("e")
    return minus(mantissa) + (f"×10{str(int(power)).translate(_RAISED)}" if e else "")


def power(value: float, digits: int) -> str:
    """A number with so many significant digits, as a multiple of a power of ten."""
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return minus(mantissa) + f"×10{str(int(exponent)).translate(_RAISED)}"


def minus(text: str) -> str:
    """With the minus sign that is as wide as a plus."""
    return text.replace("-", "−")


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return "–" if value is None else ("+" if value > 0 else "") + number(value)


def fixed(value: float | None, spread: float, sign: str = "") -> str:
    """A number with as many decimals as an interval of this width bears (two digits of it, six at most).

    One that would then be nothing but zeros is written with a power of ten.
    """
    if value is None:
        return "–"
    if 0 < abs(value) < 1e-4 and 0 < spread < 1e-4:
        return ("+" if sign and value > 0 else "") + number(value, 3)
    decimals = min(6, max(0, 1 - math.floor(math.log10(spread)))) if spread > 0 else 4
    return minus(f"{round(value, decimals) + 0.0:{sign},.{decimals}f}")


def share(part: float, whole: float) -> str:
    """A part of a whole in percent; a little is never shown as nothing, and most never as all."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.01:
        return "<0.01%"
    if 99.99 < percent < 100:
        return ">99.99%"
    return f"{percent:.3g}%"


def count(value: float | None, noun: str, plural: str = "") -> str:
    """`1 row`, `12,345 rows`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def size(value: float | None) -> str:
    """Bytes with a decimal unit."""
    if value is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(value) >= factor:
            return f"{value / factor:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:,.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def when(timestamp: str) -> str:
    """A time of RFC 3339 as a person reads it; anything else as it stands."""
    found = moment(timestamp)
    return f"{found.day} {found:%b %Y, %H:%M:%S} UTC" if found else line(timestamp, 40)


def between(started: str, finished: str) -> float | None:
    """Seconds from one time to the other."""
    first, last = moment(started), moment(finished)
    return (last - first).total_seconds() if first and last else None


def moment(timestamp: str) -> datetime | None:
    """A UTC time of RFC 3339, as mlci writes it."""
    for form in ("%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(timestamp, form)
        except (ValueError, TypeError):
            continue
    return None


def short(digest: str) -> str:
    """`sha256:` and twelve characters."""
    algorithm, colon, value = line(digest, 200).partition(":")
    return f"{algorithm}:{value[:12]}" if colon else algorithm[:12]
