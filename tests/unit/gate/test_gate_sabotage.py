"""A gate that does not gate is found out: each way of the templates of this field, and some more.

Every sabotage replaces a part of `mlci.gate`, as one wrong line would. Without the self-test each lets a model through
that the honest gate stops; with it the gate fails, and says why.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest

from mlci.cli import run
from mlci.config.judging import Metric, Slices
from mlci.gate import Grouping, Report, decide, judge, judge_and_test
from mlci.gate.deciding import intervals
from mlci.gate.deciding import measure as measuring
from mlci.gate.deciding.measure import fits
from tests.unit.gate.gatekit import gate, two_models

gating = importlib.import_module("mlci.gate.gate")  # `mlci.gate.judge` and others are functions of the same names
ROWS = 6000
RULES = {"roc_auc": Metric(margin=0.02), "log_loss": Metric(margin=0.03), "f1": Metric(margin=0.05)}


def table(skill):
    groups = Grouping("carrier", np.arange(ROWS) % 3, ("AA", "HA", "UA"))
    return replace(two_models(1, ROWS, skill), groupings=(groups,))


def broken_in_a_slice():
    given = table(1.25)
    rows = np.flatnonzero(given.groupings[0].codes == 1)
    where = np.arange(ROWS)
    where[rows] = np.random.default_rng(3).permutation(rows)
    return replace(given, challenger=given.challenger.only(where))


def judging(of):
    """`judge` with its table and rules tampered with."""

    def tampered(monkeypatch):
        def judged(given, config, **named):
            return judge(*of(given, config), **named)

        monkeypatch.setattr(gating, "judge", judged)

    return tampered


def rules(**changes):
    return judging(lambda t, g: (t, replace(g, metrics={n: replace(r, **changes) for n, r in g.metrics.items()})))


def verdict_is_overwritten(monkeypatch):
    """Azure: the flag is read, and then set to 1."""

    def decided(*given, **named):
        found = decide(*given, **named)
        good = [replace(m, rulings=tuple(replace(r, verdict="pass") for r in m.rulings)) for m in found.metrics]
        return replace(found, metrics=tuple(good))

    monkeypatch.setattr(gating, "decide", decided)


def challenger_beside_itself(monkeypatch):
    """Vertex: the champion's evaluation is the challenger's."""
    monkeypatch.setattr(gating, "fits", lambda *given: (fits(*given)[0],) * 2)


def strictly_greater(monkeypatch):
    def decided(estimates, given, **named):
        sharp = [replace(m, difference=replace(m.difference, low=(v := m.difference.value), high=v)) for m in estimates]
        none = {name: Metric(margin=0.0) for name in given}
        return decide(sharp, none, **named)

    monkeypatch.setattr(gating, "decide", decided)


def other_rows(monkeypatch):
    """The champion's predictions stand beside other rows than they were made for."""
    shuffled = np.random.default_rng(5).permutation(ROWS)

    def of(given, config):
        return replace(given, champion=given.champion and given.champion.only(shuffled)), config

    judging(of)(monkeypatch)


def swapped_sign(monkeypatch):
    """Lower is taken for better."""
    find = measuring.find
    turned = {"higher": "lower", "lower": "higher"}

    def found(*given):
        metric = find(*given)
        return metric and replace(metric, better=turned[metric.better])

    for module in ("deciding.measure", "trial.selftest", "trial.borderline"):
        monkeypatch.setattr(importlib.import_module(f"mlci.gate.{module}"), "find", found)


def no_width(monkeypatch):
    """All intervals are points."""
    monkeypatch.setattr(intervals, "_around", lambda value, *_: intervals.Estimate(value, value, value))


