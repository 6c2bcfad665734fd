"""Is the new model good enough, and how sure are we?

`read` takes the facts from the holdout and the prediction tables, `judge` decides on them, `render` shows it. Only
`read` touches files; the rest is arithmetic, the same for the same input and seed.
"""

from __future__ import annotations

from mlci.gate.check import Mistake, mistakes
from mlci.gate.decide import Decision, Judged, Measured, Ruling, decide
from mlci.gate.facts import read
from mlci.gate.gate import Report, SizeRuling, judge, judge_size
from mlci.gate.intervals import Estimate
from mlci.gate.metrics import METRICS, Definition, unknown
from mlci.gate.render import render
from mlci.gate.slices import Skipped, Slice
from mlci.gate.table import Grouping, Predictions, Table

__all__ = [
    "METRICS",
    "Decision",
    "Definition",
    "Estimate",
    "Grouping",
    "Judged",
    "Measured",
    "Mistake",
    "Predictions",
    "Report",
    "Ruling",
    "SizeRuling",
    "Skipped",
    "Slice",
    "Table",
    "decide",
    "judge",
    "judge_size",
    "mistakes",
    "read",
    "render",
    "unknown",
]
