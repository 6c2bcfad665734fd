"""The gate: how often it is wrong, by simulation, beside strict `>` and an unpaired test; and how fast it is.

A design makes the labels and the predictions of two models on the same rows. The champion has the skill 0, the
challenger either the same or one that loses just the margin, which is measured on MANY rows. A gate should not call the
equal model worse, and should not let the worse one pass.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.measure import Options, say, table
from mlci.config.model import Columns, Gate, Metric, Slices
from mlci.gate import Grouping, Measured, Predictions, Table, decide, intervals, judge
from mlci.gate.intervals import Fit, difference, fit, freedom, interval
from mlci.gate.measures import mean, values
from mlci.gate.metrics import METRICS, Definition

MANY = 2_000_000
CONFIDENCE = 0.95
PER_USER = 10
MEAN = Definition("score", "scores", "higher", "column", "mean", mean(values), (-math.inf, math.inf))


@dataclass(frozen=True)
class Design:
    """How rows are made: `(rng, rows, skill of the challenger) -> labels, challenger, champion, clusters`."""

    name: str
    metric: Definition
    worse: float
    make: Callable[..., tuple]


def _binary(rng, rows, skill, *, cut):
    labels = (rng.random(rows) < 0.3).astype(np.int8)
    shared = rng.normal(size=rows)
    said = [1 / (1 + np.exp(-(s * labels + shared - 1 + 0.5 * rng.normal(size=rows)))) for s in (1.5 + skill, 1.5)]
    return (labels, *(one >= 0.5 if cut else one for one in said), None)


def _numbers(rng, rows, skill):
    labels, shared = rng.normal(size=rows), rng.standard_t(5, size=rows)
    said = [labels + (1 - skill) * shared + 0.4 * rng.normal(size=rows) for skill in (skill, 0.0)]
    return labels, *said, None


def _users(rng, rows, skill):
    """Rows of a user share how hard they are, and how much a model likes them."""
    clusters = np.repeat(np.arange(rows // PER_USER), PER_USER)
    n = len(clusters)
    hard = rng.normal(size=rows // PER_USER)[clusters]
    said = []
    for s in (skill, 0.0):
        taste = 0.5 * rng.normal(size=rows // PER_USER)[clusters]
        said.append(1.3 + s + hard + taste + rng.normal(size=n) > 0)
    return np.ones(n, np.int8), *said, clusters


def _scores(rng, rows, skill):
    shared = rng.beta(4, 2, size=rows)
    said = [np.clip(shared + s + 0.1 * rng.standard_t(4, size=rows), 0, 1) for s in (skill, 0.0)]
    return np.zeros(rows), *said, None


DESIGNS = (
    Design("accuracy", METRICS["accuracy"], -0.3, lambda *a: _binary(*a, cut=True)),
    Design("roc_auc", METRICS["roc_auc"], -0.3, lambda *a: _binary(*a, cut=False)),
    Design("log_loss", METRICS["log_loss"], -0.3, lambda *a: _binary(*a, cut=False)),
    Design("rmse", METRICS["rmse"], -0.06, _numbers),
    Design(f"accuracy, {PER_USER} rows a user", METRICS["accuracy"], -0.1, _users),
    Design("mean score", MEAN, -0.02, _scores),
)
SIZES = (500, 5_000, 50_000)


@dataclass(frozen=True)
class Rates:
    """Shares of simulations: an equal model failed; one on the margin passed, by the gate and by others; coverage."""

    failed: float
    strict_equal: float
    passed: float
    strict: float
    unpaired: float
    equal_passed: float
    equal_passed_unpaired: float
    covered: float


def measure(options: Options) -> str:
    """The section of the page."""
    runs, sizes = (60, SIZES[:1]) if options.quick else (2000, SIZES)
    rows = []
    for design in DESIGNS:
        for size in sizes:
            n = max(runs // (1 if size < SIZES[-1] else 4), 60)
            say(f"{design.name}, {size} rows, {n} simulations")
            one = simulate(design, size, n)
            shares = (one.failed, one.strict_equal, one.passed, one.strict, one.unpaired)
            more = (one.equal_passed, one.equal_passed_unpaired, one.covered)
            rows.append([design.name, f"{size:,}", *(f"{100 * share:.1f} %" for share in (*shares, *more))])
    head = ["metric", "rows", "equal: fails", "equal: `>` stops", "worse: passes", "worse: `>` passes"]
    head += ["worse: unpaired passes", "equal: passes", "equal: unpaired passes", "coverage (90 %)"]
    about = (
        f"{runs:,} simulations (a quarter at {SIZES[-1]:,} rows), confidence {CONFIDENCE}. *Equal* is a challenger of "
        "the champion's skill, *worse* one that loses just the margin; `>` promotes whatever measures higher. "
        "Coverage is that of the two-sided interval of the difference."
    )
    return f"{about}\n\n{table(head, rows)}\n\n### Speed\n\n{speed(options)}"


def simulate(design: Design, rows: int, runs: int) -> Rates:
    """Judge `runs` pairs of models on as many samples."""
    metric, rng = design.metric, np.random.default_rng(11)

    def pair(size: int, skill: float) -> list[Fit]:
        labels, *said, clusters = design.make(rng, size, skill)
        return [fit(metric, labels, one, None, clusters) for one in said]

    worse, champion = pair(MANY, design.worse)
    truth = worse.value - champion.value
    margin = abs(truth)
    failed = strict_equal = passed = strict = unpaired = equal_passed = equal_unpaired = covered = 0
    for seed in range(runs):
        equal, bad = (pair(rows, skill) for skill in (0.0, design.worse))
        failed += _verdict(metric, *equal, 0.0, seed) == "fail"
        strict_equal += metric.sign * (equal[0].value - equal[1].value) <= 0
        equal_passed += _verdict(metric, *equal, margin, seed) == "pass"
        equal_unpaired += _unpaired(*equal, margin)
        passed += _verdict(metric, *bad, margin, seed) == "pass"
        strict += metric.sign * (bad[0].value - bad[1].value) > 0
        unpaired += _unpaired(*bad, margin)
        found = difference(*bad, CONFIDENCE, seed=seed)
        covered += found.low <= truth <= found.high
    found = (failed, strict_equal, passed, strict, unpaired, equal_passed, equal_unpaired, covered)
    return Rates(*(count / runs for count in found))


def _verdict(metric: Definition, one: Fit, other: Fit, margin: float, seed: int) -> str:
    both = difference(one, other, CONFIDENCE, seed=seed)
    seen = Measured(metric.name, metric.better, len(one.labels), both, None, both, freedom=freedom(one, one.influence))
    return decide([seen], {metric.name: Metric(margin=margin)}, confidence=CONFIDENCE).verdict


def _unpaired(one: Fit, other: Fit, margin: float) -> bool:
    """Whether the same claim passes when the two models' intervals are put together as if of different rows."""
    ends = [interval(part, CONFIDENCE) for part in (one, other)]
    half = math.hypot(*((end.high - end.low) / 2 for end in ends))
    return one.metric.sign * (one.value - other.value) - half >= -margin


