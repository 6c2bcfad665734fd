"""A first contract from data: as tight as what was seen, with remarks that say what was seen, for a person to edit.

One query measures each table; then the contract is checked over the same data, and what does not hold there (a
pattern guessed from some values, a key from an estimate) gives way to the next weaker rule. So the data always keeps
the contract that was inferred from it.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlci.contract.judging.validate import validate
from mlci.contract.language.load import load
from mlci.contract.learn.compound import ENOUGH, compound
from mlci.contract.learn.measure import FEW, Facts, measure
from mlci.contract.learn.shapes import formats, patterns
from mlci.contract.learn.write import DIALECT
from mlci.contract.query.engine import engine
from mlci.contract.query.tables import open_tables, reason
from mlci.contract.report import Violation
from mlci.errors import UsageError, WorldError

_REPEATED = 10
"""Few values are an enumeration when each is there so often on average."""
_FEW_NUMBERS = 8
_DENSE = 0.5
"""Whole numbers with more than this share of all between the least and the largest look like a count: a range."""
_KEYS = 4
"""So many columns are tried as keys: each is counted exactly."""
_ROUNDS = 12
_LONG = 64
"""A longer text is no part of a key."""
_FORMATS = ("date", "date-time", "time", "uuid", "ipv4", "ipv6", "email", "uri", "hostname")
"""What a contract may say that is worth telling from data."""
_TEXT_RULES = ("format", "pattern")


@dataclass(frozen=True)
class Inferred:
    """A contract as plain data, and the remarks on its columns (those on the whole under the empty name)."""

    schema: dict[str, Any]
    notes: dict[str, list[str]]
    rows: int


def infer(files: Sequence[Path]) -> Inferred:
    """A contract that these Parquet, CSV or JSON lines files keep, all taken as one table.

    Raises UsageError for no files or unknown ones, WorldError for a file that cannot be read.
    """
    if not files:
        raise UsageError("there are no files to infer a contract from", help="name Parquet, CSV or JSON lines files")
    rows, facts = _measured(tuple(dict.fromkeys(files)))
    texts = {f.name: _text_rules(f) for f in facts}
    properties = {f.name: _column(f, texts[f.name]) for f in facts}
    schema: dict[str, Any] = {"$schema": DIALECT, "type": "object"}
    schema["required"] = [f.name for f in facts if f.seen == rows]
    schema["properties"] = properties
    keys = [[f.name] for f in facts if _is_key(f, rows)][:_KEYS]
    schema["x-table"] = {**({"unique": keys} if keys else {}), **({"rows": {"min": 1}} if rows else {})}
    notes = {"": _headline(files, rows), **{f.name: [_seen(f, rows)] for f in facts}}
    _settle(files, schema, texts, notes)
    found = schema["x-table"].get("unique") or _compound(files, facts, rows, schema["properties"])
    if found:
        schema["x-table"] = {"unique": found[0] if len(found) == 1 else found, "rows": {"min": 1}}
    return Inferred({name: value for name, value in schema.items() if value != {} or name == "properties"}, notes, rows)


def _measured(files: Sequence[Path]) -> tuple[int, list[Facts]]:
    """The facts of all tables added up."""
    import duckdb

    whole: dict[str, Facts] = {}
    rows = 0
    with engine() as db:
        tables, unreadable = open_tables(db, files)
        for file, why in unreadable.items():
            raise WorldError(f"{file} cannot be read: {why}", help="leave it out, or write it anew")
        for table in tables:
            names = [column.name for column in table.columns]
            for name in names:
                if names.count(name) > 1:
                    raise UsageError(f"{table.files[0]}: column `{name}` is there twice", help="rename one")
            try:
                n, facts = measure(db, table)
            except duckdb.Error as error:
                raise WorldError(f"{table.files[0]} cannot be read: {reason(error)}") from None
            rows += n
            for found in facts:
                whole[found.name] = _added(whole[found.name], found) if found.name in whole else found
    return rows, list(whole.values())


def _added(one: Facts, other: Facts) -> Facts:
    """The facts of two tables as of one; distinct values may be the same ones, so their number is the larger."""

    def least(name: str) -> Any:
        return min((v for f in (one, other) if (v := getattr(f, name)) is not None), default=None)

    def most(name: str) -> Any:
        return max((v for f in (one, other) if (v := getattr(f, name)) is not None), default=None)

    kinds = {k: one.kinds.get(k, 0) + other.kinds.get(k, 0) for k in {**one.kinds, **other.kinds}}
    few = tuple(sorted({*one.few, *other.few}, key=str)) if one.few is not None and other.few is not None else None
    return replace(
        one,
        type=one.type if one.type == other.type else f"{one.type} | {other.type}",
        seen=one.seen + other.seen,
        nulls=one.nulls + other.nulls,
        kinds=kinds,
        **{name: least(name) for name in ("low", "whole_low", "shortest", "first")},
        **{name: most(name) for name in ("high", "whole_high", "longest", "last")},
        distinct=len(few) if few is not None else max(one.distinct, other.distinct),
        few=few if few is not None and len(few) <= FEW else None,
        some=(*one.some, *other.some)[: 2 * FEW],
    )


def _types(facts: Facts) -> list[str]:
    """The narrowest JSON types that all values have; a cell of text is what all cells of its column can be."""
    kinds, values = facts.kinds, facts.values
    if not values:
        return [_declared(facts.type)]
    if facts.type == "CSV":
        return [next(kind for kind in ("boolean", "integer", "number", "string") if kinds.get(kind, 0) == values)]
    types = [kind for kind in ("boolean", "string", "array", "object") if kinds.get(kind)]
    whole, numbers = kinds.get("integer", 0), kinds.get("number", 0)
    if numbers and "DOUBLE" not in facts.type and "FLOAT" not in facts.type and "DECIMAL" not in facts.type:
        types.append("integer" if whole == numbers else "number")
    elif numbers:
        types.append("number")  # that all are whole today says nothing
    return types


def _declared(kind: str) -> str:
    """The JSON type of a column without values, by its type in the file."""
    from mlci.contract.query.view import typed

    kinds = typed("x", kind).kinds
    for name in ("integer", "number", "boolean", "array", "object"):
        if kinds.get(name) == "TRUE" or (name == "number" and name in kinds and kind != "JSON"):
            return name
    return "string"


def _column(facts: Facts, text_rules: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of a column, with the first of the rules for its texts."""
    types = _types(facts)
    if not types:
        return {}
    listed = [*types, *(["null"] if facts.nulls else [])]
    column: dict[str, Any] = {"type": listed[0] if len(listed) == 1 else listed}
    if len(types) == 1 and (values := _enumerated(facts, types[0])):
        return {**column, "enum": [*values, *([None] if facts.nulls else [])]}
    if {"integer", "number"} & set(types):
        exact = "integer" in types and facts.whole_low is not None
        low, high = (facts.whole_low, facts.whole_high) if exact else (facts.low, facts.high)
        column |= {k: _plain(v) for k, v in (("minimum", low), ("maximum", high)) if v is not None}
    if "string" in types and facts.values:
        column |= text_rules[0]
    return column


