"""Most of the official JSON-Schema-Test-Suite, draft 2020-12 (commit 44401e0c): each test is a row of a table.

`python -m bench.run conformance` writes the scoreboard of docs/contract-conformance.md anew.
"""

from __future__ import annotations

import pytest

from bench import conformance
from bench.conformance import scores

REFUSED = {
    "": {"unevaluatedItems": 2, "unevaluatedProperties": 2},
    "optional": {"format-assertion": 4},
    "optional/format": {},
}
"""How many tests of a file have a schema that is refused: remote documents, dynamic references, own vocabularies."""
REASONS = ("in another document", "`$dynamicRef` is not supported", "the dialect must be draft 2020-12")


@pytest.mark.parametrize("part", list(REFUSED))
def test_every_verdict_is_the_expected_one(part):
    assert scores(part).wrong == []


@pytest.mark.parametrize("part", list(REFUSED))
def test_only_remote_and_dynamic_references_and_own_vocabularies_are_refused(part):
    assert dict(scores(part).refused) == REFUSED[part]
    assert all(any(reason in found for reason in REASONS) for found in scores(part).reasons)


def test_no_test_is_lost():
    assert {part: scores(part).tests for part in REFUSED} == {"": 1137, "optional": 159, "optional/format": 667}


def test_the_engine_decides_nearly_all_of_the_required_tests():
    assert scores("").by["duckdb"] >= 1110


def test_the_scoreboard_of_the_docs_is_this_one():
    page = conformance.DOCS.read_text(encoding="utf-8")
    assert conformance.marked("ours", conformance.ours()) in page
    for part in REFUSED:
        assert f"| {' | '.join(conformance.row_beside(part))} |" in page


def test_the_page_keeps_what_is_written_by_hand():
    old, new = conformance.marked("ours", "old"), conformance.marked("ours", r"new \1")
    beside = conformance.marked("beside", "b")
    page = conformance.written(f"# Title\n{old}\nprose\n{beside}\nend\n", f"{new}\n\n{beside}")
    assert page == f"# Title\n{new}\nprose\n{beside}\nend\n"
