"""The mean of a bounded metric: the published formula, its invariances, and its error under optional stopping."""

from __future__ import annotations

import numpy as np
import pytest

from mlci.deploy.analysis import Mean, confidence_sequence, differences


def published(values: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Theorem 2 of Waudby-Smith and Ramdas, as printed there: (13), (14) and (15), all at once."""
    t = np.arange(1, len(values) + 1)
    mean = (0.5 + np.cumsum(values)) / (t + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (t + 1)
    mean_before, variance_before = np.r_[0.5, mean[:-1]], np.r_[0.25, variance[:-1]]
    bet = np.minimum(np.sqrt(2 * np.log(2 / alpha) / (variance_before * t * np.log(1 + t))), 0.5)
    v, psi = 4 * (values - mean_before) ** 2, (-np.log(1 - bet) - bet) / 4
    centre = np.cumsum(bet * values) / np.cumsum(bet)
    return centre, (np.log(2 / alpha) + np.cumsum(v * psi)) / np.cumsum(bet)


@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_intervals_are_those_of_the_paper(alpha: float) -> None:
    values = np.random.default_rng(1).beta(10, 30, size=500)
    centre, half = published(values, alpha)
    found = np.array(confidence_sequence(values.tolist(), low=0, high=1, alpha=alpha))
    np.testing.assert_allclose(found[:, 0], np.maximum(0, centre - half), atol=1e-12)
    np.testing.assert_allclose(found[:, 1], np.minimum(1, centre + half), atol=1e-12)
    assert found[-1, 1] - found[-1, 0] < 0.06


def test_the_unit_of_the_numbers_changes_nothing() -> None:
    values = np.random.default_rng(2).random(50)
    plain = confidence_sequence(values.tolist(), low=0, high=1, alpha=0.05)
    scaled = confidence_sequence((values * 200 - 50).tolist(), low=-50, high=150, alpha=0.05)
    np.testing.assert_allclose(np.array(scaled), np.array(plain) * 200 - 50)


def test_the_interval_holds_at_all_times_at_once_as_often_as_promised() -> None:
    rng, missed = np.random.default_rng(3), 0
    for _ in range(200):
        sequence = confidence_sequence((rng.random(400) < 0.1).tolist(), low=0, high=1, alpha=0.1)
        missed += any(not low <= 0.1 <= high for low, high in sequence)
    assert missed <= 0.1 * 200 + 3 * (0.09 * 200) ** 0.5


def test_a_mean_that_drifts_for_both_versions_is_no_difference() -> None:
    rng, found, ever = np.random.default_rng(4), Mean(-1, 1), 0.0
    for t in range(600):
        base = 0.5 + 0.4 * np.sin(t / 40)
        canary, stable = rng.normal(base, 0.05, 2), rng.normal(base, 0.05, 10)
        found = found.add(differences(canary.tolist(), stable.tolist()), 0.01)
        ever = max(ever, found.above(0.0), found.below(0.0))
    assert ever < np.log(100)
    assert found.below(0.05) > np.log(100)
    assert found.above(-0.05) > np.log(100)


def test_evidence_and_interval_say_the_same() -> None:
    found = Mean(0, 10).add([7.0, 8.0, 6.5] * 40, 0.05)
    low, high = found.interval(0.05)
    assert found.above(low) == pytest.approx(np.log(2 / 0.05))
    assert found.below(high) == pytest.approx(np.log(2 / 0.05))
    assert low < found.value < high


def test_every_number_of_both_sides_counts_once() -> None:
    assert differences([1.0, 2.0], [1.0, 1.0, 4.0, 6.0]) == [0.0, -3.0]
    assert differences([1.0, 3.0, 5.0], [1.0]) == [2.0]
    assert differences([], [1.0]) == []


def test_before_the_first_number_the_interval_is_the_whole_range() -> None:
    assert Mean(-3, 4).interval(0.05) == (-3, 4)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_bounds_that_are_none_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="no bounds"):
        confidence_sequence([1.0], low=low, high=high, alpha=0.05)


def test_worked_values_of_another_implementation() -> None:
    """Those of ville 0.1.0, `EmpiricalBernsteinCS(alpha=0.05, intersect=False)`."""
    found = confidence_sequence(
        [0.31, 0.12, 0.5, 0.44, 0.27, 0.9, 0.05, 0.33, 0.61, 0.2] * 60, low=0, high=1, alpha=0.05
    )
    assert found[99] == pytest.approx((0.27619771934625215, 0.4698022806537475), abs=1e-12)
    assert found[599] == pytest.approx((0.33917044623175385, 0.40711519582913835), abs=1e-12)
