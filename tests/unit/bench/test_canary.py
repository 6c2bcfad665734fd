"""The peers' rules are what their definitions say, and a cell comes again as it was."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from bench import canary
from bench.canary import Cell, judge
from bench.canary_peers import NEVER, calibrated, kayenta, limited


def test_a_failure_limit_lets_as_many_intervals_pass():
    over = np.array([[True, False, True, True], [False, False, False, True], [False] * 4])
    assert limited(over, 0).tolist() == [0, 3, NEVER]
    assert limited(over, 1).tolist() == [2, NEVER, NEVER]


def test_the_limit_is_the_smallest_that_keeps_the_rate_of_false_alarms():
    over = np.zeros((100, 5), bool)
    over[:3, :2] = True
    assert [calibrated(over, rate) for rate in (0.0, 0.02, 0.03)] == [2, 2, 0]


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_kayenta_says_high_where_mann_whitney_is_sure(shift):
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(shift, 1, (200, 25)), rng.normal(0, 1, (200, 25))
    high = kayenta(ours, theirs, every=False) != NEVER
    sure = np.array(
        [mannwhitneyu(a, b, alternative="greater").pvalue < 0.01 for a, b in zip(ours, theirs, strict=True)]
    )
    assert (high <= sure).mean() >= 0.99  # it asks for a quarter of the shift on top
    assert high.mean() >= sure.mean() - 0.35


def test_a_cell_comes_again_as_it_was_and_tells_a_bad_canary_from_a_good_one(monkeypatch):
    monkeypatch.setattr(canary, "HORIZON", 300)
    one, again = (judge(Cell(20.0, 0.25), 40) for _ in range(2))
    assert repr(one) == repr(again)
    assert one[0].mlci.back <= 0.05
    assert one[-1].mlci.back == 1.0
    assert one[-1].mlci.failed < min(found.failed for found in one[-1].peers.values())
