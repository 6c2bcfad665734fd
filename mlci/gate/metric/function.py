"""`function`: a metric of the project's own, as a Python function that gives a number for each row, or one for all.

    profit: {function: evaluation:profit, margin: 0.1}      # def profit(rows): return rows["label"] * rows["score"] …

It runs in a process of its own, with the project's Python and in the project's folder, on the rows of both models that
an `expression` sees. A number for each row: the metric is their mean, so it has the paired interval of a mean, in
slices too. One number for all rows, such as the profit at the best threshold: the same process asks it again of rows
drawn anew, the same for both models, or of whole groups where rows belong together (the paired bootstrap: Efron &
Tibshirani 1993), and of the rows without one part after another.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci.errors import WorldError
from mlci.gate import words
from mlci.gate.table import Whole

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.table import Array, Codes, Numbers

Call = Callable[[str, "Metric", Sequence[Mapping[str, "Array"]], "Codes | None"], "Sequence[Numbers | Whole]"]
"""From the metric's name, its rule, the rows of each model and the groups, to what the function gives for each."""
SPELLING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
PARTS = 100
"""So many parts are left out in turn for the acceleration of BCa."""
MOST, LEAST, ROWS_IN_ALL = 2_000, 400, 100_000_000
"""Replicates: what a bound bears, what it needs, and how many rows they may draw together."""
_RUNNER = Path(__file__).with_name("runner.py")


def replicates(rows: int) -> int:
    """How often rows are drawn anew. By their number and not by the clock: the same rows give the same interval."""
    return max(LEAST, min(MOST, ROWS_IN_ALL // rows))


def caller(run: Callable[[Sequence[str]], None], folder: Path, *, seed: int = 0) -> Call:
    """A `Call` that runs `python …` by `run`, which raises when it fails, and keeps its files in `folder`."""

    def call(
        name: str, rule: Metric, models: Sequence[Mapping[str, Array]], clusters: Codes | None
    ) -> Sequence[Numbers | Whole]:
        import numpy as np

        assert rule.function is not None
        source, target = folder / "rows.npz", folder / "numbers.npz"
        target.unlink(missing_ok=True)
        rows = len(next(iter(models[0].values())))
        groups = np.arange(rows) if clusters is None else clusters
        parts = min(PARTS, int(groups.max()) + 1)
        draws = (seed, parts, rule.replicates or replicates(rows))
        columns: dict[str, Any] = {
            f"a{m}_{i}": _plain(column) for m, one in enumerate(models) for i, column in enumerate(one.values())
        }
        listed = np.array(list(models[0]), dtype=np.str_)
        np.savez(source, columns=listed, models=len(models), groups=groups, draws=np.array(draws), **columns)
        run(("python", str(_RUNNER), str(source), str(target), rule.function))
        try:
            with np.load(target, allow_pickle=False) as found:
                results = dict(found)
        except (OSError, ValueError, zipfile.BadZipFile):
            raise WorldError(f"`{rule.function}` of the metric `{name}` ended well but left no numbers") from None
        return _checked(f"`{rule.function}` of the metric `{name}`", results, len(models), rows, draws, clusters)

    return call


def _checked(
    what: str,
    results: Mapping[str, Array],
    models: int,
    rows: int,
    draws: tuple[int, int, int],
    clusters: Codes | None,
) -> Sequence[Numbers | Whole]:
    """What the function gave for each model; refuses what is no metric."""
    import numpy as np

    first = [results[f"first{m}"] for m in range(models)]
    for one in first:
        if one.shape not in ((), (rows,)):
            raise WorldError(
                f"{what} returned an array of shape {one.shape}",
                help=f"It returns a number for each of the {rows:,} rows, whose mean is the metric, or one for all.",
            )
    if len({one.ndim for one in first}) > 1:
        raise WorldError(
            f"{what} returned one number for one model, and a number for each row for the other",
            help="It must return the same kind for both.",
        )
    wrong = max(int(np.count_nonzero(~np.isfinite(one))) for one in first)
    if wrong and first[0].ndim:
        raise WorldError(f"{what} returned no finite number for {words.many(wrong, 'row')}")
    if wrong:
        raise WorldError(f"{what} returned no finite number")
    if first[0].ndim:
        return first
    _, parts, _ = draws
    if parts < 2:
        raise WorldError(f"{what} returned one number, and all rows are of one group: nothing can be drawn anew")
    if str(results["wrong"]):
        raise WorldError(
            f"{what} {results['wrong']}, on some of the rows or on rows drawn anew",
            help="Rows drawn anew may lack a class or a group: say what the metric is then.",
        )
    drawn = "rows" if clusters is None else f"{int(clusters.max()) + 1:,} groups"
    again = results["again"]
    return [Whole(float(one), again[m, :parts], again[m, parts:], drawn) for m, one in enumerate(first)]


def _plain(column: Any) -> Any:
    """As arrays that need no pickle: a missing number is NaN, a missing text is empty."""
    import numpy as np

    values, missing = np.ma.getdata(column), np.ma.getmaskarray(column)
    if values.dtype == object:
        return np.array(["" if none or v is None else str(v) for v, none in zip(values, missing, strict=True)], np.str_)
    if missing.any() and values.dtype.kind in "iub":
        values = values.astype(np.float64)
    if missing.any() and values.dtype.kind == "f":
        values = np.where(missing, np.nan, values)
    return values
