"""A profile: what the values of each column are like, small enough to be kept beside the contract.

Numbers are counted in bins that each hold about the same number of them (at most 256), everything else by its most
frequent values (at most 64). The same data gives the same bytes. Columns that the contract calls
sensitive are left out.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlci.contract.language.load import load
from mlci.contract.language.plan import plan
from mlci.contract.language.schema import Contract, TableRules
from mlci.contract.learn.measure import measure
from mlci.contract.query.engine import engine
from mlci.contract.query.tables import Table, open_tables
from mlci.contract.table.bins import KIND, Bins, bins_of
from mlci.contract.table.scan import Scan, union
from mlci.errors import UsageError, WorldError

BINS = 256
VALUES = 64
_LONGEST = 200
"""Longer texts are no values that a profile names."""


def profile(data: Sequence[Path], contract: Path | None = None) -> dict[str, Any]:
    """The profile of all files as one table, plain JSON.

    Raises UsageError for no files, WorldError for one that cannot be read, ConfigError for the contract.
    """
    if not data:
        raise UsageError("there are no files to profile", help="name some: data/*.parquet")
    promised = load(contract) if contract else Contract(Path(), (), (), False, TableRules())
    with engine() as db:
        tables, unreadable = open_tables(db, tuple(dict.fromkeys(data)))
        for file, why in unreadable.items():
            raise WorldError(f"{file} cannot be read: {why}", help="leave it out, or write it anew")
        scan = Scan(db, tables, promised, plan(promised))
        rows, kinds = 0, dict[str, list[tuple[int, int]]]()
        for table in tables:
            n, facts = measure(db, table)
            rows += n
            for fact in facts:
                kinds.setdefault(fact.name, []).append((fact.kinds.get("number", 0), fact.values))
        columns = {}
        for name, counted in kinds.items():
            numbers, values = (sum(part) for part in zip(*counted, strict=True))
            if name not in scan.sensitive and values:
                there = [table for table in tables if table.column(name)]
                found = _numbers(scan, there, name) if numbers == values else _values(scan, there, name)
                columns[name] = {"count": values, "nulls": rows - values, **found}
    return {"profile": KIND, "rows": rows, "columns": columns}


def _numbers(scan: Scan, tables: Sequence[Table], name: str) -> dict[str, Any]:
    parts = [f"SELECT ({scan.number(table, name).sql})::DOUBLE AS v FROM {table.source}" for table in tables]
    ranks = ", ".join(repr(i / BINS) for i in range(1, BINS + 1))
    ((found,),) = scan.db.rows(f"SELECT quantile_disc(v, [{ranks}]) FROM ({union(parts)})")
    edges = tuple(sorted(set(found)))
    bins = Bins(edges, None, ())
    ((counts,),) = scan.db.rows(f"SELECT {bins.histogram('v')} FROM ({union(parts)})")
    return {"edges": list(edges), "counts": bins_of(bins, {str(k): n for k, n in counts.items()})}


def _values(scan: Scan, tables: Sequence[Table], name: str) -> dict[str, Any]:
    parts = [f"SELECT {scan.text(table, name)} AS v FROM {table.source}" for table in tables]
    counted = f"SELECT v, count(*) AS n FROM ({union(parts)}) WHERE v IS NOT NULL GROUP BY v"
    ((whole,),) = scan.db.rows(f"SELECT coalesce(sum(n), 0)::BIGINT FROM ({counted})")
    top = scan.db.rows(f"SELECT v, n FROM ({counted}) WHERE length(v) <= {_LONGEST} ORDER BY n DESC, v LIMIT {VALUES}")
    counts = [n for _, n in top]
    return {"values": [value for value, _ in top], "counts": [*counts, whole - sum(counts)]}
