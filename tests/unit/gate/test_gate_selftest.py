"""The gate proves on each run that it can say no; one that was made to say yes is found out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlci.config.judging import Columns, Gate, Metric, Search, Slices
from mlci.gate import Grouping, Predictions, Table, judge, judge_and_test, self_test
from mlci.gate.trial import selftest
from tests.unit.gate.gatekit import gate, two_models

RULES = {"roc_auc": Metric(min=0.7, margin=0.01), "f1": Metric(margin=0.02)}


def judged(table, config):
    return judge(table, config, champion_name="itself", model_bytes=None)


def sliced(rows=6000):
    table = two_models(1, rows, 2.5)
    return replace(table, groupings=(Grouping("carrier", np.arange(rows) % 3, ("AA", "HA", "UA")),))


def test_a_gate_that_works_stops_every_planted_model_and_lets_an_equal_one_through():
    config = gate(**RULES, by=Slices(by=("carrier",), metric="roc_auc", max_gap=0.1))
    found = self_test(sliced(), config, judged)
    assert [one.name for one in found.planted] == [
        "predictions dealt out by chance",
        "a model that loses more than the margin of roc_auc",
        "a model that loses more than the margin of f1",
        "a model that is broken in carrier = UA",
        "the champion beside itself",
        "a model that loses nearly the margin of roc_auc",
        "a model that loses nearly the margin of f1",
        "a model that loses far less than the margin of f1",
        "the truth itself",
    ]
    assert all(one.right for one in found.planted)
    assert found.objections == ()


@pytest.mark.parametrize(
    ("sabotage", "let_through"),
    [
        (lambda t, g: judged(replace(t, champion=t.challenger), g), "loses more than the margin of f1"),
        (lambda t, g: judged(t, replace(g, metrics={})), "dealt out by chance"),
        (lambda t, g: judged(replace(t, challenger=t.champion), g), "dealt out by chance"),
        (
            lambda t, g: judged(t, replace(g, metrics={n: replace(r, margin=1e9) for n, r in g.metrics.items()})),
            "loses more than the margin of roc_auc",
        ),
    ],
    ids=["compares with itself", "rules are not read", "always judges the champion", "any margin"],
)
def test_a_gate_that_was_made_to_say_yes_is_found_out(sabotage, let_through):
    config = gate(**RULES, by=Slices(by=("carrier",), metric="roc_auc", max_gap=0.1))
    found = self_test(sliced(), config, sabotage)
    assert any("lets through" in one and let_through in one for one in found.objections)


def test_a_gate_that_does_not_look_at_slices_is_found_out():
    config = gate(roc_auc=Metric(min=0.7), by=Slices(by=("carrier",), metric="roc_auc", max_gap=0.1))
    assert self_test(sliced(), config, judged).objections == ()
    (found,) = self_test(sliced(), config, lambda t, g: judged(t, replace(g, slices=None))).objections
    assert "lets through a model that is broken in carrier" in found


def test_a_gate_that_stops_everything_is_found_out_too():
    stops = self_test(
        sliced(), gate(**RULES), lambda t, g: judged(t, replace(g, metrics={"roc_auc": Metric(min=0.999)}))
    )
    assert any("stops the champion beside itself" in one for one in stops.objections)


def test_rules_that_stop_nothing_fail_the_gate_with_that_reason():
    config = gate(accuracy=Metric(min=0.1))
    found = judge_and_test(sliced(), config, champion_name=None, model_bytes=None)
    assert not found.passed
    assert found.summary.startswith(
        "self-test: the gate lets through predictions dealt out by chance: every rule holds"
    )
    assert judge_and_test(sliced(), replace(config, self_test=False), champion_name=None, model_bytes=None).passed


def test_what_it_found_is_in_the_facts_and_comes_again():
    config = gate(**RULES)
    one, other = (judge_and_test(sliced(), config, champion_name="x", model_bytes=None, seed=7) for _ in range(2))
    assert one.facts()["self_test"] == other.facts()["self_test"]
    assert one.facts()["self_test"]["passed"] is True


def test_a_challenger_that_says_the_same_of_every_row_is_named():
    table = replace(two_models(1, 2000, 1.2), challenger=Predictions(np.full(2000, 0.3)))
    found = judge_and_test(table, gate(log_loss=Metric(max=0.9)), champion_name="x", model_bytes=None)
    assert not found.passed
    assert "predicts the same for every row" in found.summary


@pytest.mark.parametrize("rule", [Metric(margin=0.05), Metric(min=-1), Metric(max=1), Metric(improve=0.5)])
def test_numbers_per_example_are_planted_beyond_their_rule(rule):
    rng = np.random.default_rng(2)
    pair = [Predictions(columns={"m": rng.normal(scale=0.1, size=300)}) for _ in range(2)]
    config = Gate(predict=("p",), data="h", task="scores", columns=Columns(id="id"), metrics={"m": rule})
    found = self_test(Table("scores", np.zeros(300), *pair), config, judged)
    assert found.objections == ()
    assert len(found.planted) >= 1


def test_many_rows_are_sampled_and_a_class_that_is_too_rare_for_that_takes_all(monkeypatch):
    monkeypatch.setattr(selftest, "MOST_ROWS", 500)
    seen = []

    def judge_and_count(table, config):
        seen.append(table.rows)
        return judged(table, config)

    assert self_test(sliced(), gate(**RULES), judge_and_count).objections == ()
    assert set(seen) == {500}
    table, seen[:] = sliced(), []
    table.labels[:] = 0
    table.labels[:3] = 1
    self_test(table, gate(roc_auc=Metric(min=0.9)), judge_and_count)
    assert seen == [500, 6000]


def of_numbers(numbers, weights=None, champion=None, **more):
    other = None if champion is None else Predictions(columns={"m": champion})
    return Table("scores", np.zeros(len(numbers)), Predictions(columns={"m": numbers}), other, weights=weights, **more)


def own(rule, **columns):
    return Gate(predict=("p",), data="h", task="scores", columns=Columns(id="id", **columns), metrics={"m": rule})


@pytest.mark.parametrize("seed", range(10))
def test_numbers_per_example_are_planted_beyond_their_rule_by_their_weighted_mean(seed):
    rng = np.random.default_rng(seed)
    weights = rng.lognormal(size=60)
    numbers = rng.normal(size=60) + weights
    config = own(Metric(min=float(np.average(numbers, weights=weights)) - 1), weight="w")
    assert self_test(of_numbers(numbers, weights), config, judged).objections == ()


def test_numbers_that_are_as_good_in_any_order_are_not_dealt_out_for_the_sake_of_a_metric_without_a_rule():
    table = two_models(1, 300, 2.5)
    table = replace(table, challenger=replace(table.challenger, columns={"profit": table.challenger.score}))
    profit = Metric(expression="score", min=0.01)
    found = self_test(table, gate(roc_auc=Metric(), profit=profit), judged)
    assert found.objections == ()
    assert [one.name for one in found.planted] == ["a model that breaks the rule of profit"]
    ruled = self_test(table, gate(roc_auc=Metric(min=0.6), profit=profit), judged)
    assert "predictions dealt out by chance" in [one.name for one in ruled.planted]


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_a_few_groups_raise_no_false_alarm_over_models_that_only_look_far_from_a_margin(groups):
    for seed in range(40):
        rng = np.random.default_rng([groups, seed])
        labels = rng.lognormal(size=60)
        pair = [Predictions(value=labels + rng.normal(size=60)) for _ in range(2)]
        table = Table("regression", labels, *pair, clusters=np.arange(60) % groups)
        config = Gate(
            predict=("p",),
            data="h",
            task="regression",
            columns=Columns(id="id", label="y", prediction="p", group="g"),
            metrics={"rmse": Metric(margin=0.02)},
            confidence=0.99,
        )
        assert self_test(table, config, judged).objections == ()


def test_a_slice_that_is_searched_is_not_planted_where_few_groups_and_weights_cannot_show_it():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = of_numbers(
            rng.normal(size=60),
            rng.lognormal(size=60),
            clusters=np.arange(60) % 4,
            features=(
                Grouping("h", rng.integers(0, 2, 60), ("x", "y")),
                Grouping("k", rng.integers(0, 3, 60), ("1", "2", "3")),
            ),
        )
        slices = Slices(metric="m", search=Search(), min_rows=5, max_gap=0.3, margin=0.1)
        config = replace(own(Metric(margin=0.1), weight="w", group="g"), slices=slices)
        assert self_test(table, config, judged).objections == ()
