"""The page of a run: what it says, that it needs nothing else, and that nothing of a run becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.evidence.record import Run
from mlci.report import html
from tests.unit.report import report_runs
from tests.unit.report.report_runs import RUNS, hostile

VOID = {"meta", "link", "br", "hr"}
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></text></svg><svg onload=alert(1)>",
    "javascript:alert(1)",
    "https://evil.example/\"onclick='x'",
    "<!-- ]]> &lt;b&gt; &amp;amp; {{7*7}} ${7}",
    "\x00\x07\x1b[31mred\r\nnew line\u2028",
    "\u202egnp.exe\u2066 \ufeff",
    "broken \ud800 surrogate",
    "very long " * 2000,
]


class Page(HTMLParser):
    """A page read as a browser would: elements with their attributes and all text; unbalanced tags are refused."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open and self.open[-1] != "style" else ""

    def shape(self) -> set[tuple[str, str]]:
        return {(tag, name) for tag, attributes in self.elements for name in attributes} | {
            (tag, "") for tag, _ in self.elements
        }


@cache
def everything() -> set[tuple[str, str]]:
    return set().union(*(Page(html(made())).shape() for made in RUNS.values())) | {("a", "rel"), ("a", "href")}


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("shipped", "It shipped to production", "Every step passed"),
        ("gate", "It must not ship", "The new model did not pass the quality gate. roc_auc is below the minimum 0.7"),
        ("data", "It must not ship", "The data “train” breaks its contract. 4 rules broken in 166,158 rows"),
        ("taken-back", "It was taken back from production", "The new version fails more often"),
        ("policy", "It must not ship to staging", "The rules of staging are not met. gate: no receipt of gate"),
        ("world", "No verdict", "Training could not finish. `python train.py` ended with exit code 1."),
    ],
)
def test_the_page_says_first_whether_it_may_ship_and_what_stopped_it(name: str, answer: str, reason: str) -> None:
    page = Page(html(RUNS[name]()))
    shown = page.text[page.text.rindex("flights run-") :]
    assert answer in shown[:200]
    assert reason in shown[:700]
    assert shown.index(answer) < shown.index(reason) < shown.index("Steps")


@pytest.mark.parametrize("name", RUNS)
def test_the_page_loads_nothing_and_runs_nothing(name: str) -> None:
    made = html(RUNS[name]())
    page = Page(made)
    assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe", "object", "embed", "form", "base"}
    links = {attributes[key] for _, attributes in page.elements for key in ("href", "src") if key in attributes}
    assert all(str(link).startswith(("#step-", "data:,", "suites/")) for link in links)
    assert not re.search(r"@import|url\(", made)
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


@pytest.mark.parametrize("name", RUNS)
def test_the_page_can_be_read_without_seeing_it(name: str) -> None:
    page = Page(html(RUNS[name]()))
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    assert all(a.get("aria-label") or a.get("aria-hidden") for tag, a in page.elements if tag == "svg")
    assert all(a.get("scope") in ("col", "row") for tag, a in page.elements if tag == "th")
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {str(a["href"])[1:] for tag, a in page.elements if tag == "a" and str(a["href"]).startswith("#")}
    assert targets == {i for i in ids if str(i).startswith("step-")}


def test_every_step_stands_in_the_page_with_what_it_found() -> None:
    text = Page(html(report_runs.shipped())).text
    for said in (
        "Data contract: train",
        "reused from an earlier run",
        "learning_rate",
        "DeLong, paired",
        "not worse than the champion by more than 0.005",
        "48 groups of dest (3,122 rows): fewer than 200 rows",
        "as before",
        "production-000007",
        "Share of the traffic that the new version gets",
        "taken back from 200 on",
        "50% of the traffic",
        "with changes that are not committed",
        "keeps its contract",
        report_runs.digest("image"),
    ):
        assert said in text, said


def test_broken_data_is_shown_with_column_rule_count_share_and_rows() -> None:
    text = Page(html(report_runs.stopped_by_the_data())).text
    row = text[text.index("distanceminimum0") :]
    assert row.startswith("distanceminimum01,2040.725%")
    assert "-1402.0" in text
    assert "<0.01%" in text


def test_each_column_has_a_bar_of_its_worst_rule_and_those_that_keep_all_come_last() -> None:
    text = Page(html(report_runs.stopped_by_the_data())).text
    bars = text[text.index("ColumnRowsWorst rule") : text.index("Broken rulesColumnRule")]
    order = ["late", "distance", "carrier", "flight_id", "the table", "dep_delay", "dest", "month"]
    assert [bars.index(name) for name in order] == sorted(bars.index(name) for name in order)
    for said in (
        "late16.3%fails1 of 3: maximum",
        "dep_delay4.88%warnsnull",
        "dest<0.01%tolerated up to 0.1%",
        "month0keeps allnone of 2",
    ):
        assert said in bars, said


def test_broken_data_says_since_when_and_whose_change_it_was() -> None:
    text = Page(html(report_runs.stopped_by_the_data())).text
    for said in (
        "Since run-000018 of 2026-02-27 16:02 UTC, by ada@lab-3 at commit 77b1f09: 2 new and 1 changed of 6 files;",
        "330.0199%failsthe data",
        "27,00416.3%failsthe contract",
        "The rule was: >= -2000; all 1,204 rows are in 3 new or changed files.",
        "the tablerowsat least 200,000 rowsfound 166,158–fails–",
    ):
        assert said in text, said


def test_random_rows_are_told_from_the_first_and_files_have_bars() -> None:
    text = Page(html(report_runs.stopped_by_the_data())).text
    assert "Takendistance(file)(row)" in text
    assert "at random-733.02013-05.parquet9041" in text
    assert "They are in 3 of 6 files.FileRowsOf them2013-01.parquet90174.8%" in text


