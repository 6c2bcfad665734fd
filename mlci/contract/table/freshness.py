"""`freshness`: how old the newest value of a column of dates or times is when it is checked.

A date is its beginning, and what names no zone is in UTC. In text, dates are those of RFC 3339 (also without a zone);
what is none is left to `format`.
"""

# ruff: noqa: ARG001  (the functions of `kinds.Kind`, which take what any kind may need)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from mlci.contract.language.schema import TableRule
from mlci.contract.query.tables import Table
from mlci.contract.table.scan import Outcome, Scan, State

_DATE = r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?"
_ZONE = r".*([Zz]|[+-]\d\d:\d\d)"


@dataclass(frozen=True)
class Ages:
    """How old the newest value may be, in seconds, and as it was written."""

    youngest: float | None
    oldest: float | None
    shown: tuple[str, str]


def aggregates(rule: TableRule, table: Table, scan: Scan) -> list[str]:
    """The newest, in microseconds since 1970."""
    return [f"max({_instant(table, rule.name, scan)})"]


def _instant(table: Table, name: str, scan: Scan) -> str:
    column, seen = scan.view(table, name)
    if column.type == "DATE" or column.type.startswith("TIMESTAMP"):
        return f"CASE WHEN isfinite({column.sql}) THEN epoch_us({column.sql}) END"
    if seen.text is None:
        return "NULL::BIGINT"
    x = f"upper({seen.text})"
    zoned = f"regexp_full_match({x}, '{_ZONE}') AND length({x}) > 10"
    instant = (
        f"CASE WHEN {zoned} THEN epoch_us(TRY_CAST({x} AS TIMESTAMPTZ)) ELSE epoch_us(TRY_CAST({x} AS TIMESTAMP)) END"
    )
    return f"CASE WHEN regexp_full_match({x}, '{_DATE}') THEN {instant} END"


def state(rule: TableRule, values: Sequence[Any]) -> State:
    """The newest, None for none."""
    return {"newest": values[0]}


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """The newest of all."""
    return {"newest": max((s["newest"] for s in states if s["newest"] is not None), default=None)}


def expected(rule: TableRule) -> str:
    """In words."""
    ages: Ages = rule.detail
    youngest = "not in the future" if ages.youngest == 0 else f"at least {ages.shown[0]} old"
    said = [youngest] if ages.youngest is not None else []
    said += [f"at most {ages.shown[1]} old"] if ages.oldest is not None else []
    return f"the newest {' and '.join(said)}"


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """By the clock of this machine."""
    newest, ages = state["newest"], rule.detail
    if newest is None:
        return Outcome("no dates")
    now = datetime.now(timezone.utc)
    age = now.timestamp() - newest / 1e6
    if (ages.youngest is None or age >= ages.youngest) and (ages.oldest is None or age <= ages.oldest):
        return None
    when = "old" if age >= 0 else "in the future"
    if rule.name in scan.sensitive:  # an age would be the value in other words
        return Outcome(f"***, {'too old' if ages.oldest is not None and age > ages.oldest else 'too new'}")
    try:
        at = f"{datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=newest):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        at = "beyond the year 9999"
    return Outcome(f"{at}, {_span(abs(age))} {when}")


def _span(age: float) -> str:
    """An age in its two largest units: `32d 7h`."""
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, age = divmod(int(age), length)
        parts += [f"{count}{unit}"] if count or parts or unit == "s" else []
    return " ".join(parts[:2])
