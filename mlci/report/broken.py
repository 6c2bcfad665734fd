"""The rules that data breaks, read from the facts of a validation for the page and the Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlci.report import facts, words

Level = Literal["fail", "warn", "tolerated"]
LEVELS: dict[Level, str] = {"fail": "fails", "warn": "warns", "tolerated": "tolerated"}
CAUSES = {"data": "the data", "contract": "the contract", "both": "the data and the contract"}
"""What changed since the last validation that passed, in words."""
_ORDER = tuple(LEVELS)


@dataclass(frozen=True)
class Broken:
    """A broken rule. `share` is of the rows, None for a rule that does not count them; `found` says what it found.

    `since` says what changed since the last validation that passed, `was` what the rule was then.
    """

    column: str
    rule: str
    expected: str
    count: float | None
    found: str
    share: float | None
    level: Level
    tolerance: float
    files: tuple[tuple[str, float], ...]
    samples: tuple[dict[str, Any], ...]
    random: tuple[dict[str, Any], ...]
    cause: str
    since: str

    @property
    def columns(self) -> set[str]:
        """The columns that it is about; a key has several."""
        return {part.strip() for part in self.column.split(",")}

    @property
    def judged(self) -> str:
        """`fails`, `warns`, `tolerated: up to 0.1%`."""
        return f"tolerated up to {words.share(self.tolerance, 1)}" if self.level == "tolerated" else LEVELS[self.level]

    @property
    def times(self) -> str:
        """How many rows, or what was found instead."""
        return f"found {words.line(self.found, 60)}" if self.found else words.number(self.count)


def broken(found: dict[str, Any]) -> list[Broken]:
    """The violations of a validation, in the contract's order."""
    rows = facts.number(found.get("rows"))
    violations = facts.objects(found.get("violations"))
    since = facts.objects(facts.mapping(found.get("since")).get("rules"))
    beside = since if len(since) == len(violations) else [{}] * len(violations)
    return [_broken(one, rows, then) for one, then in zip(violations, beside, strict=True)]


def _broken(one: dict[str, Any], rows: float | None, since: dict[str, Any]) -> Broken:
    count, found = facts.number(one.get("count")), facts.text(one.get("found"))
    tolerated, warns = one.get("tolerated") is True, one.get("severity") == "warn"
    files = ((facts.text(f.get("file")), facts.number(f.get("count")) or 0.0) for f in facts.objects(one.get("files")))
    return Broken(
        column=words.line(one.get("column") or "the table", 120),
        rule=words.line(one.get("rule", ""), 80),
        expected="" if one.get("expected") is None else cell(one.get("expected")),
        count=count,
        found=found,
        share=count / rows if count is not None and rows and 0 <= count <= rows and not found else None,
        level="tolerated" if tolerated else "warn" if warns else "fail",
        tolerance=facts.number(one.get("tolerance")) or 0.0,
        files=tuple(files),
        samples=tuple(facts.objects(one.get("samples"))),
        random=tuple(facts.objects(one.get("random"))),
        cause=facts.text(since.get("cause")),
        since=facts.text(since.get("says")),
    )


@dataclass(frozen=True)
class Column:
    """A column of the data, or one that only rules speak of: how many rules it has, and those that it breaks."""

    name: str
    type: str
    rules: int
    broken: tuple[Broken, ...]

    @property
    def worst(self) -> Broken | None:
        """The rule that is broken worst: one that fails before one that warns, then by its share of the rows."""
        return min(self.broken, key=lambda one: (_ORDER.index(one.level), -(one.share or 0.0)), default=None)


def columns(found: dict[str, Any], rules: Sequence[Broken]) -> list[Column]:
    """All columns, those with broken rules first, the worst before the others; then in the order of the data."""
    types = {facts.text(c.get("name")): words.line(c.get("type", ""), 60) for c in facts.objects(found.get("columns"))}
    asked = facts.mapping(found.get("rules"))
    of: dict[str, list[Broken]] = {name: [] for name in types}
    for one in rules:
        for name in [one.column] if one.column in types else sorted(one.columns):
            of.setdefault(name, []).append(one)
    made = [Column(n, types.get(n, ""), len(facts.mapping(asked.get(n))), tuple(some)) for n, some in of.items()]
    return sorted(made, key=_badness)


def _badness(column: Column) -> tuple[int, float]:
    worst = column.worst
    return (_ORDER.index(worst.level), -(worst.share or 0.0)) if worst else (len(_ORDER), 0.0)


def sample_columns(one: Broken, samples: Sequence[dict[str, Any]], types: Sequence[dict[str, Any]]) -> list[str]:
    """The columns of sample rows: those at fault first, then what is said about the row, then as in the data."""
    hit = one.columns
    order = {str(known.get("name")): n for n, known in enumerate(types)}
    names = {str(name) for row in samples for name in row}
    return sorted(
        names, key=lambda name: (name not in hit, not name.startswith("("), order.get(name, len(order)), name)
    )


def taken_at_random(one: Broken) -> list[dict[str, Any]]:
    """The random rows that are not among the first ones."""
    return [row for row in one.random if row not in one.samples]


def cell(value: Any) -> str:
    """A value of a row; null is told apart from an empty string."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return words.line(", ".join(cell(one) for one in value[:50]), 200)
    return words.line(value, 200) if value != "" else '""'
