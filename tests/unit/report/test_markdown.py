"""The Markdown of a run: the page's facts, within GitHub's limits, and no markup out of text of others."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.report import gfm, markdown
from mlci.report.md import LIMIT
from tests.unit.report import report_runs
from tests.unit.report.report_runs import RUNS, hostile

PAYLOADS = [
    "@everyone see #1 and GH-2, owner/repo#3 https://evil.example www.evil.example a@b.example",
    "<img src=x> <details> <!-- </summary>",
    "| a | b | \\| c",
    "`code` ``` fence ~~~ $math$ :tada: :100:",
    "[link](https://evil.example) ![image](x) [ref]: x",
    "**bold** __under__ ~~gone~~ # heading",
    "- list\n1. numbered\n> quote\n---\n===",
    '"] --> end; click s0 "javascript:alert(1)"',
    "\u202e\x1b[31m \ud800",
]


def outside_code(text: str) -> str:
    """The Markdown without fenced blocks and code spans, read as CommonMark does: a span ends at an equal run."""
    kept, fence = [], ""
    for line in text.splitlines():
        mark = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif mark:
            fence = mark[0]
        else:
            kept.append(line)
    assert not fence
    return re.sub(r"(?<![`\\])(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", "\n".join(kept))


@pytest.mark.parametrize("name", RUNS)
def test_the_verdict_comes_first(name: str) -> None:
    first = markdown(RUNS[name]()).splitlines()[0]
    assert re.match(r"## (✅|❌|↩️|⚠️) flights: (It|No) ", first)


def test_it_has_the_numbers_the_reasons_and_the_plots() -> None:
    text = markdown(report_runs.taken_back())
    for said in (
        "```mermaid",
        's8["deploy:production<br/>taken back"]:::rolledback',
        "| `roc_auc` | 0.739 (0.734 to 0.744) |",
        "├",
        "▇",
        "new version's share",
        "| `gate` | ✅ met |",
        f"`{report_runs.digest('model')}`",
        "with changes that are not committed",
    ):
        assert said in text, said


def test_broken_data_is_shown_with_column_rule_count_share_and_rows() -> None:
    text = markdown(report_runs.stopped_by_the_data())
    for said in (
        "| `distance` | `minimum` | 0 | 1,204 | 0.725% | ❌ fails | the data and the contract |",
        "| `dep_delay` | `null` | number | 8,104 | 4.88% | ⚠️ warns | – |",
        "| `dest` | `minLength` | at least 3 characters | 12 | <0.01% | ➖ tolerated up to 0.1% | – |",
        "| found 166,158 | – | ❌ fails |",
        "Since run-000018 of 2026-02-27",
        "Files: `2013-01.parquet` 901, `2013-02.parquet` 204, `2013-03.parquet` 99",
        "… and at random\n-733.0",
        "-1402.0",
    ):
        assert said in text, said


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_of_a_run_becomes_markup(name: str, payload: str) -> None:
    clean = markdown(RUNS[name]())
    text = markdown(hostile(RUNS[name](), payload))
    text.encode()
    open_text = re.sub(r"\d\d:\d\d:\d\d UTC", "", outside_code(text))
    assert set(re.findall(r"<[a-zA-Z/!?][^>\n]*>?", open_text)) <= {
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    }
    assert not re.search(
        r"@|://|www\.|#\d|GH-\d|\$|~|(?<!\\)\]\(|:[a-z0-9+_-]+:(?!-)", open_text.replace("| :-- |", "")
    )
    assert len(re.findall(r"^#{2,3} ", open_text, re.M)) == len(re.findall(r"^#{2,3} ", outside_code(clean), re.M))
    assert not re.findall(r"^(?:[-+>] |\d+[.)] |=+$|-{3,}$)(?!\*\*)", open_text, re.M)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_table_keeps_its_columns_whatever_stands_in_it(payload: str) -> None:
    text = gfm.table(("a", "b"), [(gfm.code(payload), gfm.prose(payload))])
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", text.splitlines()[2])
    assert len(cells) == 4


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("`|\\ a<@#$*_[]1.-\n"), max_size=12))
def test_any_text_is_one_line_with_balanced_code(text: str) -> None:
    for made in (gfm.prose(text), gfm.code(text)):
        assert "\n" not in made
        assert "`" not in outside_code(f"x {made}")
        assert "@" not in outside_code(f"x {made}")


@given(text=st.text(st.sampled_from("|\\a"), max_size=8))
def test_pipes_never_end_a_cell(text: str) -> None:
    row = gfm.table(("a",), [(gfm.code(text),)]).splitlines()[2]
    inner = row[2:-2]
    assert all(len(m[1]) % 2 == 1 for m in re.finditer(r"(\\*)\|", inner))


def test_long_runs_stay_below_the_limit_and_say_what_is_missing() -> None:
    made = report_runs.stopped_by_the_data()
    first = made.steps[0]
    steps = [replace(first, name=f"validate:{n}", after=(), summary="ü" * 3000) for n in range(400)]
    text = markdown(replace(made, steps=tuple(steps)))
    assert len(text.encode()) < LIMIT
    assert re.search(r"… and \d+ more steps", text)
    assert "### Lineage" in text


def test_a_run_without_steps_has_its_markdown() -> None:
    assert "This run had no steps" in markdown(report_runs.run("run-000001", 0))
