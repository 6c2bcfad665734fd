"""The kinds of rules: each is a module with these functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from mlci.contract.language.schema import TableRule
from mlci.contract.query.tables import Table
from mlci.contract.table import (
    counts,
    distinct,
    distribution,
    expression,
    freshness,
    mean,
    monotonic,
    nulls,
    quantiles,
    references,
)
from mlci.contract.table.scan import Outcome, Scan, State


class Kind(Protocol):
    """What every kind can do."""

    def expected(self, rule: TableRule) -> str:
        """What the rule asks for, in words."""
        ...

    def judge(self, rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
        """What is broken, from the state of all files together; None: nothing. Raises `duckdb.Error`."""
        ...


@runtime_checkable
class Counted(Protocol):
    """A kind whose state is made of aggregates, so that one query measures all rules of this sort."""

    def aggregates(self, rule: TableRule, table: Table, scan: Scan) -> list[str]:
        """SQL of aggregates over the rows of one file."""
        ...

    def state(self, rule: TableRule, values: Sequence[Any]) -> State:
        """The state, from the aggregates' values."""
        ...

    def merge(self, rule: TableRule, states: Sequence[State]) -> State:
        """The state of all files together, in their order; of none: that of no rows."""
        ...


@runtime_checkable
class Queried(Protocol):
    """A kind whose state takes a query of its own."""

    def states(self, rule: TableRule, table: Table, scan: Scan) -> dict[str, State]:
        """The state of each file that has rows with values, by its path."""
        ...

    def merge(self, rule: TableRule, states: Sequence[State]) -> State:
        """As above."""
        ...


KINDS: Mapping[str, Kind] = {
    "nulls": nulls,
    "distinct": distinct,
    "foreignKeys": references,
    "freshness": freshness,
    "monotonic": monotonic,
    "counts": counts,
    "mean": mean,
    "quantiles": quantiles,
    "distribution": distribution,
    "sql": expression,
}
"""In the order in which they are reported."""
PRIVATE = ("distinct", "freshness", "mean", "monotonic")
"""Kinds whose state has values in it: of a sensitive column it is not kept, but measured whenever it is needed."""
