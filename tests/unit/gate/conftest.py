"""Prediction tables made to order."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.gate.gatekit import HOLDOUT, PREDICTIONS, Files


@pytest.fixture(scope="session")
def written_once(tmp_path_factory):
    made = Files(tmp_path_factory.mktemp("gate"))
    made.write("holdout", HOLDOUT)
    made.write("challenger", PREDICTIONS)
    made.write("champion", PREDICTIONS)
    return made.written


@pytest.fixture
def files(tmp_path, written_once):
    written = {name: shutil.copy(path, tmp_path / path.name) for name, path in written_once.items()}
    return Files(tmp_path, written=written)