def _enumerated(facts: Facts, kind: str) -> list[Any]:
    """All values, where they are few and each is there often; numbers only where they do not look like a count."""
    if facts.few is None or not facts.few or facts.values < _REPEATED * len(facts.few):
        return []
    if kind == "string":
        return [] if formats(list(map(str, facts.few)), _FORMATS) or _dated(facts) else sorted(facts.few)
    if kind != "integer" or len(facts.few) > _FEW_NUMBERS or not all(str(v).lstrip("-").isdigit() for v in facts.few):
        return []
    numbers = sorted(int(value) for value in facts.few)
    return [] if len(numbers) > _DENSE * (numbers[-1] - numbers[0] + 1) else numbers


def _dated(facts: Facts) -> str | None:
    """The format that a column of dates or times has by nature."""
    return {"DATE": "date", "TIMESTAMP": "date-time"}.get(facts.type.split(" ", 1)[0].split("_", 1)[0])


def _text_rules(facts: Facts) -> list[dict[str, Any]]:
    """What may be said of the texts of a column, the strongest first, the last always true."""
    lengths = {"minLength": facts.shortest, "maxLength": facts.longest}
    weakest = {name: value for name, value in lengths.items() if value is not None}
    if nature := _dated(facts):
        return [{"format": nature}, {}]
    texts = [text for text in {*facts.some, facts.first, facts.last} if text is not None]
    found: list[dict[str, Any]] = [{"format": name} for name in formats(texts, _FORMATS)]
    if facts.distinct > 1 and facts.shortest and facts.longest:
        for pattern in patterns(sorted(texts), facts.shortest, facts.longest):
            says_length = not re.search(r"\][+*]", pattern)
            found.append({"pattern": pattern} if says_length else {"pattern": pattern, **weakest})
    return [*found, weakest]


def _is_key(facts: Facts, rows: int) -> bool:
    """Whether each row may have a value of its own: none missing, and about as many distinct ones as rows."""
    return (
        facts.seen == rows > 1
        and not facts.nulls
        and facts.distinct >= ENOUGH * rows
        and _types(facts) in (["integer"], ["string"])
    )


