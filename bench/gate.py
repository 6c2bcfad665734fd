"""The gate: how often it is wrong, by simulation, beside strict `>` and an unpaired test; and how fast it is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context

import numpy as np

from bench import gate_speed
from bench.gate_designs import DESIGNS, Design
from bench.measure import Options, say, table
from mlci.config.judging import Metric
from mlci.gate import Measured, decide
from mlci.gate.deciding.intervals import Estimate, Fit, difference, freedom, interval

CONFIDENCE = 0.95
RUNS = {500: 4_000, 5_000: 4_000, 50_000: 2_000}
"""Simulations by the rows of a holdout."""
PART = 250
"""Simulations that a process does at once; each part draws numbers of its own."""
SURE = 1.96


@dataclass(frozen=True)
class Counts:
    """Of `runs` simulations, how often

    - an equal model was declared worse under `margin: 0`, and under its margin, and `>` stopped it;
    - one that is worse by just the margin passed it, by the gate, by `>`, and by an unpaired test;
    - an equal model passed that margin, by the gate and by an unpaired test;
    - the two-sided interval held the truth: of the difference, and of one model.
    """

    runs: int
    failed: int = 0
    failed_margin: int = 0
    strict_equal: int = 0
    passed: int = 0
    strict: int = 0
    unpaired: int = 0
    equal_passed: int = 0
    equal_unpaired: int = 0
    covered: int = 0
    covered_alone: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def share(self, count: int) -> str:
        """In percent."""
        return f"{100 * count / self.runs:.1f} %"


HEAD: dict[str, Callable[[Counts], int]] = {
    "equal: declared worse, `margin: 0`": lambda c: c.failed,
    "equal: declared worse, margin": lambda c: c.failed_margin,
    "equal: `>` stops": lambda c: c.strict_equal,
    "worse: passes": lambda c: c.passed,
    "worse: `>` passes": lambda c: c.strict,
    "worse: unpaired passes": lambda c: c.unpaired,
    "equal: passes": lambda c: c.equal_passed,
    "equal: unpaired passes": lambda c: c.equal_unpaired,
    "coverage, difference": lambda c: c.covered,
    "coverage, one model": lambda c: c.covered_alone,
}


def measure(options: Options) -> str:
    """The section of the page."""
    runs = {500: 2 * PART} if options.quick else RUNS
    fast = _alone(gate_speed.measure, options)
    rows = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for place, design in enumerate(DESIGNS):
            for size, n in runs.items():
                say(f"{design.name}, {size:,} rows, {n:,} simulations")
                parts = n // PART
                found = sum(pool.map(simulate, [place] * parts, [size] * parts, range(parts)), Counts(0))
                shares = [found.share(of(found)) for of in HEAD.values()]
                rows.append([design.name, f"{size:,}", f"{abs(design.loss):.4f}", *shares])
    about = (
        f"Two models judged on the same rows of new holdouts, confidence {CONFIDENCE}. *Equal* is a challenger of the "
        "champion's skill, *worse* one whose true value is worse by exactly the margin; what is true is known from the "
        "design. Declared worse: the verdict is `fail`. `margin: 0` asks the hardest question, whether it is worse at "
        "all. `>` promotes what measures higher. The unpaired test takes the same rows for different ones. Coverage is "
        f"that of the two-sided interval, nominally {_percent(2 * CONFIDENCE - 1)}. Chance alone, in 19 of 20 cells, "
        f"moves a share of 5 % by {_chances(runs, 0.05)}, and coverage by {_chances(runs, 0.1)}."
    )
    return f"{about}\n\n{table(['metric', 'rows', 'margin', *HEAD], rows)}\n\n### Speed\n\n{fast}"


def simulate(place: int, rows: int, part: int) -> Counts:
    """Judge PART pairs of models by a design of DESIGNS, each on as many rows."""
    design = DESIGNS[place]
    rng = np.random.default_rng([place, rows, part])
    return sum((_once(design, rng, rows, part * PART + i) for i in range(PART)), Counts(0))


def _once(design: Design, rng: np.random.Generator, rows: int, seed: int) -> Counts:
    sign, loss, margin = design.metric.sign, design.loss, abs(design.loss)
    equal, worse = (design.pair(rng, rows, skill) for skill in (0.0, design.worse))
    of_equal, of_worse = (difference(*pair, CONFIDENCE, seed=seed) for pair in (equal, worse))
    alone = interval(worse[0], CONFIDENCE, seed=seed)
    verdict = _verdict(equal, of_equal, margin)
    return Counts(
        1,
        _verdict(equal, of_equal, 0.0) == "fail",
        verdict == "fail",
        sign * of_equal.value <= 0,
        _verdict(worse, of_worse, margin) == "pass",
        sign * of_worse.value > 0,
        _unpaired(worse, margin),
        verdict == "pass",
        _unpaired(equal, margin),
        of_worse.low <= loss <= of_worse.high,
        alone.low <= design.true <= alone.high,
    )


def _verdict(pair: list[Fit], both: Estimate, margin: float) -> str:
    one, other = pair
    degrees = freedom(one, one.influence - other.influence)
    seen = Measured(one.metric.name, one.metric.better, len(one.labels), both, None, both, freedom=degrees)
    return decide([seen], {one.metric.name: Metric(margin=margin)}, confidence=CONFIDENCE).verdict


def _unpaired(pair: list[Fit], margin: float) -> bool:
    """Whether the same claim passes when the two models' intervals are put together as if of different rows."""
    one, other = pair
    ends = [interval(part, CONFIDENCE) for part in pair]
    half = math.hypot(*((end.high - end.low) / 2 for end in ends))
    return one.metric.sign * (one.value - other.value) - half >= -margin


def _alone(work: Callable[[Options], str], options: Options) -> str:
    """In a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, options).result()


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _chances(runs: dict[int, int], share: float) -> str:
    points = {size: 100 * SURE * math.sqrt(share * (1 - share) / n) for size, n in runs.items()}
    return ", ".join(f"± {point:.1f} points at {size:,} rows" for size, point in points.items())
