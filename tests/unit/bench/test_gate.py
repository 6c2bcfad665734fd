"""What the benchmarks of the gate take for true is true, and their counts are of what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench import gate
from bench.gate_designs import DESIGNS


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_what_is_true_of_a_design_is_what_many_rows_show(design):
    one, other = design.pair(np.random.default_rng(1), 200_000, design.worse)
    errors = [math.sqrt(fit.influence @ fit.influence) for fit in (one, other)]
    assert one.value == pytest.approx(design.true, abs=8 * errors[0])
    assert one.value - other.value == pytest.approx(design.loss, abs=4 * max(errors))
    assert design.metric.sign * design.loss < 0


def test_simulations_add_up_and_come_again(monkeypatch):
    monkeypatch.setattr(gate, "PART", 40)
    one, again, another = (gate.simulate(1, 500, part) for part in (0, 0, 1))
    assert one == again != another
    both = one + another
    assert both.runs == 80
    assert both.failed_margin <= both.failed < 20 < both.strict_equal < 60
    assert both.passed < 20 < both.equal_passed
    assert both.unpaired <= both.passed
    assert both.covered > 60 < both.covered_alone