BAD, NEARLY = (lambda: table(0.7)), (lambda: table(1.12))
SABOTAGES = [
    pytest.param(verdict_is_overwritten, BAD, "lets through", id="the verdict is overwritten with pass"),
    pytest.param(challenger_beside_itself, BAD, "lets through", id="the challenger is compared with itself"),
    pytest.param(
        judging(lambda t, g: (t, replace(g, metrics={}, slices=None))), BAD, "lets through", id="switched off"
    ),
    pytest.param(
        judging(lambda t, g: (replace(t, champion=None), g)), BAD, "lets through", id="no baseline is compared"
    ),
    pytest.param(rules(margin=1e9), BAD, "lets through", id="any margin will do"),
    pytest.param(other_rows, BAD, "lets through", id="the champion is judged on other rows"),
    pytest.param(swapped_sign, BAD, "stops the truth itself", id="the better side is the worse one"),
    pytest.param(
        judging(lambda t, g: (t, replace(g, confidence=0.5000001))), NEARLY, "nearly the margin", id="sure of nothing"
    ),
    pytest.param(no_width, NEARLY, "nearly the margin", id="values are compared, not bounds"),
    pytest.param(
        judging(lambda t, g: (t, replace(g, inconclusive="pass"))), NEARLY, "nearly the margin", id="perhaps is a yes"
    ),
    pytest.param(
        judging(lambda t, g: (t, replace(g, slices=None))), broken_in_a_slice, "is broken in", id="slices are not read"
    ),
]


def asked(given, *, self_test):
    wide = {"roc_auc": Metric(margin=0.15)}
    by = Slices(by=("carrier",), metric="roc_auc", max_gap=0.1)
    sliced = given is broken_in_a_slice
    config = replace(gate(**(wide if sliced else RULES), by=by), self_test=self_test)
    return judge_and_test(given(), config, champion_name="champion", model_bytes=None)


@pytest.mark.parametrize("given", [BAD, NEARLY, broken_in_a_slice], ids=["bad", "nearly", "slice"])
def test_the_honest_gate_stops_these_models_and_its_self_test_is_content(given):
    found = asked(given, self_test=True)
    assert not found.passed
    assert found.self_test.objections == ()


@pytest.mark.parametrize(("sabotage", "given", "why"), SABOTAGES)
def test_a_sabotaged_gate_lets_a_model_through_and_its_self_test_says_so(monkeypatch, sabotage, given, why):
    sabotage(monkeypatch)
    assert asked(given, self_test=False).passed
    found = asked(given, self_test=True)
    assert not found.passed
    assert found.summary.startswith("self-test: the gate ")
    assert any(why in one for one in found.self_test.objections)


def test_a_gate_by_strictly_greater_is_found_out_by_an_equal_and_by_a_nearly_equal_model(monkeypatch):
    strictly_greater(monkeypatch)
    stopped = [one for one in asked(lambda: table(1.25), self_test=True).self_test.objections if "stops" in one]
    assert any("far less than the margin of roc_auc" in one for one in stopped)


def test_a_gate_whose_last_word_is_always_yes_exits_with_a_no(monkeypatch, tmp_path, capsys):
    """The flag is set to 1 where it is read, after all was judged."""
    import duckdb

    given = table(0.7)
    for name, said in (("a", given.challenger.score), ("b", given.champion.score)):
        rows = {"id": np.arange(ROWS), "late": given.labels, "p": said}
        with duckdb.connect() as con:
            con.register("rows", rows)
            con.sql("select * from rows").write_parquet(str(tmp_path / f"{name}.parquet"))
    (tmp_path / "gate.yaml").write_text(
        "columns: {id: id, label: late, score: p}\nmetrics: {roc_auc: {margin: 0.02}}\n"
    )
    argv = ["gate", "--challenger", "a.parquet", "--champion", "b.parquet", "--config", "gate.yaml", "--json"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Report, "passed", True)
    assert run(argv) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "fail"
    assert said["summary"].startswith("self-test: the gate lets through")


@pytest.mark.parametrize("metrics", [{}, {"roc_auc": Metric()}], ids=["no metric", "metrics without a rule"])
def test_a_gate_without_a_rule_is_none(metrics):
    found = judge_and_test(table(1.25), gate(**metrics), champion_name="champion", model_bytes=None)
    assert not found.passed
    assert found.summary == "self-test: the gate lets through any model: no rule is set: nothing could fail"


def test_rules_that_are_not_about_metrics_are_rules():
    slices = Slices(by=("carrier",), metric="roc_auc", max_gap=0.5)
    assert judge_and_test(table(1.25), gate(by=slices), champion_name="champion", model_bytes=None).passed