def _compound(files: Sequence[Path], facts: Sequence[Facts], rows: int, kept: Container[str]) -> list[list[str]]:
    """A key of several columns: of whole numbers, short texts and dates, none missing."""
    alike = {
        f.name: f.distinct
        for f in facts
        if f.name in kept and f.seen == rows and not f.nulls and (f.longest or 0) <= _LONG
        if _types(f) in (["integer"], ["string"])
    }
    with engine() as db:
        key = compound(db, open_tables(db, tuple(dict.fromkeys(files)))[0], alike, rows)
    return [list(key)] if key else []


def _plain(value: Any) -> int | float:
    """A number as JSON has it, without a point where it needs none."""
    if isinstance(value, int):
        return value
    return int(value) if abs(value) < 2**53 and value == int(value) else float(value)


_KEPT = {"duplicate": "a row has a key twice", "readable": "it cannot be read to its end"}
"""What no contract can let be."""


def _settle(files: Sequence[Path], schema: dict[str, Any], texts: dict[str, Any], notes: dict[str, list[str]]) -> None:
    """Check the contract over the data, and weaken what is broken, until nothing is."""
    checked = schema
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory(prefix="mlci-") as folder:
            file = Path(folder, "contract.json")
            file.write_text(json.dumps(checked), encoding="utf-8")
            violations = validate(files, load(file), samples=0).violations
        if broken := next((v for v in violations if v.rule in ("duplicate", "readable")), None):
            where = ", ".join(name for name, _ in broken.files) or str(broken.samples[0]["(file)"])
            raise UsageError(f"no contract allows {where}: {_KEPT[broken.rule]}", help="mend it, or leave it out")
        for violation in violations:
            _weaken(violation, schema, texts, notes)
        if not violations:
            return
        again = {v.column for v in violations} & schema["properties"].keys()
        checked = {"properties": {name: schema["properties"][name] for name in again}}
    raise AssertionError(f"the inferred contract does not settle: {violations[0]}")


def _weaken(broken: Violation, schema: dict[str, Any], texts: dict[str, Any], notes: dict[str, list[str]]) -> None:
    column = schema["properties"].get(broken.column)
    if broken.rule == "unique":
        schema["x-table"]["unique"] = [key for key in schema["x-table"]["unique"] if ", ".join(key) != broken.column]
        if not schema["x-table"]["unique"]:
            del schema["x-table"]["unique"]
    elif column is None:
        return
    elif broken.rule in _TEXT_RULES and broken.column in texts:
        texts[broken.column].pop(0)
        for rule in (*_TEXT_RULES, "minLength", "maxLength"):
            column.pop(rule, None)
        column |= texts[broken.column][0]
    elif broken.rule in column and broken.rule != "type":
        del column[broken.rule]
    else:  # values that are no JSON, or of a type that nothing here reads
        del schema["properties"][broken.column]
        schema["required"] = [name for name in schema["required"] if name != broken.column]
        notes[broken.column].append(f"left out: {broken.count:,} values that are not {broken.expected}")


def _headline(files: Sequence[Path], rows: int) -> list[str]:
    names = files[0].name if len(files) == 1 else f"{len(files):,} files ({files[0].name} …)"
    return [
        f"Inferred by `mlci contract infer` from {names}, {rows:,} rows: what was there, no more.",
        "Widen the ranges to what may be, and say what the columns mean.",
    ]


def _seen(facts: Facts, rows: int) -> str:
    """What was seen, in a line. Texts are not quoted: they may be personal."""
    types = _types(facts)
    said = [{"CSV": "text", "JSON": "JSON"}.get(facts.type, facts.type)]
    if facts.seen < rows:
        said.append(f"in {facts.seen:,} of {rows:,} rows")
    said.append(f"{facts.nulls:,} null{'' if facts.nulls == 1 else 's'}" if facts.nulls else "no nulls")
    if facts.values:
        exact = facts.few is not None
        said.append(f"{'' if exact else 'about '}{min(facts.distinct, facts.values):,} distinct")
    if facts.low is not None and "string" not in types:
        said.append(f"{_plain(facts.low)} to {_plain(facts.high)}")
    elif _dated(facts) and facts.first is not None:
        said.append(f"{facts.first} to {facts.last}")
    elif facts.longest is not None and "string" in types:
        length = f"{facts.shortest:,} to {facts.longest:,}" if facts.shortest != facts.longest else f"{facts.longest:,}"
        said.append(f"{length} characters")
    return ", ".join(said)
