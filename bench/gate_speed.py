"""How fast the gate is: on many rows, on few, and beside scipy and a loop over scikit-learn with the same intervals."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.gate_designs import probabilities
from bench.measure import Options, say, table
from mlci.config.judging import Columns, Gate, Metric, Slices
from mlci.gate import Grouping, Predictions, Table, judge, judge_tables
from mlci.gate.deciding import intervals
from mlci.gate.deciding.intervals import Fit, difference, fit
from mlci.gate.metric.metrics import METRICS

CONFIDENCE = 0.95
OF_COUNTS = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "selection_rate")
RULES = {name: Metric(margin=0.01) for name in (*OF_COUNTS, "log_loss", "brier")}
COLUMNS = Columns(id="id", label="y", score="p")
SLICES = Slices(by=("slice",), metric="accuracy", max_gap=0.05, margin=0.05)
LOOPS = 1_000
"""Replicates of the loop over scikit-learn: more take minutes."""
GIB = 2**30 if sys.platform == "darwin" else 2**20


def measure(options: Options) -> str:
    """The part of the section; the first table has to be made first, while little memory was taken."""
    say("speed")
    head = ["what", "mlci", "limit"]
    rows = [*many(200_000 if options.quick else 10_000_000), few(options.data)]
    return f"{table(head, rows)}\n\n{beside(2_000 if options.quick else 20_000)}"


def many(rows: int) -> list[list[str]]:
    """Ten metrics and a hundred slices of many rows."""
    given = sample(rows)
    config = Gate(predict=("p",), data="h", columns=COLUMNS, metrics=RULES, slices=SLICES)
    before = time.perf_counter()
    report = judge(given, config, champion_name="champion", model_bytes=None)
    took = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    if len(report.slices) != 100 or len(report.metrics) != 10:
        raise SystemExit("bench: not all metrics and slices were judged")
    what = (
        f"{rows:,} rows, {len(RULES)} metrics of both models and their difference, 100 slices, "
        f"{intervals.REPLICATES:,} replicates, Holm over the slices"
    )
    return [
        [f"{what}: time beyond reading", f"{took:.1f} s", "≤ 8 s"],
        ["the same: memory, with the tables and all libraries", f"{peak:.2f} GiB", "≤ 1 GiB"],
    ]


def few(folder: Path) -> list[str]:
    """Files of 500 rows and 30 columns, read and judged as `mlci gate --challenger` does, with the self-test."""
    import duckdb

    given = sample(500)
    said = {"challenger": given.challenger.score, "champion": given.champion.score}
    paths = {name: folder / f"{name}-500.parquet" for name in said}
    for name, path in paths.items():
        numbers = {f"c{i}": np.random.default_rng(i).normal(size=500) for i in range(26)}
        of = np.where(np.arange(500) % 2, "a", "b")
        columns = {"id": np.arange(500), "y": given.labels, "p": said[name], "slice": of, **numbers}
        with duckdb.connect() as con:
            con.register("columns", columns)
            con.sql("select * from columns").write_parquet(str(path))
    config = Gate(predict=("p",), data="h", columns=COLUMNS, metrics=RULES, slices=SLICES)
    times = []
    for _ in range(5):
        before = time.perf_counter()
        report = judge_tables(config, paths["challenger"], paths["champion"])
        times.append(time.perf_counter() - before)
    if report.rows != 500 or report.self_test is None:
        raise SystemExit("bench: not all was judged")
    what = "500 rows × 30 columns in two files, 10 metrics, 2 slices, self-test: all beyond imports, the median of 5"
    return [what, f"{statistics.median(times):.2f} s", "≤ 1 s"]


def sample(rows: int) -> Table:
    """Two models and a hundred groups."""
    rng = np.random.default_rng(3)
    labels, one, other, _ = probabilities(rng, rows, 0.05)
    groups = Grouping("slice", rng.integers(0, 100, rows).astype(np.uint8), tuple(map(str, range(100))))
    one, other = (said.astype(np.float32) for said in (one, other))
    return Table("classification", labels, Predictions(one), Predictions(other), (groups,))


@dataclass(frozen=True)
class Way:
    """A way to the same interval, and how many replicates it draws."""

    name: str
    replicates: int
    make: Callable[[], tuple[float, float]]


def beside(rows: int) -> str:
    """The same interval of the difference of F1: the gate's, scipy's, and a loop over scikit-learn."""
    given, metric = sample(rows), METRICS["f1"]
    said = [metric.column(one) for one in (given.challenger, given.champion)]
    one, other = (fit(metric, given.labels, column) for column in said)
    lines, base = [], None
    for way in _ways(one, other):
        before = time.perf_counter()
        low, high = way.make()
        took = time.perf_counter() - before
        base = base or (took / way.replicates, low, high)
        each, apart = took / way.replicates, max(abs(low - base[1]), abs(high - base[2])) / (base[2] - base[1])
        shown = [f"{low:+.5f} to {high:+.5f}", f"{100 * apart:.1f} %"]
        lines.append([way.name, f"{took:.2f} s", f"{1e6 * each:,.1f} µs", f"{each / base[0]:,.0f} ×", *shown])
    head = ["the difference of f1", "time", "a replicate", "ratio (≥ 100 ×)", "interval", "ends apart, of the width"]
    about = (
        f"{rows:,} rows, two models, the 90 % interval of the difference of their F1. Ends of two bootstraps of "
        f"{intervals.REPLICATES:,} replicates lie up to 2 % of the width apart by chance, and of {LOOPS:,} up to 5 %."
    )
    return f"{about}\n\n{table(head, lines)}"


def _ways(one: Fit, other: Fit) -> tuple[Way, ...]:
    many = intervals.REPLICATES
    return (
        Way("mlci", many, lambda: _ends(difference(one, other, CONFIDENCE))),
        Way("`scipy.stats.bootstrap`, percentile", many, lambda: _scipys(one, other, many)),
        Way("loop over `sklearn.metrics.f1_score`", LOOPS, lambda: _loop(one, other, LOOPS)),
    )


def _ends(found: intervals.Estimate) -> tuple[float, float]:
    return found.low, found.high


def _scipys(one: Fit, other: Fit, replicates: int) -> tuple[float, float]:
    from scipy import stats

    found = stats.bootstrap(
        (one.labels, one.column, other.column),
        lambda y, a, b: _f1(y, a) - _f1(y, b),
        paired=True,
        vectorized=False,
        n_resamples=replicates,
        batch=100,
        method="percentile",
        confidence_level=2 * CONFIDENCE - 1,
        rng=1,
    ).confidence_interval
    return float(found.low), float(found.high)


def _f1(labels: np.ndarray, said: np.ndarray) -> float:
    hit = np.count_nonzero(labels & said)
    return 2 * hit / (np.count_nonzero(labels) + np.count_nonzero(said))


def _loop(one: Fit, other: Fit, replicates: int) -> tuple[float, float]:
    from sklearn.metrics import f1_score

    rng, rows, found = np.random.default_rng(1), len(one.labels), []
    for _ in range(replicates):
        at = rng.integers(0, rows, rows)
        y = one.labels[at]
        found.append(f1_score(y, one.column[at]) - f1_score(y, other.column[at]))
    low, high = np.quantile(found, [1 - CONFIDENCE, CONFIDENCE])
    return float(low), float(high)
