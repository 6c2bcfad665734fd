"""What both models look like, for the report: a few numbers for each drawing, never a row.

Of two classes ROC, precision and recall, and calibration (`mlci.gate.showing.roc`); of many classes who is taken for
whom; of numbers the errors; of queries and of examples' scores how the models differ on each. All of it is bounded:
a receipt holds at most about 40 kB of it, whatever the rows. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError, WorldError
from mlci.gate.deciding.measure import fits
from mlci.gate.metric.gaps import GAPS
from mlci.gate.metric.metrics import find
from mlci.gate.showing import roc
from mlci.gate.showing.roc import short

if TYPE_CHECKING:
    from mlci.config.judging import Gate
    from mlci.gate.table import Array, Predictions, Table

MOST_ROWS = 1_000_000
"""Of more rows a sample is drawn: no eye would see a difference."""
CLASSES = 20
"""Classes up to which the whole matrix is kept; of more the pairs that are confused most."""
_PAIRS, _THRESHOLDS, _METRICS, _NAME = 30, 4, 6, 60
_FEWEST = 20
"""Rows of a bin of numbers: fewer would tell of single rows."""
_BINS, _SHELVES = 12, 30
_MOST = 1e150
"""Numbers beyond are not drawn: their sums and squares are no numbers any more."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def curves(table: Table, gate: Gate) -> dict[str, Any]:
    """The drawings of the task as plain JSON, by kind; empty for a task or rows that have none."""
    made = _BY_TASK.get(table.task)
    if made is None:
        return {}
    some = _sampled(replace(table, groupings=()))
    drawn = made(some, gate)
    return {**drawn, "sample": some.rows} if drawn and some.rows < table.rows else drawn


def _sampled(table: Table) -> Table:
    """About `MOST_ROWS` rows taken at random, and the same at each call; of ranking whole queries."""
    import numpy as np

    if table.rows <= MOST_ROWS:
        return table
    rng, share = np.random.default_rng(0), MOST_ROWS / table.rows
    if table.task == "ranking" and table.clusters is not None:
        return table.only((rng.random(int(table.clusters.max()) + 1) < share)[table.clusters])
    return table.only(np.flatnonzero(rng.random(table.rows) < share))


def _models(table: Table) -> dict[str, Predictions]:
    both = {"challenger": table.challenger}
    return both if table.champion is None else {**both, "champion": table.champion}


def _binary(table: Table, gate: Gate) -> dict[str, Any]:
    if any(one.score is None for one in _models(table).values()):
        return _matrix(table, gate)
    at = _thresholds(table, gate)
    found: dict[str, Any] = {}
    for name, model in _models(table).items():
        assert model.score is not None
        rows = roc.ordered(table.labels, model.score, table.weights)
        found[name] = roc.curves(rows, at, gate.confidence)
        found["positives"] = short(float(rows.good[-1] / rows.mass[-1]))
    return {"binary": found}


def _thresholds(table: Table, gate: Gate) -> list[float]:
    """The thresholds that metrics use; none where the models name the class themselves."""
    if any(one.value is not None for one in _models(table).values()):
        return []
    read = ((find(name, table.task, rule), name, rule) for name, rule in gate.metrics.items())
    used = {rule.threshold for metric, name, rule in read if name in GAPS or (metric and metric.reads == "class")}
    return sorted(used)[:_THRESHOLDS]


