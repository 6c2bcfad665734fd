"""What the report says of the gate's suites, on the page and in Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlci.report import html, markdown, suite_pages
from tests.unit.report.report_runs import RUNS, digest

PAGE = f"suites/{digest('the page of deepchecks')[7:]}.html"


def test_a_suite_stands_with_its_verdict_its_findings_and_a_link_to_its_page() -> None:
    page = html(RUNS["gate"]())
    assert f'href="{PAGE}"' in page
    for said in ("deepchecks:full", "42 checks on 28,120 rows", "Feature Drift", "numerical drift score", "0.41"):
        assert said in page
    assert page.index("Feature Drift") < page.index("Weak Segments") < page.index("BoostingOverfit")
    assert "command: python profit.py" in page and "3 checks" in page


def test_the_markdown_has_the_findings_but_not_the_notes() -> None:
    text = markdown(RUNS["gate"]())
    assert "❌ `deepchecks:full`: 42 checks on 28,120 rows" in text
    assert "Feature Drift" in text and "Weak Segments" in text
    assert "BoostingOverfit" not in text
    assert "✅ `command: python profit.py`" in text


def test_the_pages_to_put_beside_the_report_are_known_by_their_digests() -> None:
    assert suite_pages(RUNS["gate"]()) == {digest("the page of deepchecks"): PAGE}


@pytest.mark.parametrize("wrong", ["../../etc/passwd", "sha256:abc", "javascript:alert(1)", 3, None, ["sha256:1"]])
def test_a_page_that_is_not_named_by_a_digest_is_not_linked(wrong) -> None:
    run = RUNS["gate"]()
    steps = []
    for step in run.steps:
        if step.name == "gate":
            facts = step.receipt.facts
            facts = {**facts, "suites": [{**one, "html": wrong} for one in facts["suites"]]}
            steps.append(replace(step, receipt=replace(step.receipt, facts=facts)))
        else:
            steps.append(step)
    run = replace(run, steps=tuple(steps))
    assert suite_pages(run) == {}
    assert "its own page" not in html(run)
