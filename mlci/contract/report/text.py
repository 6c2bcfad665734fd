"""A report for a terminal: the summary, then each broken rule with rows that break it and the files they are in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlci.contract.report import Report, Violation, many, plain

_CELL = 40
_FILES = 5
"""So many files of a rule are named."""


def render(report: Report, *, color: bool, remarks: Sequence[str] = ()) -> str:
    """The report as text. `remarks` are said under the violations, one for each in their order; empty: nothing."""
    bold, red, dim = (_paint(code, color) for code in ("1", "31", "2"))
    lines = [bold(report.summary)]
    for i, violation in enumerate(report.violations):
        mark = red("✗") if violation.blocks else dim("!")
        lines += ["", f"{mark} {bold(_safe(violation.column) or 'the table')}  {_said(violation, report)}"]
        if violation.line:
            lines.append(dim(f"  {_safe(violation.where or _from_here(report.contract))}:{violation.line}"))
        header, *rows = _rows(violation) or [""]
        lines += [dim(header)] * bool(header) + rows
        remark = remarks[i] if i < len(remarks) else ""
        files = "" if remark and len(violation.files) == 1 else _files(violation, report.files)
        lines += [f"  {line}" for line in (files, _safe(remark)) if line]
    for left in report.fallback:
        rule = f"{left.column}.{left.rule}" if left.column else left.rule
        lines += ["", dim(f"{_safe(rule)}: {many(left.rows, 'row')} judged by jsonschema-rs, row by row")]
    return "\n".join(lines)


def _from_here(file: Path) -> str:
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def _said(violation: Violation, report: Report) -> str:
    said = f"{violation.rule}: expected {_safe(violation.expected)}"
    if violation.rule == "readable":
        return said
    if violation.found:
        return f"{said}; found {_safe(violation.found)}{_meant(violation)}"
    rows = f" ({share(violation.count / report.rows)})" if report.rows else ""
    return f"{said}; {many(violation.count, 'row')}{rows}{_meant(violation)}"


def _meant(violation: Violation) -> str:
    warns = "" if violation.severity == "error" else ", a warning"
    if not violation.tolerance:
        return warns
    bound = "tolerated up to" if violation.tolerated else "more than the tolerated"
    return f", {bound} {share(violation.tolerance)} of the rows{warns}"


def share(part: float) -> str:
    """A share of the rows in percent; a little is never shown as nothing."""
    return "less than 0.01 %" if 0 < part < 0.0001 else f"{part:.2%}".replace("%", " %")


def _rows(violation: Violation) -> list[str]:
    """The first rows, then the ones taken at random, in one grid."""
    taken = tuple(row for row in violation.random if row not in violation.samples)
    lines = _grid((*violation.samples, *taken))
    if taken and violation.samples:
        lines.insert(len(violation.samples) + 1, "    … and at random")
    return lines


def _files(violation: Violation, of: int) -> str:
    """`in 3 of 12 files: a.parquet 12, b.parquet 3, c.parquet 1`; nothing where there is only one."""
    files = violation.files
    if of < 2 or not files:
        return ""
    named = ", ".join(f"{_safe(file)} {count:,}" for file, count in files[:_FILES])
    rest = f" and {many(len(files) - _FILES, 'more file')}" if len(files) > _FILES else ""
    return f"in {len(files):,} of {of:,} files: {named}{rest}"


def _grid(samples: tuple[dict[str, Any], ...]) -> list[str]:
    """Samples as an aligned table, numbers to the right; the first line names the columns."""
    names = list(dict.fromkeys(name for row in samples for name in row))
    if not names:
        return []
    table = [[_cut(_safe(name)) for name in names]]
    table += [[_cell(name, _safe(_written(row.get(name)))) for name in names] for row in samples]
    widths = [max(len(row[i]) for row in table) for i in range(len(names))]
    numeric = [all(isinstance(row.get(name), (int, float, type(None))) for row in samples) for name in names]
    sides = [f"{'>' if right else '<'}{width}" for right, width in zip(numeric, widths, strict=True)]
    lines = ("  ".join(format(cell, side) for cell, side in zip(row, sides, strict=True)) for row in table)
    return [f"    {line}".rstrip() for line in lines]


def _written(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(plain(value))


def _safe(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cell(name: str, text: str) -> str:
    return text if name == "(problem)" else _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _paint(code: str, color: bool) -> Any:
    return lambda text: f"\x1b[{code}m{text}\x1b[0m" if color else text
