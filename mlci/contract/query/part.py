"""What one file is under a contract: enough to judge any set of files that it is in, without reading it again.

A part names no file, so it can be kept by the digest of the file's bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from mlci.contract.query.judge import Sample
from mlci.contract.query.keys import Key, Span

Rule = tuple[str, str]
"""A column and a keyword: what a check is known by."""


@dataclass(frozen=True)
class Broken:
    """How often a file breaks a rule, its first such rows, and some picked from all of them."""

    count: int
    first: tuple[Sample, ...] = ()
    random: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Part:
    """One file: its rows, its columns with their types, the rules it breaks, and for each key where its values are.

    `states` are what the rules of the table are judged from. `left` says how many rows were left to the fallback, by
    rule. `problem` says why the file cannot be read.
    """

    rows: int = 0
    columns: tuple[tuple[str, str], ...] = ()
    broken: Mapping[Rule, Broken] = field(default_factory=dict)
    left: Mapping[Rule, int] = field(default_factory=dict)
    spans: Mapping[Key, Span] = field(default_factory=dict)
    states: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; what is empty is left out."""
        return {
            "rows": self.rows,
            "columns": [list(column) for column in self.columns],
            "broken": [[*rule, asdict(found)] for rule, found in self.broken.items()],
            "left": [[*rule, n] for rule, n in self.left.items()],
            "spans": [[list(key), astuple(span)] for key, span in self.spans.items()],
            "states": dict(self.states),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Part:
        """Read what `to_json` wrote."""
        return cls(
            found["rows"],
            tuple((name, kind) for name, kind in found["columns"]),
            {(column, rule): _broken(one) for column, rule, one in found["broken"]},
            {(column, rule): n for column, rule, n in found["left"]},
            {tuple(key): Span(*span) for key, span in found["spans"]},
            found["states"],
        )


def _broken(found: Mapping[str, Any]) -> Broken:
    first, random = (tuple(Sample(**row) for row in found[name]) for name in ("first", "random"))
    return Broken(found["count"], first, random)
