"""What a validation found, and as the facts of a receipt. `text` writes it for a terminal, `sarif` for other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mlci.contract.language.schema import Severity
from mlci.contract.query.judge import CLIP
from mlci.contract.query.part import Part


@dataclass(frozen=True)
class Violation:
    """A rule that is broken: how often, some rows, and the rule's line in the contract (None: a rule of the file).

    `column` is empty for rules of the whole table. A sample maps columns to values; `(file)`, `(row)` (1 is the first),
    `(rows)` and `(problem)` are about the row. `found` says what was found where that is no number of rows. `tolerance`
    is the share of rows that may break the rule, and `tolerated` whether no more do. `random` are more rows, of all
    those that break it, and `files` how many there are in which file, the most first. `where` is the file of the
    rule where that is not the contract: the config, in whose folder it is.
    """

    column: str
    rule: str
    expected: str
    count: int
    samples: tuple[dict[str, Any], ...]
    line: int | None = None
    found: str = ""
    severity: Severity = "error"
    tolerance: float = 0.0
    tolerated: bool = False
    random: tuple[dict[str, Any], ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    where: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the data fails for it."""
        return self.severity == "error" and not self.tolerated


@dataclass(frozen=True)
class Left:
    """How many rows the engine could not judge exactly by a rule, so that jsonschema-rs did."""

    column: str
    rule: str
    rows: int


@dataclass(frozen=True)
class Report:
    """The result of a validation. `columns` are (name, type as DuckDB or the file's form has it).

    `fallback` are the rules that jsonschema-rs judged, for some rows; `rules` all that the contract asks for, as
    (column, rule, what it asks). `parts` is what is known of each file.
    """

    rows: int
    files: int
    columns: tuple[tuple[str, str], ...]
    violations: tuple[Violation, ...]
    contract: Path
    fallback: tuple[Left, ...] = ()
    rules: tuple[tuple[str, str, str], ...] = ()
    parts: Mapping[Path, Part] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every rule is kept that has to be."""
        return not any(v.blocks for v in self.violations)

    @property
    def summary(self) -> str:
        """One line: `176,420 rows, 12 columns: 2 rules violated, 31 times`."""
        seen = f"{many(self.rows, 'row')}, {many(len(self.columns), 'column')}"
        blocking = [v for v in self.violations if v.blocks]
        unreadable = sum(v.rule == "readable" for v in blocking)
        rules = len(blocking) - unreadable
        times = sum(v.count for v in blocking if v.rule != "readable" and not v.found)
        others = len(self.violations) - len(blocking)
        parts = [f"{many(unreadable, 'file')} unreadable"] if unreadable else []
        parts += [f"{many(rules, 'rule')} violated"] if rules else []
        parts += [many(times, "time")] if times else []
        parts += [] if blocking else ["no rule violated" if others else "all rules kept"]
        parts += [many(others, "warning")] if others else []
        return f"{seen}: {', '.join(parts)}"

    def facts(self) -> dict[str, Any]:
        """The facts of a receipt: plain JSON, without NaN."""
        return {
            "rows": self.rows,
            "files": self.files,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns],
            "violations": [
                {
                    "column": v.column,
                    "rule": v.rule,
                    "expected": v.expected,
                    "count": v.count,
                    "found": v.found,
                    "severity": v.severity,
                    "tolerance": v.tolerance,
                    "tolerated": v.tolerated,
                    "line": v.line,
                    "where": v.where,
                    "files": [{"file": file, "count": count} for file, count in v.files],
                    "samples": [_plain_row(row) for row in v.samples],
                    "random": [_plain_row(row) for row in v.random],
                }
                for v in self.violations
            ],
            "fallback": [{"column": left.column, "rule": left.rule, "rows": left.rows} for left in self.fallback],
            "rules": _by_column(self.rules),
        }


def from_facts(facts: dict[str, Any], contract: Path) -> Report:
    """The report whose facts a receipt has kept."""
    keys = [
        name for column, rules in facts.get("rules", {}).items() if "unique" in rules for name in column.split(", ")
    ]
    columns = tuple((column["name"], column["type"]) for column in facts["columns"])

    def ordered(rows: Sequence[dict[str, Any]], column: str) -> tuple[dict[str, Any], ...]:
        # a receipt is canonical JSON, which has lost the order of a row's columns
        first = ("(file)", "(row)", *keys, *column.split(", "), *(name for name, _ in columns))
        return tuple({name: row[name] for name in dict.fromkeys((*first, *row)) if name in row} for row in rows)

    plain_fields = {field.name for field in fields(Violation)} - {"samples", "random", "files"}
    violations = (
        Violation(
            **{key: value for key, value in one.items() if key in plain_fields},
            samples=ordered(one["samples"], one["column"]),
            random=ordered(one.get("random", ()), one["column"]),
            files=tuple((file["file"], file["count"]) for file in one.get("files", ())),
        )
        for one in facts["violations"]
    )
    left = tuple(Left(**one) for one in facts.get("fallback", ()))
    return Report(facts["rows"], facts["files"], columns, tuple(violations), contract, left)


def _by_column(rules: tuple[tuple[str, str, str], ...]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for column, rule, asks in rules:
        found.setdefault(column, {})[rule] = asks
    return found


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN as a word, long text cut, what JSON does not know as text."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    text = str(value)
    return text if len(text) <= CLIP else f"{text[: CLIP - 1]}…"


def many(n: int, noun: str) -> str:
    """`1 row`, `12,345 rows`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
