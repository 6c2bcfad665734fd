"""`monotonic`: the values of a column go only up, or only down, in the order of the files and of the rows in them.

Values that are null are passed over. Numbers are compared as numbers, all else as text, dates as ISO 8601 writes them
(in UTC); a number beside a text breaks the order. The order of rows in a file is kept by DuckDB for window functions
with an empty OVER clause, once `preserve_insertion_order` is on, in text files too:
https://duckdb.org/docs/stable/sql/dialect/order_preservation
"""

# ruff: noqa: ARG001, S608  (functions take what any kind may need; every name and value is quoted by quote)

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from mlci.contract.language.schema import TableRule
from mlci.contract.query.judge import CLIP
from mlci.contract.query.quote import name as quoted
from mlci.contract.query.tables import FILE, Table
from mlci.contract.table.scan import SAMPLES, Outcome, Scan, State

Order = Literal["increasing", "strictlyIncreasing", "decreasing", "strictlyDecreasing"]
"""The `detail` of a rule."""
ORDERS: dict[Order, str] = {
    "increasing": ">=",
    "strictlyIncreasing": ">",
    "decreasing": "<=",
    "strictlyDecreasing": "<",
}
_WORDS: dict[Order, str] = {
    "increasing": "no value less than the one before",
    "strictlyIncreasing": "each value more than the one before",
    "decreasing": "no value more than the one before",
    "strictlyDecreasing": "each value less than the one before",
}


def states(rule: TableRule, table: Table, scan: Scan) -> dict[str, State]:
    """The first and the last value of each file, and how often the order breaks between them."""
    number, text = _values(table, rule.name, scan)
    relation = ORDERS[rule.detail]
    position = "file_row_number + 1" if table.numbered else "NULL::BIGINT"
    values = f"SELECT {quoted(FILE)} AS f, {position} AS p, {number} AS n, {text} AS t FROM {table.source}"
    previous = ", ".join(f"lag({c}) OVER () AS p{c}" for c in "fnt")
    ordered = f"SELECT *, {previous}, row_number() OVER () AS r FROM ({values}) WHERE n IS NOT NULL OR t IS NOT NULL"
    broken = f"f = pf AND NOT coalesce(n {relation} pn, t {relation} pt, FALSE)"
    ends = [f"arg_{end}({what}, r)" for end in ("min", "max") for what in ("n IS NULL", "n", "t")]
    sample = f"arg_min({{'p': p, 'n': n, 't': t, 'pn': pn, 'pt': pt}}, r, {SAMPLES}) FILTER (WHERE b)"
    shown = ", ".join(f"e{i}::VARCHAR" if i % 3 else f"e{i}" for i in range(len(ends)))
    parts = ", ".join(f"{end} AS e{i}" for i, end in enumerate(ends))
    grouped = f"SELECT f, count(*) FILTER (WHERE b) AS breaks, {sample} AS samples, {parts} FROM "
    query = f"SELECT f, breaks, samples, {shown} FROM ({grouped} (SELECT *, {broken} AS b FROM ({ordered})) GROUP BY f)"
    scan.db.rows("SET preserve_insertion_order = true")
    try:
        found = scan.db.rows(query)
    finally:
        scan.db.rows("SET preserve_insertion_order = false")
    hidden = rule.name in scan.sensitive
    return {
        file: {
            "first": _end(*rest[:3]),
            "last": _end(*rest[3:]),
            "breaks": breaks,
            "samples": [_sample(rule.name, row, hidden) for row in samples or ()],
        }
        for file, breaks, samples, *rest in found
    }


def _end(is_text: bool, number: str | None, text: str | None) -> list[str | None]:
    return ["s", text] if is_text else ["n", number]


def _sample(name: str, row: dict[str, Any], hidden: bool) -> dict[str, Any]:
    pairs = ((row["n"], row["t"]), (row["pn"], row["pt"]))
    value, before = ("***" if hidden else str(text if number is None else number)[:CLIP] for number, text in pairs)
    return {**({"(row)": row["p"]} if row["p"] else {}), name: value, "(problem)": f"after {before}"}


def _values(table: Table, name: str, scan: Scan) -> tuple[str, str]:
    """SQL of the value as a number and as a text; not more than one of them is not null."""
    column, seen = scan.view(table, name, frozenset({"number"}))
    number = f"({seen.number.sql})" if seen.number else "NULL::BIGINT"
    text = f"({seen.text})" if seen.text else "NULL::VARCHAR"
    if column.type.startswith("TIMESTAMP"):
        text = f"replace(make_timestamp(epoch_us({column.sql}))::VARCHAR, ' ', 'T')"
    return number, text


def merge(rule: TableRule, states: Sequence[State]) -> State:
    """Breaks within files, and from file to file."""
    there = [s for s in states if s["first"]]
    if not there:
        return {"first": None, "last": None, "breaks": 0, "samples": []}
    between = sum(not _holds(rule.detail, one["last"], two["first"]) for one, two in pairwise(there))
    breaks = between + sum(s["breaks"] for s in there)
    return {"first": there[0]["first"], "last": there[-1]["last"], "breaks": breaks, "samples": []}


def expected(rule: TableRule) -> str:
    """In words."""
    return _WORDS[rule.detail]


def judge(rule: TableRule, state: State, rows: int, scan: Scan) -> Outcome | None:
    """How many values are out of order."""
    return Outcome(count=state["breaks"]) if state["breaks"] else None


def _holds(order: Order, one: Sequence[str], two: Sequence[str]) -> bool:
    """Whether a value may follow another one."""
    if one[0] != two[0]:
        return False
    before: Any = Decimal(one[1]) if one[0] == "n" else one[1]
    after: Any = Decimal(two[1]) if two[0] == "n" else two[1]
    return bool({">=": after >= before, ">": after > before, "<=": after <= before, "<": after < before}[ORDERS[order]])
