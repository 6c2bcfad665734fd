"""What rows are grouped by: a column, bins of one, several columns together, or a condition.

    by: [carrier, {column: distance, bins: [0, 500, 1500]}, {name: rush hour, where: "hour BETWEEN 7 AND 9"}]

Each becomes a `Grouping`: a partition of the rows with a text for every part. What is missing is a part of its own,
`null`, and so is `nan` of a number. A bin holds its lower edge and not its upper one. A condition may come from a
stranger's pull request, so only what `mlci.gate.metric.expression` lets through is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mlci.config.judging import SliceBy
from mlci.errors import UsageError, WorldError
from mlci.gate.metric.expression import refusal
from mlci.gate.reading.columns import Column, Source, is_number, quoted, type_of
from mlci.gate.table import Grouping

if TYPE_CHECKING:
    from mlci.config.judging import Metric
    from mlci.gate.table import Array

SEEN = 200_000
"""Quantiles are those of so many rows at most, evenly spread."""


@dataclass(frozen=True)
class Cut:
    """One way to group the rows; `place` is where the configuration asks for it, such as `gate.slices.by[1]`."""

    name: str
    place: str
    columns: tuple[str, ...] = ()
    bins: int | tuple[float, ...] | None = None
    where: str | None = None


def cuts(by: Sequence[SliceBy | str], metrics: Mapping[str, Metric] | None = None) -> list[Cut]:
    """The groupings of `slices.by`, then the columns that gaps between groups name and no slice is called."""
    out = {cut.name: cut for cut in (_cut(one, f"gate.slices.by[{i}]") for i, one in enumerate(by))}
    for name, rule in (metrics or {}).items():
        if rule.by is not None and rule.by not in out:
            out[rule.by] = Cut(rule.by, f"gate.metrics.{name}.by", (rule.by,))
    return [*out.values()]


def _cut(one: SliceBy | str, place: str) -> Cut:
    by = one if isinstance(one, SliceBy) else SliceBy(column=one)
    columns = by.columns or ((by.column,) if by.column is not None else ())
    return Cut(by.name or " × ".join(columns), place, columns, by.bins, by.where)


def cut_mistakes(by: Sequence[SliceBy | str]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with `slices.by` before a row is read: where under it (`[1].where`), what, and what to do."""
    seen: set[str] = set()
    for i, one in enumerate(by):
        given = one if isinstance(one, SliceBy) else SliceBy(column=one)
        cut, at = _cut(one, ""), f"[{i}]"
        kinds = [name for name in ("column", "columns", "where") if getattr(given, name)]
        if len(kinds) != 1:
            yield at, "a slice is by one of `column`, `columns` and `where`", f"It has {' and '.join(kinds) or 'none'}."
            continue
        if given.where is not None:
            if given.name is None:
                yield at, "a condition needs a `name`", 'Such as {name: rush hour, where: "hour BETWEEN 7 AND 9"}.'
            if wrong := refusal(given.where):
                help = "Write one over the holdout's columns, by the functions of docs/gate.md."
                yield f"{at}.where", f"this condition is not let through: {wrong}", help
        if given.bins is not None and given.column is None:
            yield f"{at}.bins", "only one column is cut into bins", "Name it as `column`."
        elif isinstance(cut.bins, tuple) and any(low >= high for low, high in pairwise(cut.bins)):
            shown = ", ".join(f"{edge:.10g}" for edge in cut.bins)
            yield f"{at}.bins", f"the edges of bins rise, and {shown} do not", "Put them in order, each once."
        if cut.name in seen:
            yield at, f"two slices are called `{cut.name}`", "Give one another `name`."
        seen.add(cut.name)


def cut_columns(con: Any, source: Source, wanted: Sequence[Cut]) -> list[Column]:
    """What is loaded for each cut under the alias `s0`, `s1`, …: a number to be binned, or a text as an ENUM.

    Raises UsageError for a column that is not there or no number, or a condition that is none, and WorldError for one
    that is true of no row.
    """
    out = []
    for i, cut in enumerate(wanted):
        for name in cut.columns:
            kind = type_of(source, name, cut.place.partition(".")[2], where="gate")
            if cut.bins is not None and not is_number(kind):
                message = f"{source.what}: `{name}` is {kind}, and `{cut.place}.bins` needs a number"
                raise UsageError(message, help="Leave out `bins`: each value is a slice then.")
        if cut.where is not None:
            _check_condition(con, source, cut)
        number = f"CAST({quoted(cut.columns[0])} AS DOUBLE)" if cut.bins is not None else None
        out.append(Column(cut.name, number or f"CAST({cut_text(cut)} AS s{i})", f"s{i}"))
    return out


