"""Most of the official JSON-Schema-Test-Suite, draft 2020-12 (commit 44401e0c): each test is a row of a table.

`python -m tests.conformance.test_suite` writes the scoreboard of docs/contract-conformance.md anew.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlci.contract import decide
from mlci.errors import ConfigError

SUITE = Path(__file__).parent / "json-schema"
PAGE = Path(__file__).parents[2] / "docs" / "contract-conformance.md"
REFUSED = {
    "": {"unevaluatedItems": 2, "unevaluatedProperties": 2},
    "optional": {"format-assertion": 4},
    "optional/format": {},
}
"""How many tests of a file have a schema that is refused: remote documents, dynamic references, own vocabularies."""
REASONS = ("in another document", "`$dynamicRef` is not supported", "the dialect must be draft 2020-12")


class Scores(NamedTuple):
    """Tests by who decided, those that went wrong, and those whose schema was refused, with the reasons."""

    by: Counter[str]
    wrong: list[tuple[str, str, str, str]]
    refused: Counter[str]
    reasons: set[str]


@cache
def scores(part: str) -> Scores:
    """All tests of a part of the suite; formats are asserted only in their own part."""
    found = Scores(Counter(), [], Counter(), set())
    for file in sorted((SUITE / part).glob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            _group(file.stem, group, part == "optional/format", found)
    return found


def _group(name: str, group: dict[str, Any], formats: bool, found: Scores) -> None:
    tests = group["tests"]
    try:
        decisions = decide(group["schema"], [test["data"] for test in tests], formats=formats)
    except ConfigError as error:
        found.refused[name] += len(tests)
        found.reasons.update(problem.message for problem in error.problems)
        return
    for test, decision in zip(tests, decisions, strict=True):
        found.by[decision.by] += 1
        if decision.valid != test["valid"]:
            said = "accepted" if decision.valid else "refused"
            found.wrong.append((name, group["description"], test["description"], f"{said} by {decision.by}"))


@pytest.mark.parametrize("part", list(REFUSED))
def test_every_verdict_is_the_expected_one(part):
    assert scores(part).wrong == []


@pytest.mark.parametrize("part", list(REFUSED))
def test_only_remote_and_dynamic_references_and_own_vocabularies_are_refused(part):
    assert dict(scores(part).refused) == REFUSED[part]
    assert all(any(reason in found for reason in REASONS) for found in scores(part).reasons)


def test_no_test_is_lost():
    counts = {part: sum(scores(part).by.values()) + sum(scores(part).refused.values()) for part in REFUSED}
    assert counts == {"": 1137, "optional": 159, "optional/format": 667}


def test_the_engine_decides_nearly_all_of_the_required_tests():
    assert scores("").by["duckdb"] >= 1110


def test_the_scoreboard_of_the_docs_is_this_one():
    assert table() in PAGE.read_text(encoding="utf-8")


NAMES = {"": "required", "optional/format": "formats, asserted", "optional": "other optional"}


def table() -> str:
    """The scoreboard, as Markdown."""
    lines = ["| part | tests | as expected | decided by DuckDB | by the fallback | refused | wrong |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for part, name in NAMES.items():
        by, wrong, refused, _ = scores(part)
        judged = sum(by.values())
        cells = [judged + sum(refused.values()), judged - len(wrong), by["duckdb"], by["fallback"]]
        cells += [sum(refused.values()), len(wrong)]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    start, end = text.index("| part |"), text.index("\n\n", text.index("| part |"))
    PAGE.write_text(text[:start] + table() + text[end:], encoding="utf-8")
