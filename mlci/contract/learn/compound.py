"""A key of two or three columns, where none seems unique alone: picked by how many values each has, counted exactly.

Columns whose values make fewer combinations than there are rows cannot be a key. Those that make very many would
hardly ever repeat one, key or not: of `n` rows drawn from `c` combinations none repeats by chance with a probability of
about exp(-n²/2c) (the birthday problem), so that no repetition tells nothing there. Between the two, the fewest
combinations come first.
"""

# ruff: noqa: S608  (every name is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod

from mlci.contract.query import keys
from mlci.contract.query.engine import Engine
from mlci.contract.query.keys import Key
from mlci.contract.query.tables import Table

ENOUGH = 0.9
"""An estimate of distinct values is short by less than a tenth."""
_BY_CHANCE = 8
"""Combinations are too many from n² by this: no repetition is by chance with a probability of 0.02 there."""
_COLUMNS = 10
_COUNTED = 6
"""So many columns are combined, those with the most values; so many pairs, and triples, are counted exactly."""


def compound(engine: Engine, tables: Sequence[Table], distinct: Mapping[str, int], rows: int) -> Key | None:
    """The fewest columns that are unique together, in the order of the file; None: no three are.

    `distinct` has the columns that may be part of a key, none of which is null, and about how many values each has.
    Raises `duckdb.Error`.
    """
    most = set(sorted((name for name, n in distinct.items() if n > 1), key=lambda name: -distinct[name])[:_COLUMNS])
    columns = [name for name in distinct if name in most]
    for width in (1, 2, 3):
        fitting = [key for key in combinations(columns, width) if _fits([distinct[name] for name in key], rows)]
        fitting.sort(key=lambda key: prod(distinct[name] for name in key))
        for key in _likely(engine, tables, fitting)[:_COUNTED]:
            spans = keys.spans(engine, tables, key, hidden=False)
            types = {tuple(column.type for n in key if (column := table.column(n))) for table in tables}
            (repeats, _), _ = keys.count(engine, tables, key, spans, 0, alike=len(types) == 1, hidden=False)
            if not repeats:
                return key
    return None


def _fits(distinct: Sequence[int], rows: int) -> bool:
    return ENOUGH * rows <= prod(distinct) <= rows * rows / _BY_CHANCE


def _likely(engine: Engine, tables: Sequence[Table], fitting: Sequence[Key]) -> list[Key]:
    """Those with about as many combinations as rows in each table."""
    likely = list(fitting)
    for table in tables:
        sql = {column.name: column.sql for column in table.columns}
        counts = [f"approx_count_distinct(hash({', '.join(sql[name] for name in key)}))" for key in likely]
        ((rows, *found),) = engine.rows(f"SELECT {', '.join(['count(*)', *counts])} FROM {table.source}")
        likely = [key for key, n in zip(likely, found, strict=True) if n >= ENOUGH * rows]
    return likely
