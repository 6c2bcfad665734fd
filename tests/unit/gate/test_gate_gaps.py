"""Gaps between groups: fairlearn's definitions, intervals that hold, and what has no gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from mlci.config.judging import Metric
from mlci.errors import WorldError
from mlci.gate import Grouping, Predictions, Table, judge, mistakes
from mlci.gate.metric.gaps import GAPS, measured_gap
from tests.unit.gate.gatekit import gate, properties


def groups(seed, rows, shift=0.0, k=3):
    """A table whose challenger selects more of each later group."""
    rng = np.random.default_rng(seed)
    codes = np.concatenate((np.repeat(np.arange(k), 4), rng.integers(0, k, rows - 4 * k)))
    labels = np.where(np.arange(rows) < 4 * k, np.arange(rows) % 2, rng.random(rows) < 0.4).astype(np.int8)
    fair, unfair = ((rng.random(rows) + 0.4 * labels + s * codes > 0.7).astype(np.int8) for s in (0.0, shift))
    values = tuple("ABCDEF"[:k])
    return Table(
        "classification", labels, Predictions(value=unfair), Predictions(value=fair), (Grouping("sex", codes, values),)
    )


def by_definition(name, labels, said, codes):
    """fairlearn's: the range over the groups of the rate, for the odds the larger of two."""
    rates = []
    for code in np.unique(codes):
        tn, fp, fn, tp = confusion_matrix(labels[codes == code], said[codes == code], labels=[0, 1]).ravel()
        rates.append(((tp + fp) / (tp + fp + fn + tn), tp / (tp + fn), fp / (fp + tn)))
    selection, true, false = np.ptp(np.array(rates), axis=0)
    return {"demographic": selection, "equal": true, "equalized": max(true, false)}[name.split("_", maxsplit=1)[0]]


@pytest.mark.parametrize("name", sorted(GAPS))
@properties
@given(seed=st.integers(0, 2**32), shift=st.floats(0, 0.3))
def test_a_gap_is_what_its_definition_says(name, seed, shift):
    table = groups(seed, 120, shift)
    intervals_of = measured_gap(table, name, Metric(by="sex"), 0.95)
    codes = table.groupings[0].codes
    for found, said in (
        (intervals_of.challenger, table.challenger.value),
        (intervals_of.champion, table.champion.value),
    ):
        assert found.value == pytest.approx(by_definition(name, table.labels, said, codes), abs=1e-9)


@pytest.mark.parametrize("name", sorted(GAPS))
def test_a_model_that_treats_groups_differently_fails_and_one_that_does_not_passes(name):
    table, rules = groups(1, 6000, 0.15), {name: Metric(by="sex", max=0.1, margin=0.05)}
    unfair = judge(table, gate(**rules), champion_name="x", model_bytes=None)
    assert [r.verdict for r in unfair.metrics[0].rulings] == ["fail", "fail"]
    fair = replace(table, challenger=table.champion, champion=table.challenger)
    assert judge(fair, gate(**rules), champion_name="x", model_bytes=None).passed


@pytest.mark.parametrize("shift", [0, 0.03, 0.1])
@pytest.mark.parametrize("name", sorted(GAPS))
def test_the_bounds_of_a_gap_and_of_a_difference_hold_the_truth(name, shift):
    rule, runs = Metric(by="sex"), 150
    whole = measured_gap(groups(0, 400_000, shift), name, rule, 0.95)
    truth, apart = whole.challenger.value, whole.difference.value
    missed = np.zeros(4)
    for seed in range(1, runs + 1):
        found = measured_gap(groups(seed, 1200, shift), name, rule, 0.95)
        alone, pair = found.challenger, found.difference
        missed += [truth < alone.low - 0.003, truth > alone.high, apart < pair.low, apart > pair.high]
    assert (missed / runs <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / runs)).all()


def test_groups_that_have_no_rates_are_named():
    table = groups(1, 200)
    table.labels[table.groupings[0].codes == 2] = 0
    with pytest.raises(WorldError, match="too few rows of sex = C"):
        measured_gap(table, "equal_opportunity_difference", Metric(by="sex"), 0.95)
    measured_gap(table, "demographic_parity_difference", Metric(by="sex"), 0.95)
    one = replace(table, groupings=(Grouping("sex", np.zeros(200, int), ("A",)),))
    with pytest.raises(WorldError, match="`sex` has one value"):
        measured_gap(one, "demographic_parity_difference", Metric(by="sex"), 0.95)


def test_a_gap_without_groups_and_groups_without_a_gap_are_mistakes():
    assert "needs the groups" in mistakes(gate(equalized_odds_difference=Metric()))[0].message
    assert "`by` is for gaps" in mistakes(gate(accuracy=Metric(by="sex")))[0].message
