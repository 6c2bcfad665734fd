"""A row of a table as JSON sees it: its columns' views, the row as an object, and as JSON text for the fallback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from mlci.contract.language.schema import Nan
from mlci.contract.query import view
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import Column, Table
from mlci.contract.query.view import ObjectView, View

Reads = Mapping[str | None, frozenset[str]]
"""As what each column is read: the types of the cells of a text file, what NaN is. Under None: all other columns."""


def flat(table: Table, column: Column, reads: frozenset[str]) -> View:
    """A column as the plain rules of a column read it."""
    if table.form == "csv":
        return view.cell(column.sql, reads)
    if table.form == "json":
        return view.json(column.sql, f"{column.sql}_kind", f"{column.sql}_text", reads)
    return view.typed(column.sql, column.type, _nan(reads))


def _nan(reads: frozenset[str]) -> Nan:
    return "null" if "nan: null" in reads else "number" if "nan: number" in reads else "error"


def member(table: Table, column: Column, reads: frozenset[str]) -> View:
    """A column as trees of rules read it, which look inside."""
    if table.form == "json":
        found = view.value(column.sql, f"{column.sql}_kind", f"{column.sql}_text", _nan(reads))
        return replace(found, present=f"{column.sql} IS NOT NULL")
    found = flat(table, column, reads)
    return replace(found, sound=True) if table.form == "csv" else found


def whole(table: Table, reads: Reads) -> View:
    """The row as one object: of all columns of the table, or of the keys that a line of JSON has."""
    columns = {column.name: column for column in reversed(table.columns)}  # of two of one name: the first

    def of(name: str) -> View | None:
        return member(table, columns[name], reads.get(name, reads[None])) if name in columns else None

    if table.form == "json":
        inside = view.value("json", "json_type(json)", "NULL").object
        assert inside
        return View("FALSE", {"object": "json_type(json) = 'OBJECT'"}, object=replace(inside, member=of))
    names = tuple(dict.fromkeys(column.name for column in table.columns))
    listed = f"[{', '.join(map(literal, names))}]"
    return View("FALSE", {"object": "TRUE"}, object=ObjectView(listed, of, lambda _: View("TRUE"), names))


def written(table: Table, reads: Reads) -> str:
    """SQL of the row as JSON text."""
    return "json::VARCHAR" if table.form == "json" else _written(whole(table, reads), count())


def said(table: Table, reads: Reads, name: str | None) -> str:
    """SQL of the JSON text of a column that is there, or of the whole row (None)."""
    column = None if name is None else table.column(name)
    if name is None or column is None:
        return written(table, reads)
    if table.form == "json":
        return f"{column.sql}::VARCHAR"
    return _written(member(table, column, reads.get(name, reads[None])), count())


def _written(seen: View, fresh: count[int]) -> str:
    cases = [] if seen.null == "FALSE" else [f"WHEN {seen.null} THEN 'null'"]
    if seen.number:
        cases.append(f"WHEN {seen.number.sql} IS NOT NULL THEN ({seen.number.sql})::VARCHAR")
    if seen.boolean:
        cases.append(f"WHEN ({seen.boolean}) IS NOT NULL THEN ({seen.boolean})::VARCHAR")
    if seen.text:
        cases.append(f"WHEN ({seen.text}) IS NOT NULL THEN to_json({seen.text})::VARCHAR")
    if seen.array:
        items, item = seen.array.items(f"w{next(fresh)}"), f"w{next(fresh)}"
        inside = f"list_transform({items}, lambda {item}: {_written(seen.array.item(item), fresh)})"
        cases.append(f"WHEN {seen.kinds['array']} THEN '[' || array_to_string({inside}, ',') || ']'")
    if seen.object:
        cases.append(f"WHEN {seen.kinds['object']} THEN '{{' || {_members(seen.object, fresh)} || '}}'")
    return f"(CASE {' '.join(cases)} ELSE 'NaN' END)" if cases else "'NaN'"


def _members(o: ObjectView, fresh: count[int]) -> str:
    if o.static is None:
        name = f"w{next(fresh)}"
        pair = f"to_json({name})::VARCHAR || ':' || {_written(o.each(name), fresh)}"
        return f"array_to_string(list_transform({o.names}, lambda {name}: {pair}), ',')"
    parts = [(name, o.member(name)) for name in o.static]
    pairs = [f"to_json({literal(name)})::VARCHAR || ':' || {_written(seen, fresh)}" for name, seen in parts if seen]
    return " || ',' || ".join(pairs) or "''"
