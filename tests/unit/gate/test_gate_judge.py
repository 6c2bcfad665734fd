"""The gate as a whole: a worse, an equal and a better challenger; the summary; the facts; what it refuses to judge."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mlci.config.costs import ModelSize
from mlci.config.judging import Gate, Metric, Slices
from mlci.errors import UsageError, WorldError
from mlci.gate import Grouping, Predictions, Table, judge, judge_size, mistakes, render
from tests.unit.gate.gatekit import Columns, gate, two_models

RULES = {"roc_auc": Metric(min=0.7, margin=0.01), "log_loss": Metric(max=0.7)}


def report(table, rules=None, **more):
    config = gate(**(RULES if rules is None else rules))
    return judge(table, replace(config, **more), champion_name="sha256:abc", model_bytes=None)


def verdicts(found, rule):
    return [one["verdict"] for metric in found.facts()["metrics"] for one in metric["rules"] if one["rule"] == rule]


def test_an_equal_challenger_passes_and_the_summary_says_on_what():
    found = report(two_models(1, 20_000, 1.2))
    assert found.passed
    assert re.fullmatch(
        r"every rule holds: roc_auc 0\.\d+ \(0\.\d+ to 0\.\d+\), not worse than the champion by more than 0\.01 "
        r"\(difference [+−]0\.\d+, −0\.\d+ to \+0\.\d+\)",
        found.summary,
    )


def test_a_worse_challenger_fails_though_it_keeps_the_absolute_rules():
    found = report(two_models(1, 20_000, 1.0))
    assert not found.passed
    assert verdicts(found, "min") == ["pass"]
    assert verdicts(found, "margin") == ["fail"]
    assert found.summary.startswith("roc_auc 0.7")
    assert "worse than the champion by more than 0.01 (difference −0.0" in found.summary


def test_a_better_challenger_passes_and_proves_that_it_is_better():
    found = report(two_models(1, 20_000, 1.5), {"roc_auc": Metric(margin=0.01, improve=0.01)})
    assert found.passed
    assert verdicts(found, "improve") == ["pass"]


def test_an_equal_challenger_does_not_improve():
    table = two_models(1, 20_000, 1.2)
    same = replace(table, champion=table.challenger)
    assert verdicts(report(same, {"roc_auc": Metric(margin=0, improve=0)}), "margin") == ["pass"]
    assert verdicts(report(same, {"roc_auc": Metric(margin=0, improve=0)}), "improve") == ["fail"]


def test_too_few_rows_to_tell_are_no_pass_and_say_how_many_would_do():
    found = report(two_models(2, 200, 1.2))
    assert not found.passed
    assert re.search(r"^inconclusive: roc_auc .*: about [\d,]+ more rows would decide", found.summary)


def test_a_value_below_the_minimum_is_named_in_the_summary_with_its_interval():
    found = report(two_models(1, 5000, 0.7), {"roc_auc": Metric(min=0.9)})
    assert re.fullmatch(r"roc_auc 0\.\d+ \(0\.\d+ to 0\.\d+\) is below the minimum 0\.9", found.summary)


def test_several_broken_rules_are_counted_in_the_summary():
    found = report(
        two_models(1, 5000, 0.7), {"roc_auc": Metric(min=0.9), "f1": Metric(min=0.99), "brier": Metric(max=0)}
    )
    assert found.summary.endswith("; and 2 more rules not kept")
    assert len(found.objections) == 3
    assert all(f"- {one}\n" in render(found) for one in found.objections)


def test_without_a_champion_only_absolute_rules_are_judged_and_that_is_said():
    found = report(replace(two_models(1, 5000, 1.2), champion=None))
    assert found.passed
    assert found.champion is None
    assert "no champion yet: absolute rules only" in found.summary
    only = report(replace(two_models(1, 5000, 1.2), champion=None), {"roc_auc": Metric(margin=0.1)})
    assert "no champion yet" in only.summary


def test_no_rule_at_all_passes_and_says_that_nothing_could_fail():
    found = report(two_models(1, 500, 1.2), {"roc_auc": Metric()})
    assert found.passed
    assert "nothing could fail" in found.summary
    assert found.facts()["metrics"][0]["rules"] == []


def sliced(rows=6000, broken=True):
    table = two_models(1, rows, 2.5)
    codes = np.arange(rows) % 3
    if broken:
        table.challenger.score[codes == 1] = np.random.default_rng(1).permutation(table.challenger.score[codes == 1])
    return replace(table, groupings=(Grouping("carrier", codes, ("AA", "HA", "UA")),))


def test_a_slice_that_is_surely_worse_blocks_and_is_named():
    rules = Slices(by=("carrier",), metric="roc_auc", max_gap=0.08)
    found = report(sliced(), {"log_loss": Metric(max=2)}, slices=rules)
    assert not found.passed
    assert found.summary.startswith("roc_auc in carrier = HA: a gap of 0.")
    assert report(sliced(broken=False), {"log_loss": Metric(max=2)}, slices=rules).passed


def test_a_model_that_is_too_big_fails():
    assert judge_size(10, None).verdict == "pass"
    assert judge_size(10, ModelSize(max=10)).verdict == "pass"
    assert judge_size(11, ModelSize(max=10)).verdict == "fail"
    assert judge_size(None, None) is None
    config = replace(gate(), size=ModelSize(max=1_000_000))
    found = judge(two_models(1, 100, 1.2), config, champion_name=None, model_bytes=2_500_000)
    assert not found.passed
    assert found.summary == "the model has 2.5 MB, over 1.0 MB"
    with pytest.raises(UsageError, match="size is not known"):
        judge_size(None, ModelSize(max=10))


def test_a_model_may_be_bigger_than_the_champions_by_its_margin_only():
    rule = ModelSize(margin=0.1)
    assert judge_size(110, rule, 100).verdict == "pass"
    over = "the model has 111 bytes, over the champion's 100 bytes by more than 10 %"
    assert judge_size(111, rule, 100).reason == over
    assert judge_size(10**9, rule).verdict == "pass"  # there is no champion yet
    with pytest.raises(UsageError, match="size is not known"):
        judge_size(None, rule)


def test_the_facts_are_plain_json_in_the_agreed_shape():
    rules = Slices(by=("carrier",), metric="roc_auc", max_gap=0.08, min_rows=200)
    table = sliced()
    config = replace(gate(**RULES, f1=Metric(threshold=0.3)), slices=rules, size=ModelSize(max=100))
    facts = judge(table, config, champion_name="sha256:abc", model_bytes=50).facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert set(facts) == {
        "rows", "confidence", "champion", "positives", "metrics", "slices", "slices_skipped", "size",
        "family", "inconclusive", "asks", "self_test", "curves", "search",
    }  # fmt: skip
    assert (facts["rows"], facts["champion"], facts["positives"]) == (6000, "sha256:abc", int(table.labels.sum()))
    assert facts["size"] == {"bytes": 50, "max": 100, "verdict": "pass", "champion": None, "margin": None}
    metric = facts["metrics"][0]
    assert set(metric) == {
        "name", "better", "challenger", "champion", "difference", "method", "detectable", "rules", "verdict",
    }  # fmt: skip
    assert set(metric["difference"]) == {"value", "low", "high"}
    assert set(metric["rules"][0]) == {"rule", "limit", "verdict", "reason", "chance", "more_rows"}
    assert "DeLong" in metric["method"]
    assert set(facts["slices"][0]) == {
        "by", "value", "rows", "metric", "estimate", "gap", "verdict", "reason", "discovery", "difference",
        "champion", "found",
    }  # fmt: skip


def test_the_same_table_and_seed_give_the_same_facts():
    table, config = two_models(1, 2000, 1.2), gate(f1=Metric(margin=0.05), mcc=Metric(min=0.1))
    one, other, third = (judge(table, config, champion_name="x", model_bytes=1, seed=s).facts() for s in (1, 1, 2))
    assert one == other
    assert one != third


def test_regression_is_judged_with_its_own_metrics():
    rng = np.random.default_rng(1)
    labels = rng.normal(10, 3, 4000)
    models = [Predictions(value=labels + rng.normal(scale=scale, size=4000)) for scale in (1.0, 1.5)]
    config = replace(
        gate(rmse=Metric(max=1.1, improve=0.1), r2=Metric(min=0.8), mae=Metric(margin=0)), task="regression"
    )
    config = replace(config, columns=Columns(id="id", label="y", prediction="y_hat"))
    found = judge(Table("regression", labels, *models), config, champion_name="x", model_bytes=None)
    assert found.passed
    assert found.facts()["positives"] is None


@pytest.mark.parametrize(
    ("labels", "metric", "message"),
    [
        ([0, 0, 0, 0], "roc_auc", r"roc_auc needs two rows of each class: 0 labels of 4 are positive"),
        ([1, 0, 0, 0], "f1", r"f1 needs two rows of each class: 1 label of 4 is positive"),
        ([1, 1, 1, 1], "mcc", r"mcc needs two rows of each class: 4 labels of 4 are positive"),
        ([1], "log_loss", r"1 row: at least 2"),
    ],
)
def test_rows_that_cannot_bear_a_metric_are_refused(labels, metric, message):
    table = Table("classification", np.array(labels, np.int8), Predictions(np.linspace(0.1, 0.9, len(labels))))
    with pytest.raises(WorldError, match=message):
        report(table, {metric: Metric()})


def test_labels_that_are_all_the_same_and_numbers_that_overflow_are_refused_in_regression():
    config = replace(gate(r2=Metric()), task="regression", columns=Columns(id="id", label="y", prediction="z"))
    flat = Table("regression", np.ones(5), Predictions(value=np.arange(5.0)))
    with pytest.raises(WorldError, match="r2 is not defined: all 5 labels are the same"):
        judge(flat, config, champion_name=None, model_bytes=None)
    huge = Table("regression", np.arange(5.0), Predictions(value=np.full(5, 1e200)))
    with pytest.raises(WorldError, match="mse of the challenger overflows"):
        judge(huge, replace(config, metrics={"mse": Metric()}), champion_name=None, model_bytes=None)


@pytest.mark.parametrize(("task", "what"), [("regression", "group"), ("forecasting", "block of time")])
def test_rows_of_one_group_are_refused_as_no_interval_can_be_made_of_them(task, what):
    columns = Columns(id="id", label="y", prediction="z", time="t" if task == "forecasting" else None)
    config = replace(gate(mae=Metric(max=9)), task=task, columns=columns)
    table = Table(task, np.arange(9.0), Predictions(value=np.ones(9)), clusters=np.zeros(9, int))
    with pytest.raises(WorldError, match=f"mae: all rows are of one {what}") as found:
        judge(table, config, champion_name=None, model_bytes=None)
    assert found.value.help


def test_metrics_that_are_defined_on_one_class_are_judged_on_one_class():
    table = Table("classification", np.zeros(50, np.int8), Predictions(np.linspace(0, 0.4, 50)))
    assert report(table, {"log_loss": Metric(max=1), "accuracy": Metric(min=0.9)}).passed


def columns(**more):
    return Columns(id="id", label="y", **more)


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"metrics": {"roc_acu": Metric()}}, "$.gate.metrics.roc_acu", "unknown metric `roc_acu`"),
        ({"metrics": {"rmse": Metric()}}, "$.gate.metrics.rmse", "a metric of regression"),
        ({"metrics": {"profit": Metric(function="a.b")}}, "$.gate.metrics.profit.function", "no function's name"),
        ({"metrics": {"roc_auc": Metric()}, "columns": columns(prediction="c")}, "$.gate.metrics.roc_auc", "`score`"),
        ({"metrics": {"f1": Metric()}, "columns": columns()}, "$.gate.metrics.f1", "`score` or `prediction`"),
        ({"slices": Slices(by=("a",), metric="auc")}, "$.gate.slices.metric", "unknown metric `auc`"),
        ({"metrics": {"memory_mb": Metric(expression="1")}}, "$.gate.metrics.memory_mb", "the name of a cost"),
    ],
)
def test_a_rule_that_cannot_be_judged_is_a_mistake_and_never_left_out(change, path, message):
    config = replace(gate(), **change)
    (found,) = mistakes(config)
    assert found.path == path
    assert message in found.message
    with pytest.raises(UsageError, match="cannot be judged"):
        judge(two_models(1, 100, 1.2), config, champion_name=None, model_bytes=None)


def test_the_nearest_metric_is_suggested():
    assert mistakes(gate(roc_acu=Metric()))[0].help == "Did you mean `roc_auc`?"
    assert "roc_auc, average_precision, log_loss" in mistakes(gate(zzz=Metric()))[0].help


def test_the_table_for_a_terminal_is_aligned_and_has_colours_only_when_asked_for():
    rules = Slices(by=("carrier",), metric="roc_auc", max_gap=0.08, min_rows=2001)
    config = replace(gate(**RULES), slices=rules, size=ModelSize(max=100))
    found = judge(sliced(), config, champion_name="sha256:abc", model_bytes=5)
    text = render(found, color=False)
    assert "\x1b" not in text
    assert "carrier: 3 groups not judged, fewer than 2,001 rows" in text
    assert "size 5 bytes of 100 bytes  pass" in text
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("metric"))
    auc = next(line for line in lines if line.startswith("roc_auc"))
    assert auc.index("min 0.7") == head.index("rule")
    assert "\x1b[3" in render(found, color=True)
    assert re.sub(r"\x1b\[\d+m", "", render(found, color=True)) == text


def test_importing_the_gate_imports_neither_numpy_nor_duckdb():
    code = "import sys, mlci.gate; sys.exit(any(m in sys.modules for m in ('numpy', 'duckdb', 'scipy', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_gate_of_the_configuration_has_no_mistakes():
    assert mistakes(Gate(predict=("p",), data="h", columns=columns(score="s"), metrics=RULES)) == ()


def test_an_inconclusive_rule_stops_lets_through_or_asks_as_the_configuration_says():
    table = two_models(2, 200, 1.2)
    stops, passes, asks = (report(table, inconclusive=word) for word in ("fail", "pass", "ask"))
    assert (stops.passed, passes.passed, asks.passed) == (False, True, False)
    assert stops.summary.startswith("inconclusive: ")
    assert passes.summary.startswith("let through as gate.inconclusive says: roc_auc")
    assert passes.remarks[0].startswith("inconclusive: roc_auc")
    assert asks.summary.startswith("a person decides: roc_auc")
    assert (stops.asks, passes.asks, asks.asks) == (False, False, True)
    assert asks.facts()["asks"] is True


def test_nobody_is_asked_about_a_model_that_surely_fails():
    found = report(two_models(1, 20_000, 1.0), inconclusive="ask")
    assert (found.passed, found.asks) == (False, False)
    assert not report(two_models(1, 20_000, 1.0), inconclusive="pass").passed


def test_the_family_and_its_level_are_in_the_facts():
    found = report(two_models(1, 2000, 1.2), confidence=0.9).facts()["family"]
    assert (found["level"], found["tests"]) == (0.1, 1)
    assert "Holm" in found["method"]


def test_a_regression_of_the_detectable_size_is_called_worse_four_times_out_of_five():
    found = report(two_models(1, 4000, 1.2), {"log_loss": Metric(margin=0.0)}).metrics[0].measured
    half = (found.difference.high - found.difference.low) / 2
    assert found.detectable == pytest.approx(half * (1.6449 + 0.8416) / 1.6449, rel=1e-3)
    alone = report(replace(two_models(1, 4000, 1.2), champion=None), {"log_loss": Metric()}).metrics[0].measured
    assert alone.detectable > found.detectable


def test_a_slice_that_is_surely_worse_than_the_champion_in_it_blocks():
    table = sliced(broken=True)
    found = report(table, {"log_loss": Metric(max=5)}, slices=Slices(by=("carrier",), metric="roc_auc", margin=0.1))
    assert [s.value for s in found.slices if s.verdict == "fail"] == ["HA"]
    assert "worse than the champion, over 0.1" in found.summary
    assert found.slices[0].difference.value > 0
    assert {s.value for s in found.slices if s.discovery <= 0.05} == {"HA"}
