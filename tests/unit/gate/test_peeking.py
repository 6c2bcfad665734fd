"""Many models on the same rows: what luck does to the best of them, and from when on it is said."""

from __future__ import annotations

import numpy as np
import pytest

from mlci.gate.deciding.peeking import Holdout, reach

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize("models", [2, 5, 13, 100])
def test_the_reach_of_luck_is_that_of_a_simulation(models):
    best = np.random.default_rng(7).standard_normal((40_000, models)).max(axis=1)
    assert reach(models) == pytest.approx(best.mean(), abs=0.03)


def test_one_model_is_not_chosen_among_others():
    assert reach(1) == 0
    assert "first model" in Holdout(A, 1).looks


def test_the_count_is_a_remark_once_luck_reaches_as_far_as_the_bound():
    assert Holdout(A, 12).worn(0.95) == ""
    assert "13 different models" in Holdout(A, 13).worn(0.95)
    assert "bound at 95 %" in Holdout(A, 13).worn(0.95)
    assert Holdout(A, 13).worn(0.99) == ""
    assert "up to 1.7 standard errors" in Holdout(A, 13).looks


def test_other_rows_than_the_champions_are_said_and_the_same_are_not():
    assert "another holdout" in Holdout(A, 1, B).changed
    assert Holdout(A, 1, A).changed == Holdout(A, 1).changed == ""
    assert [Holdout(A, 1, before).facts()["same"] for before in (A, B, None)] == [True, False, None]
