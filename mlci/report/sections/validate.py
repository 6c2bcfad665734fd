"""Do the rows keep their contract? Each broken rule with how many rows break it, and some of them."""

from __future__ import annotations

from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.markup import Markup, join, tag

_VIOLATIONS, _SAMPLES, _COLUMNS = 50, 5, 40


def validate(step: StepRecord) -> Markup:
    """What the contract found."""
    found = facts.of(step)
    rows = facts.number(found.get("rows"))
    columns = facts.objects(found.get("columns"))
    broken = facts.objects(found.get("violations"))
    known = {name: facts.number(found.get(name)) for name in ("rows", "files")}
    return join(
        markup.facts(
            [
                *((name.capitalize(), words.number(value)) for name, value in known.items() if value is not None),
                ("Columns", words.number(len(columns)) if columns else None),
                ("Rules broken", words.number(len(broken)) if found else None),
            ]
        ),
        _overview(broken, rows) if broken else None,
        [_samples(one, columns) for one in broken[:_VIOLATIONS]],
        markup.more(_VIOLATIONS, len(broken), "more broken rules"),
        _columns(columns),
    )


def _overview(broken: list[dict[str, Any]], rows: float | None) -> Markup:
    lines = [
        (
            tag("code", column(one)),
            tag("code", words.line(one.get("rule", ""), 80)),
            markup.prose(expected(one), 120),
            words.number(facts.number(one.get("count"))),
            share_of(one, rows),
            markup.bar((facts.number(one.get("count")) or 0.0) / rows, "fail") if rows else None,
        )
        for one in broken[:_VIOLATIONS]
    ]
    head = ("Column", "Rule", "Expected", "Rows that break it", "Share", "")
    return markup.table(head, lines, numbers=(3, 4), label="Broken rules")


def _samples(one: dict[str, Any], columns: list[dict[str, Any]]) -> Markup | None:
    samples = facts.objects(one.get("samples"))[:_SAMPLES]
    if not samples:
        return None
    names = sample_columns(one, samples, columns)
    shown = names[:_COLUMNS]
    hit = _at_fault(one)
    rows = [
        [tag("span", cell(row.get(name)), class_="hit" if name in hit else None) for name in shown] for row in samples
    ]
    title = join("Rows that break ", tag("code", column(one)), " ", tag("code", words.line(one.get("rule", ""), 80)))
    return join(
        tag("h3", title),
        markup.table([words.line(n, 80) for n in shown], rows, label=f"Sample rows for {column(one)}"),
        markup.more(_COLUMNS, len(names), "more columns"),
    )


def sample_columns(one: dict[str, Any], samples: list[dict[str, Any]], columns: list[dict[str, Any]]) -> list[str]:
    """The columns of sample rows: those at fault first, then what is said about the row, then as in the data."""
    hit = _at_fault(one)
    order = {str(known.get("name")): n for n, known in enumerate(columns)}
    names = {str(name) for row in samples for name in row}
    return sorted(
        names, key=lambda name: (name not in hit, not name.startswith("("), order.get(name, len(order)), name)
    )


def _at_fault(one: dict[str, Any]) -> set[str]:
    return {part.strip() for part in column(one).split(",")}


def _columns(columns: list[dict[str, Any]]) -> Markup | None:
    if not columns:
        return None
    rows = [(tag("code", words.line(c.get("name", ""), 120)), words.line(c.get("type", ""), 60)) for c in columns[:500]]
    return markup.details(
        words.count(len(columns), "column"),
        markup.table(("Column", "Type"), rows, label="Columns"),
        markup.more(500, len(columns)),
    )


def column(one: dict[str, Any]) -> str:
    """What a broken rule is about."""
    return words.line(one.get("column") or "the table", 120)


def share_of(one: dict[str, Any], rows: float | None) -> str:
    """The share of the rows that break a rule; a rule that does not count rows has none."""
    count = facts.number(one.get("count"))
    return words.share(count, rows) if count is not None and rows and count <= rows else "–"


def expected(one: dict[str, Any]) -> str:
    """What a rule asks for."""
    value = one.get("expected")
    return "" if value is None else cell(value)


def cell(value: Any) -> str:
    """A value of a row; null is told apart from an empty string."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return words.line(", ".join(cell(one) for one in value[:50]), 200)
    return words.line(value, 200) if value != "" else '""'
