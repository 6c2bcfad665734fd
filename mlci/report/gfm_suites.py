"""What the suites of the gate found, as Markdown."""

from __future__ import annotations

from typing import Any

from mlci.report import facts, gfm, words
from mlci.report.sections.suites import about

_MARKS = {"pass": "✅", "fail": "❌", "error": "❌", "warn": "⚠️", "note": "➖"}
_SUITES, _FINDINGS = 10, 20


def suites(found: dict[str, Any]) -> list[str]:
    """A heading and a table for each suite; empty when the gate has none."""
    out = []
    for suite in facts.objects(found.get("suites"))[:_SUITES]:
        findings = [one for one in facts.objects(suite.get("findings")) if one.get("severity") != "note"]
        verdict = facts.text(suite.get("verdict"))
        out.append(f"{_MARKS.get(verdict, '')} {gfm.code(suite.get('name', ''))}: {about(suite)}".strip())
        rows = [
            (
                _MARKS.get(facts.text(one.get("severity")), "❌"),
                gfm.prose(words.line(one.get("title", ""), 120)),
                gfm.prose(one.get("checked", ""), 160),
                gfm.prose(one.get("detail", ""), 300),
            )
            for one in findings[:_FINDINGS]
        ]
        out.append(gfm.table(("", "Finding", "Checked", "Found"), rows) if rows else "")
        out.append(gfm.more(_FINDINGS, len(findings), "findings"))
    return out
