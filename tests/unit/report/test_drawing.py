"""Layouts, scales, words and colours: the parts that a page is made of."""

from __future__ import annotations

import math
import re
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlci.report import facts, svg, words
from mlci.report.graph import Edge, arrange
from mlci.report.lineage import lineage
from tests.unit.report import report_runs

IDS = [str(n) for n in range(8)]
EDGES = st.lists(st.builds(Edge, st.sampled_from(IDS), st.sampled_from([*IDS, "unknown"])), max_size=16)


@given(EDGES)
def test_every_box_is_placed_once_and_every_arrow_goes_forward(edges: list[Edge]) -> None:
    layers, routes = arrange(IDS, edges)
    depth = {one: n for n, layer in enumerate(layers) for one in layer}
    assert sorted(one for layer in layers for one in layer if "\0" not in one) == IDS
    for edge, stops in routes:
        assert [depth[stop] for stop in stops] == list(range(depth[edge.start], depth[edge.end] + 1))


@given(EDGES)
def test_what_came_before_still_comes_before(edges: list[Edge]) -> None:
    forward = [e for e in edges if e.start < e.end]
    layers, routes = arrange(IDS, forward)
    depth = {one: n for n, layer in enumerate(layers) for one in layer}
    assert all(depth[e.start] < depth[e.end] for e in forward if e.end != "unknown")
    kept = {(edge.start, edge.end) for edge, _ in routes}

    def reached(start: str) -> set[str]:
        return {start}.union(*(reached(b) for a, b in kept if a == start))

    assert all(e.end in reached(e.start) for e in forward if e.end != "unknown")


def test_arrows_that_others_imply_are_left_out() -> None:
    _, routes = arrange(["a", "b", "c"], [Edge("a", "b"), Edge("b", "c"), Edge("a", "c")])
    assert [(edge.start, edge.end) for edge, _ in routes] == [("a", "b"), ("b", "c")]


def test_lineage_leads_from_data_to_the_environments() -> None:
    found = lineage(report_runs.shipped())
    arrows = {(e.start, e.end): e.dashed for e in found.edges}
    model, image = report_runs.digest("model"), report_runs.digest("image")
    assert arrows["data:train", model] is False
    assert arrows["data:holdout", model] is True
    assert arrows[model, image] is False
    assert arrows[image, "environment:production"] is False
    assert found.artefacts["data:train"].digest == report_runs.digest("all of train")


def test_lineage_of_a_version_that_was_taken_back_names_the_one_that_serves() -> None:
    found = lineage(report_runs.taken_back())
    arrows = [(e.start, e.dashed) for e in found.edges if e.end == "environment:production"]
    assert arrows == [(report_runs.digest("image"), True), (report_runs.digest("champion"), False)]


FINITE = st.floats(-1e9, 1e9)


@given(st.lists(FINITE, min_size=1, max_size=5), st.integers(2, 10))
@example([222222223.0], 2)
def test_ticks_are_few_and_inside(values: list[float], about: int) -> None:
    scale = svg.spanning(values, 0, 300)
    found = svg.ticks(scale, about)
    room = (scale.high - scale.low) * 1e-6
    assert 1 <= len(found) <= 3 * about
    assert all(scale.low - room <= tick <= scale.high + room for tick in found)


@given(FINITE, FINITE, FINITE, FINITE)
def test_a_scale_keeps_the_order_and_stays_inside(low: float, high: float, a: float, b: float) -> None:
    scale = svg.Scale(min(low, high), max(low, high), 10, 90)
    assert 10 <= scale(min(a, b)) <= scale(max(a, b)) <= 90


def test_a_log_scale_has_powers_of_ten() -> None:
    assert svg.ticks(svg.Scale(0.1, 500, 0, 1, log=True)) == [0.1, 1, 10, 100]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (words.number(0.739214), "0.7392"),
        (words.number(-3), "−3"),
        (words.number(1234567), "1,234,567"),
        (words.number(45678.9), "45,679"),
        (words.number(3.2e12 + 0.5), "3.2×10¹²"),
        (words.number(1.5e-7), "1.5×10⁻⁷"),
        (words.number(None), "–"),
        (words.share(1, 1_000_000), "<0.01%"),
        (words.share(999_999, 1_000_000), ">99.99%"),
        (words.share(1, 0), "–"),
        (words.size(1_482_113), "1.5 MB"),
        (words.size(200_000_000), "200 MB"),
        (words.duration(59.96), "1 min 00 s"),
        (words.duration(7325), "2 h 02 min"),
        (words.when("2026-03-02T09:14:03.120000Z"), "2 Mar 2026, 09:14:03 UTC"),
        (words.when("yesterday"), "yesterday"),
        (words.short("sha256:" + "ab" * 32), "sha256:abababababab"),
        (words.fixed(0.7392, 0.0104), "0.739"),
        (words.title("deploy:production"), "Deployment to production"),
        (words.title("other"), "other"),
    ],
)
def test_numbers_are_written_for_people(made: str, expected: str) -> None:
    assert made == expected


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_can_be_written_and_hides_nothing(text: str) -> None:
    made = words.clean(text)
    made.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", made)


@given(st.floats() | st.integers() | st.booleans() | st.text(max_size=3) | st.none())
def test_only_finite_numbers_are_numbers(value: object) -> None:
    found = facts.number(value)
    assert found is None or math.isfinite(found)


def test_the_share_of_a_canary_follows_the_decision() -> None:
    looks = [
        {"t": 1, "phase": "canary", "weight": 0.25},
        {"t": 2, "phase": "rollback", "weight": 0.25, "event": "taken back"},
        {"t": 3, "phase": "done", "weight": 0.25},
    ]
    assert [p.weight for p in facts.timeline({"timeline": looks})] == [0.25, 0.0, 0.0]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_the_contrast_of_wcag_aa(dark: bool) -> None:
    style = files("mlci.report").joinpath("style.css").read_text()
    light_block, dark_block = style.split("prefers-color-scheme: dark", 1)
    found = colours(light_block) | (colours(dark_block) if dark else {})
    on = {
        "card": ("text", "muted", "pass", "fail", "warn", "new", "old", "third"),
        "page": ("text", "muted"),
        "inset": ("text", "muted"),
        "pass-soft": ("text", "muted", "pass"),
        "fail-soft": ("text", "muted", "fail"),
        "warn-soft": ("text", "muted", "warn"),
        "idle-soft": ("muted",),
        **{f"heat{n}": ("text",) for n in range(1, 6)},
        "muted": ("on",),
        "fail": ("on",),
    }
    for ground, inks in on.items():
        for ink in inks:
            lighter, darker = sorted((luminance(found[ground]), luminance(found[ink])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)
