"""What the suites of the gate found: the worst first, with a link to the page of each."""

from __future__ import annotations

import re
from typing import Any

from mlci.evidence.record import Run
from mlci.report import facts, markup, words
from mlci.report.markup import Markup, join, tag

PAGES = "suites"
"""The folder of the suites' own pages, beside the report."""
_SUITES, _FINDINGS = 20, 50
_STATES = {"error": ("fail", "error"), "warn": ("inconclusive", "warning"), "note": ("skipped", "note")}


def page_of(suite: dict[str, Any]) -> str | None:
    """Where a suite's page is, seen from the report; None when it made none."""
    digest = re.fullmatch(r"sha256:([0-9a-f]{64})", facts.text(suite.get("html")))
    return f"{PAGES}/{digest[1]}.html" if digest else None


def suite_pages(run: Run) -> dict[str, str]:
    """The pages that a report links to: their digests in the store, and where they are, seen from the report."""
    ran = [one for step in run.steps for one in facts.objects(facts.of(step).get("suites"))]
    return {facts.text(one["html"]): page for one in ran if (page := page_of(one))}


def suites(found: dict[str, Any]) -> Markup | None:
    """Every suite with its verdict and findings; None when the gate has none."""
    ran = facts.objects(found.get("suites"))[:_SUITES]
    return join(tag("h3", "Suites"), [_suite(one) for one in ran]) if ran else None


def _suite(suite: dict[str, Any]) -> Markup:
    findings = facts.objects(suite.get("findings"))
    page = page_of(suite)
    link = tag("a", "its own page", href=page, rel="noopener noreferrer") if page else None
    head = tag(
        "p",
        tag("code", words.line(suite.get("name", ""), 120)),
        " ",
        markup.status(facts.text(suite.get("verdict"))),
        f" {about(suite)}" + (", " if link else ""),
        link,
    )
    rows = [
        (
            markup.status(*_STATES.get(facts.text(one.get("severity")), ("fail", "error"))),
            words.line(one.get("title", ""), 200),
            markup.prose(one.get("checked", "")),
            markup.prose(one.get("detail", ""), 600),
        )
        for one in findings[:_FINDINGS]
    ]
    table = markup.table(("", "Finding", "Checked", "Found"), rows, label=words.line(suite.get("name", ""), 80))
    return join(head, table if rows else None, markup.more(_FINDINGS, len(findings), "more findings"))


def about(suite: dict[str, Any]) -> str:
    """How much a suite checked, in words."""
    checks, rows = facts.number(suite.get("checks")), facts.number(suite.get("rows"))
    return " on ".join(
        words.count(value, noun) for value, noun in ((checks, "check"), (rows, "row")) if value is not None
    )
