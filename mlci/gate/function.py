"""`function`: a metric of the project's own, as a Python function that gives a number for each row.

    profit: {function: evaluation:profit, margin: 0.1}      # def profit(rows): return rows["label"] * rows["score"] …

It runs in a process of its own, with the project's Python and in the project's folder, once for each model, on the same
rows that an `expression` sees. The metric is its mean, so it has the paired interval of a mean, in slices too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlci.errors import WorldError
from mlci.gate import words

if TYPE_CHECKING:
    from mlci.gate.table import Array, Numbers

Call = Callable[[str, str, Mapping[str, "Array"]], "Numbers"]
"""From the metric's name, `module:function` and the rows to a number for each row."""
SPELLING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_RUNNER = Path(__file__).with_name("runner.py")


def caller(run: Callable[[Sequence[str]], None], folder: Path) -> Call:
    """A `Call` that runs `python …` by `run`, which raises when it fails, and keeps its files in `folder`."""

    def call(name: str, function: str, rows: Mapping[str, Array]) -> Numbers:
        import numpy as np

        source, target = folder / "rows.npz", folder / "numbers.npy"
        target.unlink(missing_ok=True)
        arrays: dict[str, Any] = {f"a{i}": _plain(column) for i, column in enumerate(rows.values())}
        np.savez(source, columns=np.array(list(rows), dtype=np.str_), **arrays)
        run(("python", str(_RUNNER), str(source), str(target), function))
        try:
            found: Numbers = np.load(target, allow_pickle=False)
        except (OSError, ValueError):
            raise WorldError(f"`{function}` of the metric `{name}` ended well but left no numbers") from None
        expected = len(next(iter(rows.values())))
        if found.shape != (expected,):
            shape = "one number" if found.ndim == 0 else f"an array of shape {found.shape}"
            raise WorldError(
                f"`{function}` of the metric `{name}` returned {shape}",
                help=f"It returns a number for each of the {expected:,} rows; the metric is their mean.",
            )
        wrong = int(np.count_nonzero(~np.isfinite(found)))
        if wrong:
            raise WorldError(
                f"`{function}` of the metric `{name}` returned no finite number for {words.many(wrong, 'row')}"
            )
        return found

    return call


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
