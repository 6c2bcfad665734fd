"""The columns that the gate reads: as SQL over a table, with what must not be in them.

Each column says by itself what is wrong with a value: it is counted, and named with one of its rows, before anything is
computed from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config.judging import Columns, Metric
    from mlci.gate.table import Task

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = _INTEGERS + tuple("U" + name for name in _INTEGERS)


@dataclass(frozen=True)
class Source:
    """A table on disk: what it is to people, its name in SQL, how SQL reads it, the types of its columns, and the way
    out when it is not fit to judge on.
    """

    what: str
    alias: str
    scan: str
    types: dict[str, str]
    way_out: str = ""


@dataclass(frozen=True)
class Column:
    """A column taken from a source: as SQL, under which name, and what must not be (condition, what is wrong)."""

    name: str
    sql: str
    alias: str
    refused: tuple[tuple[str, str], ...] = ()


def id_columns(sources: Sequence[Source], id: str) -> list[Column]:
    """The ids as they are when all tables agree on the type; else as text, where 1, 1.0 and '1' are the same."""
    types = [type_of(source, id, "id") for source in sources]
    same = len(set(types)) == 1 or all(kind in _WHOLE for kind in types)
    column = quoted(id)
    whole = (
        f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 1e15 THEN CAST(CAST({column} AS BIGINT) AS VARCHAR)"
    )
    parts = dict.fromkeys(types, f"CAST({column} AS VARCHAR) || ''")
    parts |= {kind: f"{whole} ELSE {parts[kind]} END" for kind in types if is_number(kind) and kind not in _WHOLE}
    refused = ((f"{column} IS NULL", "is NULL"),)
    return [Column(id, column if same else parts[kind], "id", refused) for kind in types]


def holdout_columns(source: Source, columns: Columns, task: Task) -> Iterator[Column]:
    """The label, the weight, and the group as a hash."""
    if columns.label is not None:
        yield _truth(columns.label, type_of(source, columns.label, "label"), "label", task, source)
    if task == "multilabel":
        for i, name in enumerate(columns.labels.values()):
            yield _truth(name, type_of(source, name, "labels"), f"l{i}", "classification", source)
    if task == "forecasting":
        yield from _in_time(source, columns)
    if columns.weight is not None:
        kind = type_of(source, columns.weight, "weight")
        refuse_text(source, columns.weight, kind, "a weight")
        yield _above_zero(columns.weight, "weight")
    if columns.group is not None:
        type_of(source, columns.group, "group")
        name = quoted(columns.group)
        yield Column(columns.group, f"hash({name})", "cluster", ((f"{name} IS NULL", "is NULL"),))


def _above_zero(name: str, alias: str) -> Column:
    number = _finite(name)
    refused = ((f"({number}) IS NULL", "is not a finite number"), (f"{quoted(name)} <= 0", "is not above 0"))
    return Column(name, number, alias, refused)


def _in_time(source: Source, columns: Columns) -> Iterator[Column]:
    """Which series a row is of, as a hash, when it is, and what its errors are divided by."""
    if columns.series is not None:
        type_of(source, columns.series, "series")
        name = quoted(columns.series)
        yield Column(columns.series, f"hash({name})", "series", ((f"{name} IS NULL", "is NULL"),))
    if columns.time is not None:
        kind, name = type_of(source, columns.time, "time"), quoted(columns.time)
        if not (is_number(kind) or kind.startswith(("DATE", "TIME"))):
            raise UsageError(f"{source.what}: `{columns.time}` is {kind}, and a time is a date, a time or a number")
        refused = [(f"{name} IS NULL", "is NULL")]
        refused += [(f"isnan({name})", "is NaN")] if kind in ("FLOAT", "DOUBLE") else []
        yield Column(columns.time, name, "time", tuple(refused))
    for i, name in enumerate(columns.scale.values()):
        refuse_text(source, name, type_of(source, name, "scale"), "a scale")
        yield _above_zero(name, f"e{i}")


def prediction_columns(source: Source, columns: Columns, task: Task, metrics: Mapping[str, Metric]) -> list[Column]:
    """What a model's predictions hold: the score or scores, the class or number, and columns that are metrics."""
    out: list[Column] = []
    if task == "classification" and columns.score is not None:
        out.append(_probability(source, columns.score, "score", "score"))
    if task == "multilabel":
        out += _tags(source, columns)
    if task == "forecasting":
        out += [_number(source, name, f"q{i}", "quantiles", "a quantile") for i, name in enumerate(columns.quantiles)]
    if task == "multiclass":
        out += [_probability(source, name, f"p{i}", "scores") for i, name in enumerate(columns.scores.values())]
        if out:
            whole = " + ".join(quoted(name) for name in columns.scores.values())
            refused = (*out[-1].refused, (f"abs({whole} - 1) > 1e-3", "and the others of `scores` do not add up to 1"))
            out[-1] = Column(out[-1].name, out[-1].sql, out[-1].alias, refused)
    if task == "ranking" and columns.score is not None:
        out.append(_number(source, columns.score, "score", "score"))
    if columns.prediction is not None and task not in ("multilabel", "ranking", "scores"):
        kind = type_of(source, columns.prediction, "prediction")
        out.append(_truth(columns.prediction, kind, "value", task, source))
    if task == "scores":
        own = [name for name, rule in metrics.items() if not (rule.expression or rule.function)]
        out += [_number(source, name, f"m{i}", "metrics") for i, name in enumerate(own)]
    elif not out:
        key = {
            "classification": "score` or `gate.columns.prediction",
            "multiclass": "scores` or `gate.columns.prediction",
            "multilabel": "scores` or `gate.columns.predictions",
        }
        named = key.get(task, "score" if task == "ranking" else "prediction")
        raise UsageError(
            "the gate does not know which column holds the predictions", help=f"Set `gate.columns.{named}`."
        )
    return out


