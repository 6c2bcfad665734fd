"""A contract as a page that a person reads: Markdown, one table of columns, then what the whole table must keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlci.contract.change.diff import ANNOTATIONS
from mlci.contract.change.plain import Said, rules, unique_keys

_SAID = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "exclusiveMinimum": "> {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "const": "always {}",
    "enum": "one of {}",
    "format": "format {}",
    "pattern": "matches {}",
    "x-severity": "severity {}",
    "x-tolerance": "tolerated: {} of the rows",
}
_PLAIN = ("format", "pattern", "x-severity", "x-tolerance")
_HIDDEN = ANNOTATIONS - {"default", "examples", "deprecated"} | {"type"}


def page(schema: Mapping[str, Any], name: str) -> str:
    """The page of a contract given as plain data; `name` is the title of one that has none."""
    columns = schema.get("properties", {})
    required = schema.get("required", [])
    lines = [f"# {_line(str(schema.get('title', name)))}", ""]
    if schema.get("description"):
        lines += [str(schema["description"]), ""]
    closed = schema.get("additionalProperties") is False
    lines += [
        f"{len(columns):,} columns, {len(required):,} of them required. "
        + ("No other column may be there." if closed else "Other columns may be there, with any values."),
        "",
    ]
    lines += ["| column | type | | rules | |", "|---|---|---|---|---|"]
    named = {**columns, **{name: {} for name in required if name not in columns}}
    lines += [_row(name, column, name in required) for name, column in named.items()]
    table = "\n".join(_table(schema))
    others = {k: v for k, v in schema.items() if k not in ANNOTATIONS | _WHOLE}
    return "\n".join([*lines, *(["", "## The whole table", "", table] if table else []), *_rest(others)]) + "\n"


_QUANTILE = re.compile(r"(.*?)\.([01](?:\.[0-9]+)?)")
_WHOLE = {"type", "properties", "required", "additionalProperties", "x-table", "$defs"}


def _row(name: str, column: Any, required: bool) -> str:
    rules = column if isinstance(column, dict) else {}
    types = rules.get("type", "anything")
    listed = [types] if isinstance(types, str) else list(types)
    nullable = "null" in listed or "type" not in rules
    kind = " or ".join(t for t in listed if t != "null") or "null"
    marks = ["required" if required else "optional", *(["may be null"] if nullable else [])]
    said = [*_rules(rules), *(["**sensitive**: never shown"] if rules.get("x-sensitive") else [])]
    about = " ".join(str(rules[k]) for k in ("title", "description") if k in rules)
    cells = (_code(name), kind, ", ".join(marks), "; ".join(said), _line(about))
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _rules(rules: Mapping[str, Any]) -> Iterator[str]:
    for name, value in rules.items():
        if name in _SAID:
            values = ", ".join(_code(_json(item)) for item in value) if name == "enum" else _code(_json(value))
            yield _SAID[name].format(_code(str(value)) if name in _PLAIN else values)
        elif name not in _HIDDEN:
            yield f"{name} {_code(_json(value))}"


def _table(schema: Mapping[str, Any]) -> Iterator[str]:
    table = schema.get("x-table", {})
    if table.get("description"):
        yield f"{table['description']}\n"
    for _, said in unique_keys(table.get("unique", [])):
        yield f"- No two rows have the same {_code(said.name)}{_strict(said)}."
    for said in rules(table).values():
        ends = " and ".join(
            f"{_ENDS.get(end, end + ' at most')} {_figure(value)}" for end, value in said.limits.items()
        )
        if said.kind == "rows":
            yield f"- There are {ends} rows{_strict(said)}."
        elif said.kind == "foreignKeys":
            columns, to = said.rest["columns"], said.rest.get("to", said.rest["columns"])
            there = f"{_code(said.rest['references'])} ({_code(', '.join(to))})"
            yield f"- Values of {_code(', '.join(columns))} are in {there}{_strict(said)}."
        else:
            name, kind = said.name, _KINDS.get(said.kind, said.kind)
            if said.kind == "quantiles":
                name, quantile = _QUANTILE.fullmatch(name).groups()  # type: ignore[union-attr]
                kind = f"{quantile} quantile"
            parts = [ends] if ends else []
            parts += [
                f"{key} ".removeprefix("order ") + f"{_code(v if isinstance(v, str) else _json(v))}"
                for key, v in said.rest.items()
            ]
            yield f"- {kind[:1].upper()}{kind[1:]} of {_code(name)}: {'; '.join(parts)}{_strict(said)}."


_ENDS = {"min": "at least", "max": "at most", "minAge": "at least", "maxAge": "at most"}
_KINDS = {
    "nulls": "Share of null",
    "distinct": "Number of distinct values",
    "freshness": "Age of the newest value",
    "monotonic": "Order",
    "counts": "Number of rows",
    "mean": "Mean",
    "quantiles": "Quantile",
    "distribution": "Distribution",
    "sql": "Value",
}


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _strict(said: Said) -> str:
    tolerant = f" (but for {float(said.tolerance * 100):g}% of the rows)" if said.tolerance else ""
    return tolerant + (" (only a warning)" if said.severity == "warn" else "")


def _rest(others: Mapping[str, Any]) -> Iterator[str]:
    """What else a row must keep, as it is written."""
    if others:
        yield from ("", "## Rules over columns", "", "```json")
        yield json.dumps(others, indent=2, ensure_ascii=False).replace("```", "`\u200b``")
        yield "```"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    """Code in Markdown, whatever quotes are in it."""
    text = _line(text)
    fence = "`" * (max((len(run) for run in text.replace("`", " ` ").split() if set(run) == {"`"}), default=0) + 1)
    while fence in text:
        fence += "`"
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.splitlines())
