"""Scalars with a unit, as people write them, and what they are after loading: seconds, bytes, shares of one.

A command is here too: one line, which a POSIX shell would split the same way, or a list.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from mlci.config.times import moment, weekly, zone_of

TEN_YEARS = 10 * 365 * 86400.0
_NUMBER = r"[0-9]{1,12}(\.[0-9]{1,9})?"
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip

KINDS: dict[str, dict[str, Any]] = {
    "duration": {
        "title": "a duration",
        "type": ["string", "number"],
        "pattern": f"^{_NUMBER} ?({'|'.join(_SECONDS)})$",
        "minimum": 0,
        "maximum": TEN_YEARS,
        "examples": ["90s", "30m", "2h"],
    },
    "size": {
        "title": "a size",
        "type": ["string", "integer"],
        "pattern": f"^{_NUMBER} ?({'|'.join(_BYTES)})$",
        "minimum": 0,
        "examples": ["200MB", "20GiB"],
    },
    "fraction": {
        "title": "a share",
        "type": ["string", "number"],
        "pattern": r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,9})?) ?%$",
        "minimum": 0,
        "maximum": 1,
        "examples": ["5%", 0.05],
    },
    "command": {
        "title": "a command",
        "type": ["string", "array"],
        "items": {"type": "string"},
        "minItems": 1,
        "minLength": 1,
        "examples": ["python train.py", ["python", "train.py"]],
    },
    "bins": {
        "title": "bins",
        "type": ["integer", "array"],
        "items": {"type": "number"},
        "minItems": 1,
        "minimum": 2,
        "maximum": 100,
        "examples": [5, [0, 500, 1500]],
    },
    "names": {
        "title": "a name or a list of names",
        "type": ["string", "array"],
        "items": {"type": "string", "minLength": 1},
        "minItems": 1,
        "minLength": 1,
        "examples": ["ci", ["ci", "ship"]],
    },
    "moment": {"title": "a moment", "type": "string", "examples": ["2026-12-20", "2026-12-20T18:00Z"]},
    "weekly": {"title": "a window of a week", "type": "string", "examples": ["fri 16:00 - mon 08:00", "sat - sun"]},
    "zone": {"title": "a time zone", "type": "string", "examples": ["UTC", "Europe/Berlin"]},
}
"""The JSON Schema of each kind of scalar that `Annotated` marks in the model."""


def seconds(raw: str | float) -> float:
    """`90s`, `20ms`, `2h` or a number of seconds. Raises ValueError when it is none of these, or over ten years."""
    if isinstance(raw, str):
        number, unit = _split(raw, "duration")
        raw = float(number + "e-3") if unit == "ms" else float(number) * _SECONDS[unit]
    if raw > TEN_YEARS:
        raise ValueError("a duration of more than ten years")
    return float(raw)


def size(raw: str | float) -> int:
    """`200MB` (powers of 1000), `20GiB` (powers of 1024) or a number of bytes; ValueError otherwise."""
    if isinstance(raw, str):
        number, unit = _split(raw, "size")
        return round(float(number) * _BYTES[unit])
    return int(raw)


def fraction(raw: str | float) -> float:
    """`5%` or 0.05; ValueError otherwise."""
    if isinstance(raw, str):
        return float(_split(raw, "fraction")[0] + "e-2")
    return float(raw)


def command(raw: str | list[str]) -> tuple[str, ...]:
    """The program and its arguments; ValueError when a quote is left open or there is no program."""
    parts = tuple(shlex.split(raw)) if isinstance(raw, str) else tuple(raw)
    if not parts or not parts[0]:
        raise ValueError("no program to run")
    return parts


def bins(raw: int | list[float]) -> int | tuple[float, ...]:
    """How many, or the edges; that they rise is checked with the rest of the slices."""
    return tuple(map(float, raw)) if isinstance(raw, list) else int(raw)


def names(raw: str | list[str]) -> tuple[str, ...]:
    """One name or several, each once."""
    return (raw,) if isinstance(raw, str) else tuple(dict.fromkeys(raw))


def window(raw: str) -> str:
    """A window of each week as it is written; ValueError when it is none."""
    weekly(raw)
    return raw


PARSERS: dict[str, Callable[[Any], Any]] = {
    "duration": seconds,
    "size": size,
    "fraction": fraction,
    "command": command,
    "bins": bins,
    "names": names,
    "moment": moment,
    "weekly": window,
    "zone": zone_of,
}


def _split(raw: str, kind: str) -> tuple[str, str]:
    if not re.fullmatch(KINDS[kind]["pattern"], raw):
        raise ValueError(f"{raw!r} is not {KINDS[kind]['title']}")
    match = re.match(_NUMBER, raw)
    assert match
    return match[0], raw[match.end() :].strip()
