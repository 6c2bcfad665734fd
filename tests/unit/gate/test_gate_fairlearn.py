"""Gaps between groups are what fairlearn says they are."""

from __future__ import annotations

import fairlearn.metrics as fairlearn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.config.judging import Metric
from mlci.gate.metric.gaps import GAPS, measured_gap
from tests.unit.gate.test_gate_gaps import groups


@pytest.mark.parametrize("name", sorted(GAPS))
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32), rows=st.integers(40, 300), shift=st.floats(0, 0.3), k=st.integers(2, 6))
def test_a_gap_equals_fairlearn(name, seed, rows, shift, k):
    table = groups(seed, rows, shift, k)
    found = measured_gap(table, name, Metric(by="sex"), 0.95)
    sensitive = table.groupings[0].codes
    for one, said in ((found.challenger, table.challenger.value), (found.champion, table.champion.value)):
        wanted = getattr(fairlearn, name)(table.labels, said, sensitive_features=sensitive)
        assert one.value == pytest.approx(wanted, abs=1e-9)
