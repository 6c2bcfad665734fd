"""How the values of a column are counted: the bins of a profile, and the profile's file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.contract.query.quote import literal

KIND = "https://mlci.dev/profile/v1"


@dataclass(frozen=True)
class Bins:
    """How a column's values are counted: `edges` are the upper ends of the bins of numbers (the last bin has none),
    `values` those that are counted one by one (the last bin is all others). `counts` are the reference's.
    """

    edges: tuple[float, ...] | None
    values: tuple[str, ...] | None
    counts: tuple[int, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """What `histogram` calls the bins, but for the last one."""
        return tuple(map(str, self.edges)) if self.edges is not None else self.values or ()

    def histogram(self, sql: str) -> str:
        """SQL that counts the values of a number, or of a text as `Scan.text` has it, by bin."""
        if self.edges is not None:
            ends = ", ".join(f"'{edge!r}'" for edge in self.edges)
            return f"histogram(({sql})::DOUBLE, [{ends}]::DOUBLE[])"
        return f"histogram_exact({sql}, [{', '.join(map(literal, self.values or ()))}]::VARCHAR[])"


def bins_of(bins: Bins, counts: Mapping[str, int]) -> list[int]:
    """Counts by key as a list in the order of the bins; what has no key of its own is in the last one."""
    known = [counts.get(key, 0) for key in bins.keys]
    return [*known, sum(counts.values()) - sum(known)]


def read_profile(file: Path) -> dict[str, Bins]:
    """The bins of each column. Raises OSError where there is no file, ValueError where it is no profile."""
    try:
        found = json.loads(file.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("profile") != KIND or not isinstance(found.get("columns"), dict):
        raise ValueError(f'it does not say "profile": "{KIND}"')
    return {name: _bins(name, column) for name, column in found["columns"].items()}


def _bins(name: str, column: Any) -> Bins:
    try:
        counts = tuple(column["counts"])
        edges = tuple(map(float, column["edges"])) if "edges" in column else None
        values = tuple(column["values"]) if edges is None else None
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"column `{name}` has no bins") from None
    whole = all(isinstance(n, int) and n >= 0 for n in counts) and sum(counts) > 0
    rising = edges is None or (list(edges) == sorted(set(edges)) and all(map(math.isfinite, edges)))
    named = values is None or (all(isinstance(v, str) for v in values) and len(set(values)) == len(values))
    if not whole or not rising or not named or len(counts) != len(edges or values or ()) + 1:
        raise ValueError(f"the bins of column `{name}` are not those of a profile")
    return Bins(edges, values, counts)
