"""Run by the project's Python, in its folder: `runner.py ROWS RESULT MODULE:FUNCTION`. Needs numpy alone.

The function gets the rows as a dictionary of arrays by column, and returns a number for each row.
"""

import importlib
import os
import sys


def main() -> None:
    """Read the rows, call the function, write what it returns."""
    import numpy as np

    source, target, function = sys.argv[1:]
    module, name = function.split(":")
    with np.load(source, allow_pickle=False) as arrays:
        rows = {str(column): arrays[f"a{i}"] for i, column in enumerate(arrays["columns"])}
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  (a path of sys.path is text)
    found = getattr(importlib.import_module(module), name)(rows)
    np.save(target, np.asarray(found, dtype=np.float64))


if __name__ == "__main__":
    main()