def _matrix(table: Table, _gate: Gate) -> dict[str, Any]:
    """How often a class is taken for another."""
    names = [name[:_NAME] for name in table.classes or ("0", "1")]
    said = {who: _class_of(model) for who, model in _models(table).items()}
    if any(one is None for one in said.values()):
        return {}
    k = len(names)
    cells = {who: _cells(table, one, k) for who, one in said.items() if one is not None}
    if k <= CLASSES:
        whole = {who: [[found.get(i * k + j, 0) for j in range(k)] for i in range(k)] for who, found in cells.items()}
        return {"confusion": {"classes": names, **whole}}
    worst = sorted({cell for found in cells.values() for cell in found if cell // k != cell % k})
    worst.sort(key=lambda cell: -max(found.get(cell, 0) for found in cells.values()))
    pairs = [
        {"is": names[cell // k], "said": names[cell % k], **{who: found.get(cell, 0) for who, found in cells.items()}}
        for cell in worst[:_PAIRS]
    ]
    return {"confused": {"classes": k, "pairs": pairs, "left": max(0, len(worst) - _PAIRS)}}


def _class_of(model: Predictions) -> Array | None:
    if model.value is not None or model.score is None:
        return model.value
    likeliest: Array = model.score.argmax(1)
    return likeliest


def _cells(table: Table, said: Array, k: int) -> dict[int, float]:
    """Rows (or their weight) of each pair of classes that there is: truth times k plus what was said."""
    import numpy as np

    pair = table.labels.astype(np.int64) * k + said
    if table.weights is None:
        cells, counts = np.unique(pair, return_counts=True)
        return {int(cell): int(n) for cell, n in zip(cells, counts, strict=True)}
    cells, place = np.unique(pair, return_inverse=True)
    return {int(c): short(n) for c, n in zip(cells, np.bincount(place, table.weights), strict=True)}


def _numbers(table: Table, _gate: Gate) -> dict[str, Any]:
    """Errors (predicted less true) over what was predicted, and how they are spread."""
    import numpy as np

    said = {who: model.value for who, model in _models(table).items()}
    if table.rows < _FEWEST or any(one is None for one in said.values()):
        return {}
    given = {who: np.asarray(one, np.float64) for who, one in said.items()}
    errors = {who: one - table.labels for who, one in given.items()}
    if not all(np.abs(one).max() < _MOST for one in (*errors.values(), *given.values())):
        return {}
    spread = _histogram(errors, table.weights)
    return {"residuals": {**{who: _bins(one, table.labels) for who, one in given.items()}, "spread": spread}}


def _bins(said: Array, truth: Array) -> list[dict[str, Any]]:
    """Bins of equal size by what was predicted: the means of prediction and truth, and quantiles of the error."""
    import numpy as np

    order = np.argsort(said)
    parts = np.array_split(order, max(1, min(_BINS, len(said) // _FEWEST)))
    return [
        {
            "predicted": short(float(said[part].mean())),
            "actual": short(float(truth[part].mean())),
            "error": [short(one) for one in np.quantile(said[part] - truth[part], QUANTILES)],
            "rows": len(part),
        }
        for part in parts
    ]


def _each(table: Table, gate: Gate) -> dict[str, Any]:
    """Metrics with a number for each query or example: how challenger − champion is spread, or the challenger's own."""
    import numpy as np

    found = []
    for name, rule in gate.metrics.items():
        metric = find(name, table.task, rule)
        if metric is None or metric.kind != "mean" or (metric.by_query is None and metric.reads != "column"):
            continue
        try:
            one, other = fits(table, name, rule)
        except (UsageError, WorldError):
            continue
        numbers = one.column - other.column if other else one.column
        if len(numbers) < _FEWEST or not np.abs(numbers).max() < _MOST:
            continue
        shares = {}
        if other is not None:
            shares = {"better": float((metric.sign * numbers > 0).mean()), "same": float((numbers == 0).mean())}
        found.append(
            {
                "metric": name[:_NAME],
                "paired": other is not None,
                "of": "query" if metric.by_query else "row",
                "count": len(numbers),
                **{key: short(value) for key, value in shares.items()},
                "spread": _histogram({"challenger": numbers}, one.weights),
            }
        )
        if len(found) == _METRICS:
            break
    return {"each": found} if found else {}


def _histogram(values: dict[str, Array], weights: Array | None) -> dict[str, Any]:
    """The weight of values in bins of equal width over the middle 99 % of all, and what lies below and above.

    One bin has zero in its middle: rows that both models serve alike stand in it.
    """
    import numpy as np

    every = np.concatenate(list(values.values())).astype(np.float64)
    low, high = (float(one) for one in np.quantile(every, (0.005, 0.995)))
    # Of equal values, or of such as floats can hardly tell apart, one bin around them.
    wide = high - low > 1e-9 * max(abs(low), abs(high))
    step = (high - low) / _SHELVES if wide else max(abs(high), 1.0)
    edges = (np.floor(low / step + 0.5) - 0.5 + np.arange(_SHELVES + 2 if wide else 2)) * step
    out: dict[str, Any] = {"start": short(edges[0]), "step": short(step)}
    for who, numbers in values.items():
        counts, _ = np.histogram(numbers, edges, weights=weights)
        sides = (numbers < edges[0], numbers > edges[-1])
        rest = [float(side.sum() if weights is None else weights[side].sum()) for side in sides]
        out[who] = {"counts": [short(float(n)) for n in counts], "below": short(rest[0]), "above": short(rest[1])}
    return out


_BY_TASK: dict[str, Callable[[Table, Gate], dict[str, Any]]] = {
    "classification": _binary,
    "multiclass": _matrix,
    "regression": _numbers,
    "forecasting": _numbers,
    "ranking": _each,
    "scores": _each,
}
