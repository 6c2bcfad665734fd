"""What a validation found, as facts for a receipt and as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci.contract.judge import CLIP
from mlci.contract.schema import Severity

if TYPE_CHECKING:
    from mlci.contract.parts import Part

_CELL = 40


@dataclass(frozen=True)
class Violation:
    """A rule that is broken: how often, some rows, and the rule's line in the contract (None: a rule of the file).

    `column` is empty for rules of the whole table. A sample maps columns to values; `(file)`, `(row)` (1 is the first),
    `(rows)` and `(problem)` are about the row. `found` says what was found where that is no number of rows. `tolerance`
    is the share of rows that may break the rule, and `tolerated` whether no more do. `random` are more rows, of all
    those that break it, and `files` how many there are in which file, the most first.
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

    `fallback` are the rules that jsonschema-rs judged, for some rows. `parts` is what is known of each file.
    """

    rows: int
    files: int
    columns: tuple[tuple[str, str], ...]
    violations: tuple[Violation, ...]
    contract: Path
    fallback: tuple[Left, ...] = ()
    parts: Mapping[Path, Part] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every rule is kept that has to be."""
        return not any(v.blocks for v in self.violations)

    @property
    def summary(self) -> str:
        """One line: `176,420 rows, 12 columns: 2 rules violated, 31 times`."""
        seen = f"{_many(self.rows, 'row')}, {_many(len(self.columns), 'column')}"
        blocking = [v for v in self.violations if v.blocks]
        unreadable = sum(v.rule == "readable" for v in blocking)
        rules = len(blocking) - unreadable
        times = sum(v.count for v in blocking if v.rule != "readable" and not v.found)
        others = len(self.violations) - len(blocking)
        parts = [f"{_many(unreadable, 'file')} unreadable"] if unreadable else []
        parts += [f"{_many(rules, 'rule')} violated"] if rules else []
        parts += [_many(times, "time")] if times else []
        parts += [] if blocking else ["all rules kept"]
        parts += [_many(others, "warning")] if others else []
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
                    "files": [{"file": file, "count": count} for file, count in v.files],
                    "samples": [_plain_row(row) for row in v.samples],
                    "random": [_plain_row(row) for row in v.random],
                }
                for v in self.violations
            ],
            "fallback": [{"column": left.column, "rule": left.rule, "rows": left.rows} for left in self.fallback],
        }


def render(report: Report, *, color: bool) -> str:
    """The report for a terminal: the summary, then each violated rule with its sample rows."""
    bold, red, dim = (_paint(code, color) for code in ("1", "31", "2"))
    lines = [bold(report.summary)]
    for violation in report.violations:
        lines.append("")
        mark = red("✗") if violation.blocks else dim("!")
        lines.append(f"{mark} {bold(_safe(violation.column) or 'the table')}  {_said(violation, report)}")
        if violation.line:
            lines.append(dim(f"  {_safe(str(report.contract))}:{violation.line}"))
        lines += [dim(line) if i == 0 else line for i, line in enumerate(_grid(violation.samples))]
    for left in report.fallback:
        rule = f"{left.column}.{left.rule}" if left.column else left.rule
        lines += ["", dim(f"{_safe(rule)}: {_many(left.rows, 'row')} judged by jsonschema-rs, row by row")]
    return "\n".join(lines)


def _said(violation: Violation, report: Report) -> str:
    said = f"{violation.rule}: expected {_safe(violation.expected)}"
    if violation.rule == "readable":
        return said
    if violation.found:
        return f"{said}; found {_safe(violation.found)}{_meant(violation)}"
    share = f" ({_share(violation.count / report.rows)})" if report.rows else ""
    return f"{said}; {_many(violation.count, 'row')}{share}{_meant(violation)}"


def _meant(violation: Violation) -> str:
    if violation.tolerated:
        return f", of which {_share(violation.tolerance)} are tolerated"
    return "" if violation.severity == "error" else ", a warning"


def _share(share: float) -> str:
    return "less than 0.01 %" if 0 < share < 0.0001 else f"{share:.2%}".replace("%", " %")


def _grid(samples: tuple[dict[str, Any], ...]) -> list[str]:
    """Samples as an aligned table, numbers to the right; the first line names the columns."""
    names = list(dict.fromkeys(name for row in samples for name in row))
    if not names:
        return []
    table = [[_cut(_safe(name)) for name in names]]
    table += [[_cut(_safe(_written(row.get(name)))) for name in names] for row in samples]
    widths = [max(len(row[i]) for row in table) for i in range(len(names))]
    numeric = [all(isinstance(row.get(name), (int, float, type(None))) for row in samples) for name in names]
    sides = [f"{'>' if right else '<'}{width}" for right, width in zip(numeric, widths, strict=True)]
    lines = ("  ".join(format(cell, side) for cell, side in zip(row, sides, strict=True)) for row in table)
    return [f"    {line}".rstrip() for line in lines]


def _written(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(plain(value))


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


def _safe(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _paint(code: str, color: bool) -> Any:
    return lambda text: f"\x1b[{code}m{text}\x1b[0m" if color else text
