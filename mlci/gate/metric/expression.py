"""`expression`: a metric of the project's own, as a number for each row in DuckDB's SQL.

    profit: {expression: "CASE WHEN score >= 0.3 THEN if(label = 1, 40, -5) ELSE 0 END", margin: 0.1}

It sees the row of the holdout, and `label`, `score` and `prediction` of the model that is judged. The metric is its
mean, so it has the paired interval of a mean, in slices too. The configuration may come from a stranger's pull request:
only the functions below may be called (`mlci.expression`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlci import expression as expressions
from mlci.errors import UsageError, WorldError
from mlci.gate import words
from mlci.gate.reading.columns import Column, Source, quoted
from mlci.gate.table import Whole

if TYPE_CHECKING:
    from mlci.config.judging import Columns, Metric
    from mlci.gate.metric.function import Call
    from mlci.gate.table import Codes, Numbers, Predictions

_NAMES = """+ - * / // % ** ^ || abs ceil floor round trunc sign sqrt exp ln log log10 log2 pow power greatest least
coalesce if ifnull nullif isnan isfinite isinf mod divide length lower upper trim starts_with ends_with contains
date_part date_diff year month day hour minute dayofweek isodow epoch ~~ !~~"""
FUNCTIONS = frozenset(_NAMES.split())


def refusal(expression: str) -> str | None:
    """Why an expression is not let through; None: it is."""
    return expressions.refusal(expression, FUNCTIONS)


def computed(
    con: Any,
    holdout: tuple[Source, Column],
    model: tuple[Source, Column, Sequence[Column]],
    columns: Columns,
    metrics: Mapping[str, Metric],
) -> dict[str, Numbers]:
    """The numbers of each expression in the order of the holdout, for one model whose rows match.

    `con` has the table `holdout` (id, label) of the rows as they were read. Raises UsageError when an expression names
    what is not there or is no number, and WorldError when it gives none in some row.
    """
    import duckdb
    import numpy as np

    out: dict[str, Numbers] = {}
    rows = _rows(holdout, model, columns)
    for name, expression in ((n, rule.expression) for n, rule in metrics.items() if rule.expression):
        refused = refusal(expression)
        if refused:
            raise UsageError(f"the expression of `{name}` is not let through: {refused}")
        try:
            query = f"SELECT CAST(({expression}) AS DOUBLE) AS x FROM ({rows}) data ORDER BY at__"  # noqa: S608
            found = con.execute(query).fetchnumpy()["x"]
        except duckdb.Error as error:
            line = str(error).strip().splitlines()[0]
            raise UsageError(f"the expression of `{name}` cannot be computed: {line}", help=_SEES) from None
        numbers = np.ma.filled(found.astype(np.float64), np.nan)
        wrong = int(np.count_nonzero(~np.isfinite(numbers)))
        if wrong:
            raise WorldError(
                f"the expression of `{name}` is no finite number in {words.many(wrong, 'row')} of {len(numbers):,} "
                f"of {model[0].what}",
                help="Say what it is there: `coalesce(…, 0)`.",
            )
        out[name] = numbers
    return out


def called(
    con: Any,
    holdout: tuple[Source, Column],
    models: Sequence[tuple[Source, Column, Sequence[Column]]],
    columns: Columns,
    metrics: Mapping[str, Metric],
    call: Call | None,
    given: Sequence[Predictions],
    clusters: Codes | None,
) -> list[Predictions]:
    """The predictions of the models with what each function gives for their rows, all models in one call.

    Raises UsageError when there is nothing to run a function with, and what `call` raises.
    """
    out, asked = list(given), {name: rule for name, rule in metrics.items() if rule.function}
    if not asked:
        return out
    if call is None:
        raise UsageError(f"the metric `{next(iter(asked))}` is a function, and there is nothing to run it with")
    queries = [_rows(holdout, model, columns) for model in models]
    seen = [
        con.execute(f"SELECT * EXCLUDE (at__) FROM ({query}) data ORDER BY at__").fetchnumpy()  # noqa: S608
        for query in queries
    ]
    for name, rule in asked.items():
        for i, found in enumerate(call(name, rule, seen, clusters)):
            one = out[i]
            if isinstance(found, Whole):
                out[i] = replace(one, wholes={**one.wholes, name: found})
            else:
                out[i] = replace(one, columns={**one.columns, name: found})
    return out


_SEES = "It sees the holdout's columns, and `label`, `score` and `prediction` as the gate reads them."


def _rows(holdout: tuple[Source, Column], model: tuple[Source, Column, Sequence[Column]], columns: Columns) -> str:
    """The rows that an expression sees, with `at__`, their place in the holdout."""
    (facts, id), (source, id_there, wanted) = holdout, model
    given = {"score": "score", "value": "prediction"}
    said = [f"{column.sql} AS {given[column.alias]}" for column in wanted if column.alias in given]
    said += [f"{quoted(column.name)}" for column in wanted if column.alias not in given]
    names = [given.get(column.alias, quoted(column.name)) for column in wanted]
    taken = {"at__", "label", "id__", *(given.get(column.alias, column.name) for column in wanted)}
    kept = [quoted(name) for name in facts.types if name.lower() not in {one.lower() for one in taken}]
    label = ["h.label AS label"] if columns.label is not None else []
    shown = ", ".join(["h.rowid AS at__", *label, *(f"f.{name}" for name in kept), *(f"p.{name}" for name in names)])
    return (
        f"SELECT {shown} FROM holdout h JOIN (SELECT {id.sql} AS id__, * FROM {facts.scan}) f ON f.id__ = h.id "  # noqa: S608
        f"JOIN (SELECT {', '.join([f'{id_there.sql} AS id__', *said])} FROM {source.scan}) p ON p.id__ = h.id"
    )
