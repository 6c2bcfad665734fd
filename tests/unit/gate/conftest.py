"""Prediction tables made to order."""

from __future__ import annotations

import pytest
from gatekit import HOLDOUT, PREDICTIONS, Files


@pytest.fixture
def files(tmp_path):
    made = Files(tmp_path)
    made.write("holdout", HOLDOUT)
    made.write("challenger", PREDICTIONS)
    made.write("champion", PREDICTIONS)
    return made
