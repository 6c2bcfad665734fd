"""`distinct`: how many different values there are that are not null, exactly.

Up to a thousand are kept (as MD5 digests, so that a state is small whatever the values are); beyond that all files are
asked together. An estimate tells which files need not be tried.
"""

# ruff: noqa: ARG001, S608  (functions take what any kind may need; every name and value is quoted by quote)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlci.contract.language.schema import TableRule
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import FILE, Table
from mlci.contract.table.figures import between, outside
from mlci.contract.table.scan import Outcome, Scan, State, union

FEW = 1_000
_MAYBE_FEW = 1_200
"""What an estimate says of a file that may have few."""


def states(rule: TableRule, table: Table, scan: Scan) -> dict[str, State]:
    """The values of each file that has few of them, None for the others."""
    file, value = quoted(FILE), scan.text(table, rule.name)
    estimates = f"SELECT {file}, approx_count_distinct({value}) FROM {table.source} GROUP BY {file}"
    estimated = dict(scan.db.rows(estimates))
    found: dict[str, State] = {path: {"values": None} for path in estimated}
    few = {path for path, estimate in estimated.items() if estimate <= _MAYBE_FEW}
    if few:
        part = replace(table, files=tuple(path for path in table.files if str(path) in few))
        values = f"SELECT DISTINCT {file} AS f, md5({value}) AS v FROM {part.source}"
        for path, listed in scan.db.rows(f"SELECT f, list(v ORDER BY v) FROM ({values}) GROUP BY f"):
            kept = [digest for digest in listed if digest is not None]
            found[path] = {"values": kept if len(kept) <= FEW else None}
    return found


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """The union."""
    if any(state["values"] is None for state in states):
        return {"values": None}
    found: set[str] = set().union(*(state["values"] for state in states))
    return {"values": sorted(found) if len(found) <= FEW else None}


def expected(rule: TableRule) -> str:
    """In words."""
    return f"{between(rule)} distinct values"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """From the states where they suffice."""
    kept = state["values"]
    n = _counted(rule, scan) if kept is None else len(kept)
    return Outcome(f"{n:,}") if outside(n, rule) else None


def _counted(rule: TableRule, scan: Scan) -> int:
    (name,) = rule.columns
    parts = [f"SELECT {scan.text(table, name)} AS v FROM {table.source}" for table in scan.tables if table.column(name)]
    ((n,),) = scan.db.rows(f"SELECT count(v) FROM (SELECT DISTINCT v FROM ({union(parts)}))")
    return int(n)
