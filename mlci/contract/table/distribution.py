"""`distribution`: how far the values of a column are from those of a reference profile (`mlci contract profile`).

The values are counted in the profile's bins, so the counts of files add up, and a figure is a function of two lists of
counts (`mlci.contract.table.drift`). Nulls are left out: they have a rule of their own.
"""

# ruff: noqa: ARG001  (the functions of `kinds.Kind`, which take what any kind may need)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlci.contract.language.schema import TableRule
from mlci.contract.query.tables import Table
from mlci.contract.table.bins import Bins, bins_of, read_profile
from mlci.contract.table.drift import FIGURES
from mlci.contract.table.figures import decimal
from mlci.contract.table.scan import Outcome, Scan, State


@dataclass(frozen=True)
class Drift:
    """The profile's file, as it is called in the contract, and the largest that each figure may be."""

    file: Path
    shown: str
    limits: Mapping[str, float]


def reference(rule: TableRule, scan: Scan) -> Bins:
    """The reference's bins. Raises ConfigError where the profile is not there, is none, or lacks the column."""
    drift: Drift = rule.detail
    try:
        bins = _read(drift.file, drift.file.stat().st_mtime_ns).get(rule.name)
    except OSError:
        help = "make it with `mlci contract profile DATA -o FILE`; it is looked for beside the contract"
        raise scan.wrong(rule.line, f"there is no profile {drift.shown}", help) from None
    except ValueError as why:
        raise scan.wrong(rule.line, f"{drift.shown} is no profile: {why}") from None
    if bins is None:
        raise scan.wrong(rule.line, f"the profile {drift.shown} has no column `{rule.name}`", "make it anew")
    if bins.edges is None and "ks" in drift.limits:
        raise scan.wrong(rule.line, f"`{rule.name}` is no column of numbers in {drift.shown}: `ks` needs an order")
    return bins


@cache
def _read(file: Path, _changed: int) -> Mapping[str, Bins]:
    return read_profile(file)


def aggregates(rule: TableRule, table: Table, scan: Scan) -> list[str]:
    """The counts of the values in the bins, by bin."""
    bins = reference(rule, scan)
    return [bins.histogram(scan.number(table, rule.name).sql if bins.edges else scan.text(table, rule.name))]


def state(rule: TableRule, values: Sequence[Any]) -> State:
    """The counts, by bin as its upper end or its value; those that are 0 are left out."""
    return {"counts": {str(key): n for key, n in (values[0] or {}).items() if n}}


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Added up."""
    keys = sorted({key for s in states for key in s["counts"]})
    return {"counts": {key: sum(s["counts"].get(key, 0) for s in states) for key in keys}}


def expected(rule: TableRule) -> str:
    """In words."""
    drift: Drift = rule.detail
    said = " and ".join(f"{name} at most {limit:g}" for name, limit in drift.limits.items())
    return f"{said} from {drift.shown}"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """All figures that are too large."""
    drift, bins = rule.detail, reference(rule, scan)
    counts = bins_of(bins, state["counts"])
    if not sum(counts):
        return Outcome("no values")
    figures = {name: FIGURES[name](bins.counts, counts) for name in drift.limits}
    broken = [f"{name} {decimal(figures[name])}" for name, limit in drift.limits.items() if figures[name] > limit]
    return Outcome(", ".join(broken)) if broken else None