# Speed


METRIC_NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "selection_rate")
RULES = {name: Metric(margin=0.01) for name in (*METRIC_NAMES, "log_loss", "brier")}


def speed(options: Options) -> str:
    """Ten metrics and a hundred slices of many rows; and what scipy and scikit-learn need for what they can do."""
    rows = 200_000 if options.quick else 10_000_000
    many = sample(rows)
    before = time.perf_counter()
    slices = Slices(by=("slice",), metric="accuracy", max_gap=0.05, margin=0.05)
    columns = Columns(id="id", label="y", score="p")
    config = Gate(predict=("p",), data="h", columns=columns, metrics=RULES, slices=slices)
    report = judge(many, config, champion_name="champion", model_bytes=None)
    took = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert len(report.slices) == 100
    lines = [
        f"{rows:,} rows, {len(RULES)} metrics of both models and their difference, 100 slices, "
        f"{intervals.REPLICATES:,} replicates, Holm over the slices: **{took:.1f} s** beyond reading, and {peak:.2f} "
        "GiB at most, the tables and all libraries included."
    ]
    return "\n\n".join([*lines, beside(5_000 if options.quick else 50_000)])


def sample(rows: int) -> Table:
    """Two models and a hundred groups."""
    rng = np.random.default_rng(3)
    labels, one, other, _ = _binary(rng, rows, 0.05, cut=False)
    values = tuple(map(str, range(100)))
    groups = Grouping("slice", rng.integers(0, 100, rows).astype(np.uint8), values)
    one, other = (said.astype(np.float32) for said in (one, other))
    return Table("classification", labels, Predictions(one), Predictions(other), (groups,))


def beside(rows: int) -> str:
    """The same interval of the difference of F1: the gate's, scipy's, and a loop over scikit-learn."""
    from scipy import stats
    from sklearn.metrics import f1_score

    few = 199
    given = sample(rows)
    metric = METRICS["f1"]
    said = [metric.column(one) for one in (given.challenger, given.champion)]
    fits = [fit(metric, given.labels, one) for one in said]

    def ours() -> tuple[float, float]:
        found = difference(*fits, CONFIDENCE)
        return found.low, found.high

    def scipys() -> tuple[float, float]:
        def of(y, a, b):
            return _f1(y, a) - _f1(y, b)

        found = stats.bootstrap(
            (given.labels, *said), of, paired=True, vectorized=False, n_resamples=few, method="percentile",
            confidence_level=2 * CONFIDENCE - 1, rng=1,
        ).confidence_interval  # fmt: skip
        return found.low, found.high

    def sklearns() -> tuple[float, float]:
        rng, found = np.random.default_rng(1), []
        for _ in range(few):
            at = rng.integers(0, rows, rows)
            y = given.labels[at]
            found.append(f1_score(y, said[0][at]) - f1_score(y, said[1][at]))
        low, high = np.quantile(found, [1 - CONFIDENCE, CONFIDENCE])
        return float(low), float(high)

    lines, base = [], 0.0
    for name, make, replicates in (
        ("mlci", ours, intervals.REPLICATES),
        (f"scipy.stats.bootstrap, {few} replicates", scipys, few),
        (f"loop over sklearn.metrics.f1_score, {few} replicates", sklearns, few),
    ):
        before = time.perf_counter()
        low, high = make()
        each = (time.perf_counter() - before) / replicates
        base = base or each
        lines.append([name, f"{1e6 * each:,.1f} µs", f"{each / base:,.0f} ×", f"{low:+.4f} to {high:+.4f}"])
    head = ["interval of the difference of f1", "a replicate", "ratio", "interval"]
    return f"{rows:,} rows, two models:\n\n{table(head, lines)}"


def _f1(labels, said):
    hit = np.count_nonzero(labels & said)
    return 2 * hit / (np.count_nonzero(labels) + np.count_nonzero(said))
