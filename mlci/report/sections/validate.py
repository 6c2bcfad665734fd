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
        [_samples(one) for one in broken[:_VIOLATIONS]],
        markup.more(_VIOLATIONS, len(broken), "more broken rules"),
        _columns(columns),
    )


def _overview(broken: list[dict[str, Any]], rows: float | None) -> Markup:
    counts = [facts.number(one.get("count")) for one in broken]
    # A rule of the whole file, such as a missing column, may count more than there are rows, or nothing.
    whole = max([rows or 0.0, *(count or 0.0 for count in counts)])
    lines = [
        (
            tag("code", _name(one)),
            tag("code", words.line(one.get("rule", ""), 80)),
            markup.prose(expected(one), 120),
            words.number(count),
            words.share(count, whole) if count is not None else "–",
            markup.bar((count or 0.0) / whole if whole else 0.0, "fail"),
        )
        for one, count in list(zip(broken, counts, strict=True))[:_VIOLATIONS]
    ]
    head = ("Column", "Rule", "Expected", "Rows that break it", "Share", "")
    return markup.table(head, lines, numbers=(3, 4), label="Broken rules")


def _samples(one: dict[str, Any]) -> Markup | None:
    samples = facts.objects(one.get("samples"))
    if not samples:
        return None
    at_fault = {part.strip() for part in _name(one).split(",")}
    names = list(dict.fromkeys(str(name) for row in samples[:_SAMPLES] for name in row))
    names.sort(key=lambda name: name not in at_fault)
    shown = names[:_COLUMNS]
    rows = [
        [tag("span", cell(row.get(name)), class_="hit" if name in at_fault else None) for name in shown]
        for row in samples[:_SAMPLES]
    ]
    title = join("Rows that break ", tag("code", _name(one)), " ", tag("code", words.line(one.get("rule", ""), 80)))
    return join(
        tag("h3", title),
        markup.table([words.line(n, 80) for n in shown], rows, label=f"Sample rows for {_name(one)}"),
        markup.more(_COLUMNS, len(names), "more columns"),
    )


def _columns(columns: list[dict[str, Any]]) -> Markup | None:
    if not columns:
        return None
    rows = [(tag("code", words.line(c.get("name", ""), 120)), words.line(c.get("type", ""), 60)) for c in columns[:500]]
    return markup.details(
        words.count(len(columns), "column"),
        markup.table(("Column", "Type"), rows, label="Columns"),
        markup.more(500, len(columns)),
    )


def _name(one: dict[str, Any]) -> str:
    return words.line(one.get("column", ""), 120)


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