def test_a_canary_that_was_taken_back_shows_when_and_why() -> None:
    page = Page(html(report_runs.taken_back()))
    assert any(a.get("class") == "event back" for tag, a in page.elements if tag == "line")
    assert "rollback0%errors: evidence" in page.text
    assert f"{report_runs.digest('champion')[:19]} serves production as before" in page.text


def test_a_gap_limit_of_the_config_is_drawn_beside_the_groups() -> None:
    page = Page(html(report_runs.stopped_by_the_gate()))
    assert "The 40 worst; the other 14 are in the table." in page.text
    assert "All 54 groups as a table" in page.text


def test_what_a_search_looked_at_and_what_not_is_told() -> None:
    page = Page(html(report_runs.shipped())).text
    assert "Searched 4,040 groups of 2 columns and of each two. Not searched: flight_id (the id)." in page


def test_the_gate_shows_that_it_can_say_no_and_at_what_level_it_does() -> None:
    page = Page(html(report_runs.shipped())).text
    assert "5% over 3 rules against the champion (Holm)" in page
    assert "2 of 2 planted models judged right" in page
    assert "1 of 2 planted models judged right" in Page(html(report_runs.stopped_by_the_gate())).text


def test_what_was_not_run_is_listed_with_its_reason() -> None:
    text = Page(html(report_runs.broken_world())).text
    assert "Not run because of it: gate, build" in text
    assert "the whole output is in .mlci/logs/train.log" in text
    assert "MemoryError" in text


def test_earlier_runs_are_listed_newest_first() -> None:
    earlier = [report_runs.stopped_by_the_data(), report_runs.stopped_by_the_gate()]
    text = Page(html(report_runs.shipped(), history=earlier)).text
    assert text.index("Earlier runs") < text.index("run-000018") < text.index("run-000019")


def test_a_run_without_steps_has_a_page() -> None:
    assert "This run had no steps." in Page(html(report_runs.run("run-000001", 0))).text


@pytest.mark.parametrize("name", RUNS)
def test_equal_runs_make_equal_pages_also_after_they_were_stored(name: str) -> None:
    made = RUNS[name]()
    assert html(made) == html(RUNS[name]()) == html(Run.from_bytes(made.to_bytes()))


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", ["gate", "data", "taken-back"])
def test_no_text_of_a_run_becomes_markup(name: str, payload: str) -> None:
    page = html(hostile(RUNS[name](), payload))
    page.encode()
    assert Page(page).shape() <= everything()


@settings(max_examples=15, deadline=None)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_whatever_the_text_the_page_has_only_its_own_elements(text: str) -> None:
    page = html(hostile(report_runs.stopped_by_the_gate(), text), history=[hostile(report_runs.broken_world(), text)])
    page.encode()
    assert Page(page).shape() <= everything()


def test_only_a_web_address_of_ci_becomes_a_link() -> None:
    made = report_runs.shipped()
    for ci, links in (("https://github.com/a/b/actions/runs/1", 1), ("javascript:alert(1)", 0), ("http://x", 0)):
        steps = [
            replace(s, receipt=replace(s.receipt, builder={"user": "ada", "ci": ci})) for s in made.steps if s.receipt
        ]
        page = Page(html(replace(made, steps=tuple(steps))))
        assert bool([a for t, a in page.elements if t == "a" and a.get("href") == ci]) == bool(links)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [p for key, one in value.items() for p in places(one, (*path, key))]
    if isinstance(value, list):
        found += [p for n, one in enumerate(value[:3]) for p in places(one, (*path, n))]
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: put(one, path[1:], new) if key == path[0] else one for key, one in value.items()}
    return [put(one, path[1:], new) if n == path[0] else one for n, one in enumerate(value)]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_facts_of_any_kind_in_any_place_still_make_a_page(data: st.DataObject) -> None:
    made = RUNS[data.draw(st.sampled_from(["gate", "data", "taken-back"]))]()
    n = data.draw(st.integers(0, len(made.steps) - 1))
    step = made.steps[n]
    if step.receipt is None:
        return
    facts = step.receipt.facts
    for _ in range(data.draw(st.integers(1, 3))):
        facts = put(facts, data.draw(st.sampled_from(places(facts))), data.draw(JSON))
    changed = replace(step, receipt=replace(step.receipt, facts=facts))
    run = replace(made, steps=(*made.steps[:n], changed, *made.steps[n + 1 :]))
    from mlci.report import markdown

    Page(html(run))
    markdown(run)


def test_huge_runs_are_cut_and_say_so() -> None:
    made = report_runs.stopped_by_the_data()
    broken = made.steps[0]
    assert broken.receipt
    one = broken.receipt.facts["violations"][0]
    facts = {**broken.receipt.facts, "violations": [one] * 3000}
    materials = report_runs.files([f"data/{n}.parquet" for n in range(20_000)], "data train")
    big = replace(broken, receipt=replace(broken.receipt, facts=facts, materials=materials))
    page = html(replace(made, steps=(big, *made.steps[1:])))
    assert len(page) < 1_500_000
    assert "… and 2,950 more broken rules" in page
    assert "… and 19,700 more" in page


def test_a_long_canary_is_thinned_but_keeps_what_happened() -> None:
    from mlci.report import facts
    from mlci.report.timeline import events, thinned

    looks = [
        {"t": n / 4, "phase": "canary", "weight": 0.05, "event": "here" if n % 9973 == 5 else None}
        for n in range(50_000)
    ]
    points = facts.timeline({"timeline": looks})
    assert len(thinned(points)) < 1500
    assert events(thinned(points)) == events(points)
