"""`x-table` as plain data, taken apart into its rules: by these contracts are compared, and of these a page is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_TERMS = ("severity", "tolerance")
_UNITS: Mapping[str, Fraction | int] = {"ms": Fraction(1, 1000), "s": 1, "m": 60, "h": 3600, "d": 86400}
_ENDS = {"min": 1, "max": -1, "minAge": 1, "maxAge": -1, "psi": -1, "ks": -1, "jensenShannon": -1}
"""Limits: from below (1) or from above (-1)."""
_SHARES = ("nulls",)
_NEVER_BELOW = ("rows", "nulls", "distinct", "counts")
"""Kinds whose figure is never below 0."""


@dataclass(frozen=True)
class Said:
    """One rule (of no kind: none): what it is of, its limits by name, all else of it, and how strict it is."""

    kind: str
    name: str
    limits: Mapping[str, Any]
    rest: Mapping[str, Any]
    severity: str = "error"
    tolerance: Fraction = Fraction(0)

    @property
    def written(self) -> dict[str, Any]:
        """The rule's entries."""
        strict = {"severity": "warn"} if self.severity == "warn" else {}
        tolerant = {"tolerance": float(self.tolerance)} if self.tolerance else {}
        return {**self.rest, **self.limits, **strict, **tolerant}

    def implies(self, other: Said) -> bool:
        """Whether data that keeps this rule keeps the other one, of the same kind and name."""
        if other.severity == "warn" or not other.kind:
            return True
        if self.severity == "warn" or self.tolerance > other.tolerance or not self._orders(other):
            return False
        return all(self._reaches(end, value, other.kind) for end, value in other.limits.items())

    def _orders(self, other: Said) -> bool:
        """Whether all else is the same, or an order that is stricter."""
        weaker = {"strictlyIncreasing": "increasing", "strictlyDecreasing": "decreasing"}
        mine = dict(self.rest)
        stricter = {**mine, "order": weaker.get(str(mine.get("order")))}
        return other.rest == mine or ("order" in mine and other.rest == stricter)

    def _reaches(self, end: str, value: Any, kind: str) -> bool:
        if end not in self.limits:
            return end == "min" and value == 0 and kind in _NEVER_BELOW
        (mine, share), (theirs, other_share) = exact(self.limits[end], kind), exact(value, kind)
        return share == other_share and _ENDS[end] * mine >= _ENDS[end] * theirs


def exact(value: Any, kind: str) -> tuple[Fraction, bool]:
    """A limit as a number, and whether it is a share of the rows. Durations are in seconds."""
    if isinstance(value, str):
        found = re.fullmatch(r"([0-9.]+) ?(%|[a-z]+)", value)
        number, unit = (found[1], found[2]) if found else ("0", "%")
        return (Fraction(number) / 100, True) if unit == "%" else (Fraction(number) * _UNITS[unit], False)
    number_ = Fraction(repr(value))
    return number_, kind in _SHARES or (kind == "counts" and 0 < number_ < 1)


def rules(table: Mapping[str, Any]) -> dict[tuple[str, str], Said]:
    """The rules of `x-table` but for `unique`, by kind and name."""
    found = {}
    for kind, value in table.items():
        for name, entry in _each(kind, value):
            rest = {k: v for k, v in entry.items() if k not in (*_ENDS, *_TERMS, "name")}
            limits = {k: v for k, v in entry.items() if k in _ENDS}
            tolerance = exact(entry.get("tolerance", 0), "nulls")[0]
            found[kind, name] = Said(kind, name, limits, rest, entry.get("severity", "error"), tolerance)
    return found


def _each(kind: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A rule's name and its entries."""
    if kind in ("unique", "description"):
        return
    if kind == "rows":
        yield "", value
    elif kind == "quantiles":
        yield from ((f"{column}.{q}", entry) for column, entries in value.items() for q, entry in entries.items())
    elif kind == "counts":
        yield from ((entry["name"], entry) for entry in value)
    elif kind == "foreignKeys":
        yield from ((_key(entry), entry) for entry in value)
    else:
        yield from ((n, entry if isinstance(entry, dict) else {"order": entry}) for n, entry in value.items())


def _key(entry: Mapping[str, Any]) -> str:
    to = ", ".join(entry.get("to", entry["columns"]))
    return f"{', '.join(entry['columns'])} in {entry['references']} ({to})"


def unique_keys(unique: Any) -> list[tuple[frozenset[str], Said]]:
    """The keys of `unique`, in its short forms and in its long one."""
    nested = any(isinstance(key, (list, dict)) for key in unique)
    found = []
    for key in unique if nested else [unique]:
        entry = key if isinstance(key, dict) else {"columns": key}
        if entry["columns"]:
            tolerance = exact(entry.get("tolerance", 0), "nulls")[0]
            said = Said("unique", ", ".join(entry["columns"]), {}, {}, entry.get("severity", "error"), tolerance)
            found.append((frozenset(entry["columns"]), said))
    return found
