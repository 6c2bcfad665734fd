"""Run by the project's Python, in its folder: `runner.py ROWS RESULT MODULE:FUNCTION`. Needs numpy alone.

The function gets the rows of a model as a dictionary of arrays by column. It returns a number for each row, or one
number for all; then it is asked again, for rows without one part after another and for rows drawn anew, the same for
each model. What it returns then stands in the result, or why it could not.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Rows = dict[str, Any]


def main() -> None:
    """Read the rows, call the function, write what it returns."""
    import numpy as np

    source, target, function = sys.argv[1:]
    module, name = function.split(":")
    with np.load(source, allow_pickle=False) as arrays:
        models = [
            {str(column): arrays[f"a{m}_{i}"] for i, column in enumerate(arrays["columns"])}
            for m in range(int(arrays["models"]))
        ]
        groups, seed, parts, replicates = arrays["groups"], *(int(n) for n in arrays["draws"])
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  (a path of sys.path is text)
    call = getattr(importlib.import_module(module), name)
    first = [
        np.asarray(call({column: values.copy() for column, values in rows.items()}), dtype=np.float64)
        for rows in models
    ]
    found: Rows = {f"first{m}": one for m, one in enumerate(first)}
    if all(one.ndim == 0 and np.isfinite(one) for one in first):
        again = np.full((len(models), parts + replicates), np.nan)
        wrong = _again(call, models, again, _chosen(groups, seed, parts, replicates))
        found |= {"again": again, "wrong": np.array(wrong)}
    with open(target, "wb") as file:  # noqa: PTH123
        np.savez(file, **found)


def _chosen(groups: Any, seed: int, parts: int, replicates: int) -> Iterator[Any]:
    """The rows of each time: all but one part, dealt out by chance; then as many groups as there are, drawn anew."""
    import numpy as np

    rng = np.random.default_rng(seed)
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    dealt = rng.permutation(len(sizes)) % parts
    for part in range(parts):
        yield np.flatnonzero(dealt[groups] != part)
    for _ in range(replicates):
        drawn = rng.integers(0, len(sizes), len(sizes))
        n = sizes[drawn]
        # The place of each row within its group, added to where the group begins.
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield order[np.repeat(starts[drawn], n) + within]


def _again(call: Callable[[Rows], Any], models: list[Rows], again: Any, chosen: Iterable[Any]) -> str:
    """Fill `again`; why it cannot be filled, or nothing."""
    import numpy as np

    for k, at in enumerate(chosen):
        for m, rows in enumerate(models):
            try:
                found = np.asarray(call({column: values[at] for column, values in rows.items()}), dtype=np.float64)
            except Exception as error:
                return f"raised {type(error).__name__}: {error}"
            if found.ndim:
                return f"returned an array of shape {found.shape}, and one number for all rows before"
            if not np.isfinite(found):
                return f"returned {found}, which is no finite number"
            again[m, k] = found
    return ""


if __name__ == "__main__":
    main()
