"""Which columns of the holdout can be searched for the worst slices, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError
from mlci.gate.reading.columns import Source, is_number, quoted, type_of
from mlci.gate.reading.cuts import Cut

if TYPE_CHECKING:
    from mlci.config.judging import Columns, Metric, Search

BINS = 5
"""Quantile bins of a number with more values than `FEW`."""
FEW = 10
MANY = 1000
"""Groups of more values than this are too many to be anything but names."""
_NAMES = ("VARCHAR", "ENUM", "BOOLEAN", "DATE", "TIME", "UUID")
_PLACE = "gate.slices.search.columns"


def roles(columns: Columns, metrics: Mapping[str, Metric], task: str) -> dict[str, str]:
    """The columns that are no features, and what they are instead."""
    given: dict[str | None, str] = dict.fromkeys(columns.labels.values(), "a label")
    given |= dict.fromkeys(columns.scale.values(), "a scale")
    given |= {
        columns.id: "the id",
        columns.label: "the label",
        columns.weight: "the weight",
        columns.group: "the group",
    }
    given |= {columns.series: "the series", columns.time: "the time"}
    said = [columns.score, columns.prediction, *columns.scores.values(), *columns.predictions.values()]
    said += columns.quantiles
    if task == "scores":
        said += [name for name, rule in metrics.items() if not (rule.expression or rule.function)]
    out = {**dict.fromkeys(said, "a prediction"), **given}
    return {name: role for name, role in out.items() if name is not None}


def search_mistakes(
    search: Search, columns: Columns, metrics: Mapping[str, Metric], task: str
) -> Iterator[tuple[str, str, str]]:
    """What is wrong with `slices.search` before a row is read: where under it, what, and what to do."""
    known = roles(columns, metrics, task)
    for i, name in enumerate(search.columns):
        if name in known:
            yield f".columns[{i}]", f"`{name}` is {known[name]} and no feature", "Remove it."
        elif name in search.columns[:i]:
            yield f".columns[{i}]", f"`{name}` stands there twice", "Remove one."


def features(
    con: Any, source: Source, columns: Columns, metrics: Mapping[str, Metric], search: Search, task: str
) -> tuple[list[Cut], tuple[tuple[str, str], ...]]:
    """How each column that can be searched is cut, and the others with the reason.

    Numbers of many values are cut into quantile bins. Raises UsageError for a named column that is not there or cannot
    be searched, and where no column is left.
    """
    for i, name in enumerate(search.columns):
        type_of(source, name, f"columns[{i}]", where="gate.slices.search")
    known = roles(columns, metrics, task)
    wanted = search.columns or tuple(source.types)
    usable = [name for name in wanted if name not in known and _usable(source.types[name])]
    counted = ", ".join(f"approx_count_distinct({quoted(name)})" for name in usable) or "0"
    distinct = con.execute(f"SELECT {counted} FROM {source.scan}").fetchone()  # noqa: S608
    values = dict(zip(usable, distinct, strict=False))
    found, left = [], []
    for name in wanted:
        kind = source.types[name]
        if name in known:
            left.append((name, known[name]))
        elif name not in values:
            left.append((name, f"is {kind}"))
        elif is_number(kind) and values[name] > FEW:
            found.append(Cut(name, _PLACE, (name,), BINS))
        elif values[name] > MANY:
            left.append((name, f"about {values[name]:,} values"))
        else:
            found.append(Cut(name, _PLACE, (name,)))
    if not found or (search.columns and left):
        shown = ", ".join(f"`{name}` ({reason})" for name, reason in left)
        raise UsageError(
            f"{source.what}: `gate.slices.search` cannot search {shown}",
            help="A feature is a number, or has few values. Name others, or remove `search`.",
        )
    return found, tuple(left)


def _usable(kind: str) -> bool:
    return is_number(kind) or kind.startswith(_NAMES)
