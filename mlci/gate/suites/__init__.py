"""Test suites: checks by other programs, of the data and of what the model says of it, whose findings the gate minds.

A suite takes Parquet tables and gives findings. `deepchecks:*`, `evidently:*` and `command: …` are built in, others
come by the entry points of the group `mlci.suites`; what one has to be is `protocol.Kind`.
"""

from __future__ import annotations

from mlci.gate.suites.ask import Asked, Wrong, asked, mistakes, name_of, training_data
from mlci.gate.suites.protocol import Found, Job, Kind, Outcome, Rows, Wants
from mlci.gate.suites.tables import write
from mlci.gate.suites.verdict import Judged, judge

__all__ = [
    "Asked",
    "Found",
    "Job",
    "Judged",
    "Kind",
    "Outcome",
    "Rows",
    "Wants",
    "Wrong",
    "asked",
    "judge",
    "mistakes",
    "name_of",
    "training_data",
    "write",
]
