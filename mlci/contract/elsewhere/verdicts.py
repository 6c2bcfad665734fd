"""Verdicts on plain values by another engine: each is a row of typed columns, with a tag for the JSON type.

SQL NULL cannot say both "null" and "of another type", so the tag does. Lists and objects, whole numbers that a
double does not hold and texts that the engine does not hold are left to the fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.contract.elsewhere.backend import connect, rows
from mlci.contract.elsewhere.dialects import dialect
from mlci.contract.elsewhere.leaves import literal
from mlci.contract.elsewhere.logic import Expr, as_expression
from mlci.contract.elsewhere.printer import Printer
from mlci.contract.elsewhere.regex import Unsaid
from mlci.contract.elsewhere.view import EXACT, Number, View, whole
from mlci.contract.language.predicates import Predicate

_KINDS = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}
_KINDS |= {list: "array", tuple: "array", dict: "object"}


def judged(predicate: Predicate, instances: Sequence[Any], engine: str | Any) -> tuple[list[bool | None], str]:
    """Whether each instance is valid, None where the engine cannot say; and the name of the engine.

    `engine` is a URL or an Ibis backend. Raises UsageError and WorldError as `connect` does.
    """
    backend = connect(engine) if isinstance(engine, str) else engine
    answers: list[bool | None] = [None] * len(instances)
    cells = {i: cell for i, value in enumerate(instances) if (cell := _cells(value))}
    if not cells:
        return answers, backend.name
    places, table = list(cells), _table(list(cells.values()))
    try:
        fails = as_expression(Printer(dialect(backend.name)).fails(predicate, _view(table)))
    except Unsaid:
        return answers, backend.name
    for row in rows(table.select(i=table.i, fails=fails), backend):
        answers[places[row["i"]]] = None if row["fails"] is None else not row["fails"]
    return answers, backend.name


def _cells(value: Any) -> dict[str, Any] | None:
    """An instance as a row; None for one that the columns do not hold."""
    kind = _KINDS.get(type(value), "")
    number = value if kind == "number" else None
    if not kind or (number is not None and not abs(number) < EXACT):  # NaN is not less either
        return None
    if isinstance(value, str) and ("\0" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value)):
        return None
    text = value if kind == "string" else None
    return {"k": kind, "n": number, "t": text, "b": value if kind == "boolean" else None}


def _table(cells: Sequence[dict[str, Any]]) -> Expr:
    """A row for each instance. They stand in the query itself: Spark takes long to begin with a table in memory."""
    import ibis

    numbered = ibis.range(0, len(cells)).unnest().name("i").as_table()
    columns = {}
    for name, kind in {"k": "string", "n": "float64", "t": "string", "b": "boolean"}.items():
        values = [(i, _literal(cell[name], kind)) for i, cell in enumerate(cells) if cell[name] is not None]
        columns[name] = numbered.i.cases(*values) if values else ibis.null(kind)
    return numbered.select(i=numbered.i, **columns)


def _literal(value: Any, kind: str) -> Expr:
    import ibis

    return (
        literal(value) if isinstance(value, str) else ibis.literal(float(value) if kind == "float64" else value, kind)
    )


def _view(table: Expr) -> View:
    """A row's value. `array` and `object` have no view of what is in them."""
    kinds = {kind: table.k == kind for kind in ("boolean", "number", "string", "array", "object")}
    kinds["integer"] = (kinds["number"] & whole(table.n)).fill_null(False)
    return View(table.k == "null", kinds, Number(table.n, "double"), table.t, table.b)
