"""Do the rows keep their contract? A bar for each column, each broken rule with rows that break it, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.broken import CAUSES, Broken, Column, broken, cell, columns, sample_columns, taken_at_random
from mlci.report.markup import Markup, join, tag

_VIOLATIONS, _SAMPLES, _COLUMNS, _FILES = 50, 5, 40, 12
_PILLS = {"fail": "fail", "warn": "error", "tolerated": "unknown"}


def validate(step: StepRecord) -> Markup:
    """What the contract found."""
    found = facts.of(step)
    rows = facts.number(found.get("rows"))
    rules = broken(found)
    types = facts.objects(found.get("columns"))
    files = facts.number(found.get("files"))
    said = facts.text(facts.mapping(found.get("since")).get("says"))
    known = {"Rows": rows, "Files": files}
    return join(
        markup.facts(
            [
                *((name, words.number(value)) for name, value in known.items() if value is not None),
                ("Columns", words.number(len(types)) if types else None),
                ("Rules broken", words.number(len(rules)) if found else None),
            ]
        ),
        tag("p", words.line(_sentence(said), 600), class_="callout") if said else None,
        _bars(columns(found, rules), rows) if rules else None,
        _overview(rules, since=bool(said)) if rules else None,
        [_one(one, types, files) for one in rules[:_VIOLATIONS]],
        markup.more(_VIOLATIONS, len(rules), "more broken rules"),
        _types(types),
    )


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def _bars(found: Sequence[Column], rows: float | None) -> Markup:
    """Each column with its worst rule's share of the rows; columns that keep all rules have an empty bar."""
    shown = found[:_COLUMNS]
    lines = [
        (
            tag("code", words.line(column.name, 120)),
            markup.bar(worst.share or 0.0 if worst else 0.0, _look(worst)) if rows else None,
            (words.share(worst.share, 1) if worst.share is not None else "–") if worst else words.number(0.0),
            _pill(worst) if worst else markup.status("pass", "keeps all"),
            markup.prose(_broken_of(column), 300),
        )
        for column in shown
        for worst in [column.worst]
    ]
    head = ("Column", "", "Rows", "Worst rule", "Rules broken")
    return join(
        tag("h3", "Columns"),
        markup.table(head, lines, numbers=(2,), label="Columns"),
        markup.more(_COLUMNS, len(found), "more columns"),
    )


def _broken_of(column: Column) -> str:
    """`1 of 4: maximum`; the number of rules is not known where they are those of no column."""
    names = ", ".join(dict.fromkeys(one.rule for one in column.broken))
    many = f"{len(column.broken) or 'none'} of {column.rules}" if column.rules >= len(column.broken) else ""
    return ": ".join(filter(None, (many if column.rules else "", names))) or "–"


def _look(one: Broken | None) -> str:
    return "fail" if one and one.level == "fail" else "warn"


def _pill(one: Broken) -> Markup:
    return markup.status(_PILLS[one.level], one.judged)


def _overview(rules: Sequence[Broken], *, since: bool) -> Markup:
    lines = [
        (
            tag("code", one.column),
            tag("code", one.rule),
            markup.prose(one.expected, 120),
            one.times,
            words.share(one.share, 1) if one.share is not None else "–",
            _pill(one),
            *([CAUSES.get(one.cause, "–")] if since else []),
        )
        for one in rules[:_VIOLATIONS]
    ]
    head = ("Column", "Rule", "Expected", "Rows that break it", "Share", "", *(["What changed"] if since else []))
    return join(tag("h3", "Broken rules"), markup.table(head, lines, numbers=(3, 4), label="Broken rules"))


def _one(one: Broken, types: list[dict[str, Any]], files: float | None) -> Markup | None:
    """A rule's own part: what changed, some rows, and the files that they are in."""
    parts = [
        tag("p", words.line(_sentence(one.since), 400)) if one.since else None,
        _samples(one, types),
        _files(one, files),
    ]
    title = join("Rows that break ", tag("code", one.column), " ", tag("code", one.rule))
    return join(tag("h3", title), parts) if any(parts) else None


def _samples(one: Broken, types: list[dict[str, Any]]) -> Markup | None:
    first, more = one.samples[:_SAMPLES], taken_at_random(one)[:_SAMPLES]
    samples = [*first, *more]
    if not samples:
        return None
    names = sample_columns(one, samples, types)
    shown = names[:_COLUMNS]
    rows = [
        [
            *([tag("span", "first" if n < len(first) else "at random", class_="muted")] if more else []),
            *(tag("span", cell(row.get(name)), class_="hit" if name in one.columns else None) for name in shown),
        ]
        for n, row in enumerate(samples)
    ]
    head = [*(["Taken"] if more else []), *(words.line(name, 80) for name in shown)]
    return join(
        markup.table(head, rows, label=f"Sample rows for {one.column}"),
        markup.more(_COLUMNS, len(names), "more columns"),
    )


def _files(one: Broken, files: float | None) -> Markup | None:
    """A bar for each file with broken rows: its part of them. Where all data is one file there is nothing to say."""
    total = sum(count for _, count in one.files)
    if not files or files < 2 or not total:
        return None
    if len(one.files) == 1:
        file = tag("code", words.line(one.files[0][0], 120))
        return None if one.since else tag("p", "All of them are in ", file, ".", class_="muted")
    rows = [
        (
            tag("code", words.line(name, 120)),
            words.number(count),
            words.share(count, total),
            markup.bar(count / total, _look(one)),
        )
        for name, count in one.files[:_FILES]
    ]
    summary = f"They are in {words.number(float(len(one.files)))} of {words.count(files, 'file')}"
    return join(
        tag("p", f"{summary}.", class_="muted"),
        markup.table(("File", "Rows", "Of them", ""), rows, numbers=(1, 2), label=f"Files for {one.column}"),
        markup.more(_FILES, len(one.files), "more files"),
    )


def _types(types: list[dict[str, Any]]) -> Markup | None:
    if not types:
        return None
    rows = [(tag("code", words.line(c.get("name", ""), 120)), words.line(c.get("type", ""), 60)) for c in types[:500]]
    return markup.details(
        words.count(len(types), "column"),
        markup.table(("Column", "Type"), rows, label="Types of the columns"),
        markup.more(500, len(types)),
    )
