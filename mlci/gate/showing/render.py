"""The report as an aligned table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlci.gate import words

if TYPE_CHECKING:
    from mlci.gate.deciding.decide import Judged
    from mlci.gate.gate import Report
    from mlci.gate.slicing.search import Searched

_COLORS = {"pass": "32", "fail": "31", "inconclusive": "33"}
WORST_SLICES = 5
Row = tuple[str, ...]


def render(report: Report, *, color: bool = False) -> str:
    """What was judged, in plain text; with ANSI colours for the verdicts when `color`."""
    rows: list[Row] = [("metric", "challenger", "champion", "difference", "rule", "verdict")]
    for one in report.metrics:
        rows += _metric(one)
    share = f", {words.many(report.positives, 'positive')}" if report.positives is not None else ""
    head = (
        f"{words.many(report.rows, 'row')}{share}; each end of an interval is a bound at {100 * report.confidence:g} %"
    )
    parts = [f"{_paint('pass' if report.passed else 'fail', color)}: {report.summary}", head]
    if report.metrics:
        parts.append(_table(rows, color))
        parts.append(_sight(report))
    if report.remarks:
        parts.append("\n".join(f"- {one}" for one in report.remarks))
    if len(report.objections) > 1:
        parts.append("\n".join(f"- {one}" for one in report.objections))
    if report.slices or report.skipped or report.searched:
        parts.append(_slices(report, color))
    if report.size is not None:
        limit = f" of {words.size(report.size.max)}" if report.size.max is not None else ""
        beside = f", the champion's {words.size(report.size.champion)}" if report.size.champion is not None else ""
        parts.append(f"size {words.size(report.size.bytes)}{limit}{beside}  {_paint(report.size.verdict, color)}")
    return "\n\n".join(parts) + "\n"


def _sight(report: Report) -> str:
    """What this gate can see at all: the smallest regressions, and the planted models that it was tried on."""
    seen = [
        f"{m.measured.name} {m.measured.detectable:.2g}" for m in report.metrics if m.measured.detectable is not None
    ]
    lines = [f"four of five times these rows show a regression of {', '.join(seen)} or more"] if seen else []
    if report.self_test is not None:
        right = sum(one.right for one in report.self_test.planted)
        lines.append(f"self-test: {right} of {words.many(len(report.self_test.planted), 'planted model')} judged right")
    if report.family > 1:
        lines.append(f"Holm over {report.family} rules against the champion at {100 * (1 - report.confidence):.3g} %")
    return "\n".join(lines)


def _metric(one: Judged) -> list[Row]:
    seen = one.measured
    shown = (
        seen.name,
        words.estimate(seen.challenger),
        words.estimate(seen.champion) if seen.champion else "–",
        words.difference(seen.difference) if seen.difference else "–",
    )
    rules: list[Row] = [(f"{rule.rule} {words.plain(rule.limit)}", rule.verdict) for rule in one.rulings] or [
        ("–", "–")
    ]
    return [(*(shown if i == 0 else ("",) * 4), *rule) for i, rule in enumerate(rules)]


def _slices(report: Report, color: bool) -> str:
    """The slices that are worst off; the receipt has all of them."""
    rows: list[Row] = [("slice", "rows", report.slice_metric or "", "gap", "verdict")]
    for one in sorted(report.slices, key=lambda s: -s.gap)[:WORST_SLICES]:
        gap = f"{round(one.gap, 3) + 0.0:+.3f}".replace("-", "−")
        name = f"{one.by} = {one.value}{' (by search)' if one.found == 'search' else ''}"
        rows.append((name, f"{one.rows:,}", words.estimate(one.estimate), gap, one.verdict))
    lines = [_table(rows, color)] if report.slices else []
    left = len(report.slices) - WORST_SLICES
    if left > 0:
        lines.append(f"and {words.many(left, 'slice')} with smaller gaps")
    if report.searched is not None:
        lines.append(_searched(report.searched))
    lines += [f"{s.by}: {words.many(s.groups, 'group')} not judged, {s.reason}" for s in report.skipped]
    return "\n".join(lines)


def _searched(found: Searched) -> str:
    """What the worst slices are the worst of."""
    of = words.many(len(found.features), "column") + (" and of each two" if found.depth > 1 else "")
    left = ", ".join(f"{name} ({reason})" for name, reason in found.left_out)
    return f"searched {words.many(found.candidates, 'slice')} of {of}" + (f"; not searched: {left}" if left else "")


def _table(rows: list[Row], color: bool) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*padded, _paint(row[-1], color)]).rstrip())
    return "\n".join(lines)


def _paint(verdict: str, color: bool) -> str:
    return f"\x1b[{_COLORS[verdict]}m{verdict}\x1b[0m" if color and verdict in _COLORS else verdict
