"""Contracts by their shape: how long one of many columns takes to compile, and a table of two thousand columns.

`python -m bench.contract_shapes` makes and measures them in a process of its own and prints the figures as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDE = 2_000
WIDE_ROWS = 10_000
COMPILED = 200
REPEATS = 15


def plain(columns: int) -> dict[str, Any]:
    """Columns of the usual kinds, each with a few rules."""
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        {"type": ["number", "null"], "exclusiveMinimum": 0},
        {"type": "string", "enum": ["new", "paid", "sent", "done", "back"]},
        {"type": "string", "format": "date"},
        {"type": "string", "minLength": 1, "maxLength": 40},
    )
    return _row({f"c{i}": kinds[i % len(kinds)] for i in range(columns)})


def patterns(columns: int) -> dict[str, Any]:
    """Columns of which each has a pattern of its own."""
    return _row(
        {f"c{i}": {"type": "string", "pattern": f"^[A-Z]{{3}}-{i:04}-(?:[a-f0-9]{{4}}|x+)$"} for i in range(columns)}
    )


def five_rules(columns: int) -> dict[str, Any]:
    """Integer columns with five rules each."""
    rules = {"type": "integer", "minimum": 0, "maximum": 1_000, "multipleOf": 2, "not": {"const": 1_000}}
    return _row(dict.fromkeys((f"c{i}" for i in range(columns)), rules))


def write_wide(file: Path) -> None:
    """The table for `five_rules`, which keeps all but the last: there the first row breaks it."""
    import duckdb

    values = [f"2 * ((i + {i}) % 500) AS c{i}" for i in range(WIDE - 1)]
    values.append(f"CASE WHEN i = 0 THEN 1000 ELSE 2 * (i % 500) END AS c{WIDE - 1}")
    with duckdb.connect() as connection:
        source = f"SELECT range::INTEGER AS i FROM range({WIDE_ROWS})"
        connection.execute(f"COPY (SELECT {', '.join(values)} FROM ({source})) TO '{file}' (FORMAT parquet)")


def compile_seconds(contract: Path) -> float:
    """From the file to the plan: the median, after a warm-up."""
    from mlci.contract import load
    from mlci.contract.language.plan import plan

    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        plan(load(contract))
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def _row(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _yaml(folder: Path, name: str, schema: dict[str, Any]) -> Path:
    """As a person has it, a line for each column."""
    lines = [f"type: object\nrequired: {json.dumps(schema['required'])}\nproperties:"]
    lines += [f"  {column}: {json.dumps(rules)}" for column, rules in schema["properties"].items()]
    file = folder / f"{name}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


def main(folder: Path) -> None:
    shapes: dict[str, Callable[[int], dict[str, Any]]] = {"columns": plain, "patterns": patterns}
    found = {name: compile_seconds(_yaml(folder, name, shape(COMPILED))) for name, shape in shapes.items()}
    _yaml(folder, "wide", five_rules(WIDE))
    write_wide(folder / "wide.parquet")
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