def cut_text(cut: Cut) -> str:
    """The part that a row is in as text, in SQL."""
    if cut.where is not None:
        return f"coalesce(CAST((\n{cut.where}\n) AS VARCHAR), 'null')"
    return " || ' × ' || ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), 'null')" for name in cut.columns)


def _check_condition(con: Any, source: Source, cut: Cut) -> None:
    import duckdb

    place = f"{cut.place}.where"
    refused = refusal(cut.where or "")
    if refused:
        raise UsageError(f"`{place}` is not let through: {refused}")
    asked = f"SELECT (\n{cut.where}\n) AS x FROM {source.scan}"  # noqa: S608
    try:
        kind = con.execute(f"DESCRIBE {asked}").fetchall()[0][1]
        if kind != "BOOLEAN":
            raise UsageError(f"`{place}` is {kind} and no condition", help="Write one that is true or false of a row.")
        (rows,) = con.execute(f"SELECT count(*) FILTER (x) FROM ({asked})").fetchone()  # noqa: S608
    except duckdb.Error as error:
        line = str(error).strip().splitlines()[0]
        raise UsageError(f"`{place}` cannot be computed: {line}", help="It sees the holdout's columns.") from None
    if rows == 0:
        raise WorldError(f"{source.what}: `{place}` is true of no row", help="Check the condition, or remove it.")


def binned(cut: Cut, numbers: Array) -> Grouping:
    """The bins of a column of numbers, which may be masked (NULL) or NaN; only the outer bins may go missing."""
    import numpy as np

    missing = np.ma.getmaskarray(numbers)
    plain = np.ma.getdata(numbers)
    known = plain[~missing & ~np.isnan(plain)]
    edges = quantiles(known, cut.bins) if isinstance(cut.bins, int) else np.array(cut.bins or ())
    codes = np.searchsorted(edges, plain, side="right").astype(np.uint8 if len(edges) < 250 else np.uint32)
    codes[np.isnan(plain)] = len(edges) + 1
    codes[missing] = len(edges) + 2
    counts = np.bincount(codes, minlength=len(edges) + 3)
    inner = (np.arange(len(counts)) > 0) & (np.arange(len(counts)) < len(edges))
    kept = np.flatnonzero((counts > 0) | inner)
    place = np.zeros(len(counts), codes.dtype)
    place[kept] = np.arange(len(kept))
    values = [*_ranges([*map(float, edges)]), "nan", "null"]
    return Grouping(cut.name, place[codes], tuple(values[k] for k in kept))


def quantiles(numbers: Array, bins: int) -> Array:
    """Edges between bins of about as many rows each, rounded to as few digits as keep them so.

    Values that are much repeated make fewer bins. Where the smallest is, it is a bin of its own.
    """
    import numpy as np

    some = np.sort(numbers[:: max(1, len(numbers) // SEEN)])
    some = some[np.isfinite(some)]
    above = some[np.searchsorted(some, some[0], "right") :] if len(some) else some
    if not len(above):
        return np.empty(0)
    at = some[np.arange(1, bins) * len(some) // bins]
    edges = np.unique(np.where(at == some[0], above[0], at))
    places = np.searchsorted(some, edges)
    for digits in range(2, 17):
        rounded = np.array([float(f"{edge:.{digits}g}") for edge in edges])
        moved = np.searchsorted(some, rounded)
        near = np.abs(moved - places).max() <= len(some) / bins / 10
        if near and (np.diff(moved, prepend=0, append=len(some)) > 0).all():
            return rounded
    return edges


def _ranges(edges: Sequence[float]) -> list[str]:
    """What the bins between edges are called."""
    shown = [f"{edge:,.10g}".replace("-", "−") for edge in edges]
    if not shown:
        return ["any number"]
    return [f"below {shown[0]}", *(f"{low} to {high}" for low, high in pairwise(shown)), f"{shown[-1]} or more"]


def of_queries(groupings: Sequence[Grouping], clusters: Array) -> tuple[list[Grouping], list[str]]:
    """The groupings of queries instead of their rows; by name those that part rows of one query."""
    import numpy as np

    first = np.unique(clusters, return_index=True)[1]
    whole, mixed = [], []
    for one in groupings:
        if (one.codes[first][clusters] == one.codes).all():
            whole.append(Grouping(one.by, one.codes[first], one.values))
        else:
            mixed.append(one.by)
    return whole, mixed