def _tags(source: Source, columns: Columns) -> list[Column]:
    """Of each tag, in the order of the labels, its probability, and whether it is predicted."""
    out = []
    for key, given in (("scores", columns.scores), ("predictions", columns.predictions)):
        missing = [tag for tag in columns.labels if given and tag not in given]
        if missing:
            raise UsageError(f"`gate.columns.{key}` has no column for the tag `{missing[0]}`", help=_NAMES)
        for i, tag in enumerate(columns.labels if given else ()):
            name = given[tag]
            if key == "scores":
                out.append(_probability(source, name, f"p{i}", key))
            else:
                out.append(_truth(name, type_of(source, name, key), f"v{i}", "classification", source))
    return out


def _probability(source: Source, name: str, alias: str, key: str) -> Column:
    kind = type_of(source, name, key)
    refuse_text(source, name, kind, "a score")
    raw = quoted(name)
    outside = f"NOT isnan(CAST({raw} AS DOUBLE)) AND ({raw} < 0 OR {raw} > 1)"
    refused = (
        (f"{raw} IS NULL", "is NULL"),
        (f"isnan(CAST({raw} AS DOUBLE))", "is NaN"),
        (outside, "is outside [0, 1]"),
    )
    return Column(name, f"CAST({raw} AS {'FLOAT' if kind == 'FLOAT' else 'DOUBLE'})", alias, refused)


def _number(source: Source, name: str, alias: str, key: str, what: str = "a score") -> Column:
    kind = type_of(source, name, key, where="gate" if key == "metrics" else "gate.columns")
    raw, number = quoted(name), _finite(name)
    if kind == "BOOLEAN":
        return Column(name, f"CAST({raw} AS DOUBLE)", alias, ((f"{raw} IS NULL", "is NULL"),))
    refuse_text(source, name, kind, what)
    return Column(name, number, alias, ((f"({number}) IS NULL", "is not a finite number"),))


def _finite(name: str) -> str:
    number = f"CAST({quoted(name)} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def refuse_text(source: Source, name: str, kind: str, what: str) -> None:
    """Raise UsageError for a column that is no number."""
    if not is_number(kind):
        raise UsageError(f"{source.what}: `{name}` is {kind}, and {what} is a number", help=_NAMES)


def class_text(name: str, kind: str) -> str:
    """A class as text: 1, 1.0 and '1' are one class."""
    text = f"CAST({quoted(name)} AS VARCHAR)"
    if not is_number(kind) or kind in _WHOLE:
        return text
    column = quoted(name)
    return f"CASE WHEN {column} = trunc({column}) THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE {text} END"


def _truth(name: str, kind: str, alias: str, task: Task, source: Source) -> Column:
    """A label or a predicted label: 0 and 1 for classes, else a finite number."""
    raw = quoted(name)
    text = kind == "VARCHAR" or kind.startswith("ENUM")
    if task == "multiclass":
        code = f"enum_code(TRY_CAST({class_text(name, kind)} AS classes))"
        return Column(name, code, alias, ((f"({code}) IS NULL", "is none of the classes"),))
    if task != "classification" and is_number(kind):
        sql = _finite(name)
        gain = ((f"{raw} < 0", "is below 0, and a gain cannot be"),) if task == "ranking" else ()
        return Column(name, sql, alias, ((f"({sql}) IS NULL", "is not a finite number"), *gain))
    if task != "classification" or not (text or kind == "BOOLEAN" or is_number(kind)):
        wanted = "a number" if task != "classification" else "0, 1, true or false"
        raise UsageError(f"{source.what}: `{name}` is {kind}, and must be {wanted}", help=_NAMES)
    if text:
        sql = f"CASE lower(trim({raw})) WHEN '0' THEN 0 WHEN 'false' THEN 0 WHEN '1' THEN 1 WHEN 'true' THEN 1 END"
    else:
        # Not a cast: DuckDB would have the CSV reader do it, on the text `true`.
        yes, no = ("true", "false") if kind == "BOOLEAN" else ("1", "0")
        sql = f"CASE {raw} WHEN {no} THEN 0 WHEN {yes} THEN 1 END"
    return Column(name, f"CAST({sql} AS TINYINT)", alias, ((f"({sql}) IS NULL", "is not 0, 1, true or false"),))


_NAMES = "Check `gate.columns`."


def type_of(source: Source, name: str, key: str, *, where: str = "gate.columns") -> str:
    """The type of a column that the configuration names; refuses one that is not there."""
    if name in source.types:
        return source.types[name]
    near = difflib.get_close_matches(name, source.types, n=1, cutoff=0.5)
    help = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(f'`{one}`' for one in source.types)}."
    raise UsageError(f"{source.what} has no column `{name}`, which `{where}.{key}` names", help=help)


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB's is a number."""
    return kind in (*_WHOLE, "FLOAT", "DOUBLE") or kind.startswith("DECIMAL")


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
