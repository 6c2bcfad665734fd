"""The gate's part of the page: what the verdict hangs on, both models' curves, the groups and which of them stop it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from mlci.evidence.record import Run
from mlci.report import html, markdown, svg, words
from mlci.report.facts import metrics
from mlci.report.intervals import metric_plot
from mlci.report.panels import stairs
from mlci.report.verdict import verdict
from tests.unit.report import report_runs
from tests.unit.report.test_page import Page


def gate_run(good: bool = True, config: dict[str, Any] | None = None, **facts: Any) -> Run:
    step = report_runs.judged(good=good, champion=facts.get("champion", "x") is not None)
    assert step.receipt
    made = replace(step.receipt, facts={**step.receipt.facts, **facts}, config=config or {})
    return report_runs.run("run-1", 0 if good else 1, replace(step, receipt=made))


def summed(run: Run, summary: str) -> Run:
    return replace(run, steps=tuple(replace(step, summary=summary) for step in run.steps))


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ("every rule holds: roc_auc 0.75", "Every rule holds: roc_auc 0.75."),
        ("inconclusive: roc_auc 0.75, perhaps worse", "Inconclusive: roc_auc 0.75, perhaps worse."),
        ("a person decides: f1 0.5, perhaps worse", "A person decides: f1 0.5, perhaps worse."),
        ("roc_auc 0.75 is below the minimum 0.8", "roc_auc 0.75 is below the minimum 0.8."),
        ("ece 0.03 is above the maximum 0.02", "ece 0.03 is above the maximum 0.02."),
        ("self-test: the gate lets through x", "self-test: the gate lets through x."),
    ],
)
def test_what_the_verdict_hangs_on_is_the_first_sentence_of_the_gate_and_stands_at_the_top(summary, said) -> None:
    for good in (True, False):
        run = summed(gate_run(good), summary)
        text = Page(html(run)).text
        assert said in verdict(run).reason
        section = text[text.rindex("Quality gate", 0, text.index("Rows like") if "Rows like" in text else None) :]
        assert section.index(said) < section.index("Confidence")


def test_a_gate_that_cannot_tell_leaves_it_to_a_person() -> None:
    found = verdict(summed(gate_run(False, asks=True), "a person decides: f1 0.5, perhaps worse"))
    assert found.answer == "A person has to decide"
    assert found.reason.endswith("A person decides: f1 0.5, perhaps worse.")


def test_it_says_what_such_rows_can_see_at_all() -> None:
    run = gate_run()
    found = run.steps[0].receipt.facts["metrics"]
    seen = [{**one, "detectable": 0.01 * (n + 1)} for n, one in enumerate([*found, *found])]
    said = (
        "Rows like these show a regression of 0.01 in roc_auc, 0.02 in log_loss, 0.04 in roc_auc in four of five cases"
    )
    for text in (Page(html(gate_run(metrics=seen))).text, markdown(gate_run(metrics=seen)).replace("\\", "")):
        assert f"{said} (for 3 more metrics see the table)." in text


def test_both_models_curves_stand_in_the_page_each_with_a_table() -> None:
    page = Page(html(gate_run()))
    plots = {attrs.get("aria-label", "").partition(":")[0] for tag, attrs in page.elements if tag == "svg"}
    assert {"ROC", "Precision against recall of both models; dotted is chance", "Calibration", "exact"} <= plots
    labels = {attrs.get("aria-label") for _, attrs in page.elements if attrs.get("role") == "region"}
    assert {"ROC", "Precision and recall", "Calibration", "Errors by prediction", "Truth by prediction"} <= labels
    assert {"Who is taken for whom by the new model", "Who is taken for whom by the champion"} <= labels
    assert "Marked: the threshold 0.5 that metrics use." in page.text
    assert "Drawn from 2,000 rows taken at random." in page.text
    looks = {attrs.get("class") for tag, attrs in page.elements if tag == "path"}
    assert {"series new", "series old", "series new thin", "series old thin", "band wide"} <= looks


def test_without_a_champion_there_is_one_model_and_a_rule_against_it_is_not_judged() -> None:
    run = gate_run(champion=None, curves=report_runs.every_curve(False))
    step = run.steps[0]
    found = [dict(one, champion=None, difference=None) for one in step.receipt.facts["metrics"]]
    found[0]["rules"] = [{"rule": "margin", "limit": 0.1, "verdict": "pass", "reason": "no champion yet"}]
    run = gate_run(champion=None, curves=report_runs.every_curve(False), metrics=found, slices=[])
    page = Page(html(run))
    assert "series old" not in html(run)
    assert "not judged" in page.text
    assert "➖ not judged" in markdown(run)


def test_groups_name_those_that_stop_the_model_and_mark_those_that_stand_out() -> None:
    run = gate_run(False, config={"slices": {"max_gap": 0.1, "margin": 0.02}})
    page = html(run)
    text = Page(page).text
    assert "dest = FJX stops the model." in text
    assert "◆ 2 groups worse than all rows, of which about 5% by chance" in text
    assert page.count(">margin</text>") == 1
    assert "new model less champion" in text
    assert "dest \\= FJX stops the model." in markdown(run) or "dest = FJX stops the model." in markdown(run)
    assert "None of 53 groups stops the model." in Page(html(gate_run())).text


def test_the_markdown_has_a_line_for_each_rule_and_only_groups_that_matter_in_the_open() -> None:
    text = markdown(gate_run(False))
    before, _, closed = text.partition("<details><summary>54 groups of rows, the worst first")
    assert "| `dest = FJX` | 365 |" in before
    assert before.count("`dest = ") == 1
    assert closed.count("`dest = ") + closed.count("`origin = ") == 20
    assert "| `log_loss` | 0.4702 (0.4662 to 0.4742) | 0.4392" in before
    assert "svg" not in text


@pytest.mark.parametrize("far", [1e-300, 1e-12, 1e12, 1e290])
def test_values_of_any_size_are_drawn_within_the_frame(far: float) -> None:
    one = {"value": far, "low": far * 0.9, "high": far * 1.2}
    rules = [{"rule": rule, "limit": far * n} for rule, n in (("margin", 1), ("improve", 1.01), ("max", 2))]
    (metric,) = metrics(
        {"metrics": [{"name": "size", "challenger": one, "champion": one, "difference": one, "rules": rules}]}
    )
    plot = metric_plot(metric)
    assert plot is not None
    assert "nan" not in plot
    assert "0.000000" not in plot


def test_names_of_limits_that_are_near_each_other_do_not_meet() -> None:
    one = {"value": 0.01, "low": 0.0, "high": 0.02}
    rules = [{"rule": "margin", "limit": 0.001}, {"rule": "improve", "limit": 0.001}]
    (metric,) = metrics(
        {"metrics": [{"name": "f1", "better": "higher", "challenger": one, "difference": one, "rules": rules}]}
    )
    elements = Page(str(metric_plot(metric))).elements
    heights = {float(a["y"] or 0) for tag, a in elements if tag == "text" and a.get("class") == "limit"}
    assert len(heights) == 2
    assert max(heights) - min(heights) >= 12


@pytest.mark.parametrize(
    ("value", "step", "said"),
    [
        (0.25, 0.05, "0.25"), (-0.000004, 0.000002, "−4×10⁻⁶"), (0.76172, 0.00001, "0.76172"),
        (260_100_000, 100_000, "2.601×10⁸"), (3e6, 1e6, "3×10⁶"), (1e-20, 5.0, "0"), (4000, 2000, "4,000"),
    ],
)  # fmt: skip
def test_ticks_have_the_digits_that_tell_them_apart(value: float, step: float, said: str) -> None:
    assert svg.tick_text(value, step) == said


def test_a_histogram_starts_and_ends_on_its_axis() -> None:
    assert stairs(0, 0.5, [1, 2]) == [(0, 0), (0, 1), (0.5, 2), (1.0, 0)]
    assert stairs(0, 0.5, []) == []


def test_a_tiny_number_is_not_written_as_nothing() -> None:
    assert words.fixed(4.2e-7, 1e-8) == "4.2×10⁻⁷"
    assert words.fixed(4.2e-7, 1e-8, "+") == "+4.2×10⁻⁷"
    assert words.fixed(0.0, 1e-8) == "0.000000"


def test_many_groups_and_metrics_make_a_page_of_bounded_size() -> None:
    run = gate_run()
    found = run.steps[0].receipt.facts
    many = [dict(found["metrics"][0], name=f"metric_{n}") for n in range(300)]
    groups = [dict(found["slices"][0], value=f"group {n}") for n in range(3000)]
    page = html(gate_run(metrics=many, slices=groups))
    assert len(page) < 1_500_000
    assert "… and 260 metrics: they are in the table" in page
    assert "… and 2,500 more" in page
    assert len(markdown(gate_run(metrics=many, slices=groups)).encode()) < 60_000


def test_curves_are_finite_whatever_the_receipt_says() -> None:
    wild = json.loads(json.dumps(report_runs.every_curve(True)).replace("0.5", "1e299"))
    page = html(gate_run(curves=wild))
    assert "nan" not in page.partition("What the models look like")[2].partition("Can this gate")[0]
    assert math.isfinite(len(page))
