"""The search for the worst slices: how often a fair model is accused, how often a planted slice is found, and how fast.

python bench/search.py            # errors by simulation, as docs/gate.md shows them
python bench/search.py time       # a million rows, 20 columns, all pairs
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from mlci.config.judging import Columns, Gate, Search, Slices
from mlci.gate import Grouping, Predictions, Table, judge
from mlci.gate.gate import Report

RUNS = 400
KINDS = ("roc_auc", "accuracy", "f1", "log_loss")


def table(seed: int, rows: int, features: int, values: int = 4) -> Table:
    """Two equal models, and columns that have nothing to do with either."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.int8)
    shared = rng.normal(size=rows)
    pair = [1 / (1 + np.exp(-(2 * labels - 1 + shared + 0.5 * rng.normal(size=rows)))) for _ in range(2)]
    names = tuple(f"v{k}" for k in range(values))
    drawn = tuple(Grouping(f"f{i}", rng.integers(0, values, rows).astype(np.uint8), names) for i in range(features))
    return Table("classification", labels, Predictions(pair[0]), Predictions(pair[1]), features=drawn)


def planted(given: Table, seed: int) -> tuple[Table, str]:
    """The challenger's scores dealt out in a cell of two columns, and what that slice is called."""
    one, other = sorted(np.random.default_rng(seed).choice(len(given.features), 2, replace=False).tolist())
    rows = np.flatnonzero((given.features[one].codes == 1) & (given.features[other].codes == 2))
    score = np.array(given.challenger.score)
    score[rows] = score[rows][np.random.default_rng(seed).permutation(len(rows))]
    return replace(given, challenger=Predictions(score)), f"f{one} × f{other} = v1 × v2"


def judged(given: Table, metric: str, *, max_gap: float | None, margin: float | None, **more: int) -> Report:
    """By the rules of the search alone."""
    rules = Slices(
        metric=metric,
        search=Search(max=more.get("shown", 1)),
        min_rows=more.get("min_rows", 50),
        max_gap=max_gap,
        margin=margin,
    )
    columns = Columns(id="id", label="label", score="p")
    gate = Gate(predict=("p",), data="h", columns=columns, slices=rules, self_test=False)
    return judge(given, gate, champion_name="x", model_bytes=None)


def errors() -> None:
    """Fair models that are accused, and planted slices that are found, by metric and rule."""
    print("| metric | fair: gap 0 | fair: margin 0 | plant found | accused beside it |")
    print("|---|---|---|---|---|")
    for metric in KINDS:
        fair = [0, 0]
        found = beside = 0
        for seed in range(RUNS):
            given = table(seed, 3000, 6)
            for at, rule in enumerate(((0.0, None), (None, 0.0))):
                fair[at] += not judged(given, metric, max_gap=rule[0], margin=rule[1]).passed
            if seed < RUNS // 4:
                bad, name = planted(table(seed, 8000, 6), seed)
                blocked = [
                    f"{s.by} = {s.value}"
                    for s in judged(bad, metric, max_gap=0.05, margin=None, shown=5).slices
                    if s.verdict == "fail"
                ]
                found += name in blocked
                beside += any(one != name for one in blocked)
        shares = [f"{100 * count / RUNS:.1f} %" for count in fair]
        shares += [f"{100 * count / (RUNS // 4):.0f} %" for count in (found, beside)]
        print(f"| `{metric}` | {' | '.join(shares)} |", flush=True)


def speed(rows: int = 1_000_000, features: int = 20) -> None:
    """All pairs of the columns, by the gap and by the margin."""
    given = table(1, rows, features, 5)
    for metric in KINDS:
        for rule in ((0.05, None), (0.05, 0.05)):
            start = time.process_time()
            report = judged(given, metric, max_gap=rule[0], margin=rule[1], min_rows=200)
            took = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            assert report.searched is not None
            both = "max_gap and margin" if rule[1] is not None else "max_gap"
            print(f"{metric}, {both}: {report.searched.candidates:,} slices in {took:.1f} s, {peak:.2f} GiB in all")


if __name__ == "__main__":
    speed() if "time" in sys.argv[1:] else errors()
