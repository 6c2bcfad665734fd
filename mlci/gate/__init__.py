"""Is the new model good enough, and how sure are we?

`read` takes the facts from the holdout and the prediction tables, `judge` decides on them, `render` shows it. Only
`read` touches files; the rest is arithmetic, the same for the same input and seed. `judge_tables` is all of it for two
tables of predictions and `mlci.config.load_gate("gate.yaml")`; `power` says what the rows can tell apart.
"""

from __future__ import annotations

from mlci.gate.alone import judge_tables, read_tables
from mlci.gate.check import Mistake, mistakes
from mlci.gate.cost.cost_rules import mistakes as cost_mistakes
from mlci.gate.cost.costs import Asked, Cost, Settled, settle
from mlci.gate.deciding.decide import Decision, Judged, Measured, Ruling, decide
from mlci.gate.deciding.intervals import Estimate
from mlci.gate.deciding.power import Power, power, render_power
from mlci.gate.gate import Report, SizeRuling, judge, judge_and_test, judge_size
from mlci.gate.metric.function import caller
from mlci.gate.metric.metrics import METRICS, OF_TASK, Definition, unknown
from mlci.gate.reading.facts import read
from mlci.gate.showing.render import render
from mlci.gate.slicing.slices import Skipped, Slice
from mlci.gate.table import Grouping, Predictions, Table, Whole
from mlci.gate.trial.selftest import Planted, SelfTest, self_test

__all__ = [
    "METRICS",
    "OF_TASK",
    "Asked",
    "Cost",
    "Decision",
    "Definition",
    "Estimate",
    "Grouping",
    "Judged",
    "Measured",
    "Mistake",
    "Planted",
    "Power",
    "Predictions",
    "Report",
    "Ruling",
    "SelfTest",
    "Settled",
    "SizeRuling",
    "Skipped",
    "Slice",
    "Table",
    "Whole",
    "caller",
    "cost_mistakes",
    "decide",
    "judge",
    "judge_and_test",
    "judge_size",
    "judge_tables",
    "mistakes",
    "power",
    "read",
    "read_tables",
    "render",
    "render_power",
    "self_test",
    "settle",
    "unknown",
]
