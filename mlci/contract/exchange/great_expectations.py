"""Great Expectations: a suite as JSON, of version 0.18 (`expectation_type`) or 1.x (`type`)."""

from __future__ import annotations

from pathlib import Path

from mlci.contract.exchange import expectations
from mlci.contract.exchange.draft import Draft, document, expect


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of a suite."""
    del wanted  # a file is one suite
    suite = expect(document(source, folder), dict, "suite of Great Expectations", source)
    draft = Draft(about={"title": str(suite.get("name") or suite.get("expectation_suite_name") or "")})
    draft.about = {name: text for name, text in draft.about.items() if text}
    for one in expect(suite.get("expectations"), list, "suite of Great Expectations", source):
        kind = str(one.get("type") or one.get("expectation_type"))
        column = str(one.get("kwargs", {}).get("column", ""))
        if one.get("severity") not in (None, "critical"):
            draft.left(column, f"severity {one['severity']!r} of {kind}: here the rule is an error")
        expectations.expect(kind, dict(one.get("kwargs", {})), draft)
    return draft
