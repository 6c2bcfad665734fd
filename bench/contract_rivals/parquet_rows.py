"""Rows of a Parquet file for the validators that take one at a time, and how long they took.

A validator is a function from a row to the rules that it breaks, as `column.rule`.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow.parquet as pq


def report(file: str, broken: Callable[[dict[str, Any]], Iterable[str]]) -> None:
    """Print how many rows break which rule, how many there are, and the seconds that reading and judging them took."""
    found: Counter[str] = Counter()
    rows = 0
    began = time.perf_counter()
    for batch in pq.ParquetFile(file).iter_batches(20_000):
        rows += batch.num_rows
        for row in batch.to_pylist():
            found.update(broken(row))
    print(json.dumps({"found": found, "rows": rows, "seconds": time.perf_counter() - began}))


def named(column: Any, keyword: Any, value: Any) -> str:
    """A wrong type that is a null is called so."""
    return f"{column}.null" if keyword == "type" and value is None else f"{column}.{keyword}"
