"""dbt: the models, sources or seeds of a `schema.yml`, with their data tests and constraints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlci.contract.exchange import expectations
from mlci.contract.exchange.draft import Draft, chosen, document, expect, type_of

_SETTINGS = {"name", "config", "severity", "where", "arguments", "tags", "description", "error_if", "warn_if", "limit"}


def read(source: str, folder: Path, wanted: str | None) -> Draft:
    """The contract of one table."""
    whole = expect(document(source, folder), dict, "schema.yml of dbt", source)
    tables = [table for kind in ("models", "seeds", "snapshots") for table in whole.get(kind) or []]
    tables += [table for one in whole.get("sources") or [] for table in one.get("tables") or []]
    model = chosen({str(table.get("name")): table for table in tables}, wanted, "model")
    enforced = bool((model.get("config") or {}).get("contract", {}).get("enforced"))
    draft = Draft(closed=enforced, about={"title": str(model.get("name"))})
    if model.get("description"):
        draft.about["description"] = str(model["description"])
    for column in model.get("columns") or []:
        _column(column, draft, enforced=enforced)
    for kind, arguments in _tests(model, "", draft):
        if kind == "dbt_utils.unique_combination_of_columns":
            draft.key(*arguments["combination_of_columns"])
        else:
            expectations.expect(kind.removeprefix("dbt_expectations."), arguments, draft)
    for constraint in model.get("constraints") or []:
        columns = constraint.get("columns") or []
        if constraint.get("type") in ("primary_key", "unique") and columns:
            draft.key(*columns)
            draft.nullable -= set(columns) if constraint["type"] == "primary_key" else set()
        else:
            draft.left("", f"constraint {constraint!r}")
    return draft


def _column(column: dict[str, Any], draft: Draft, *, enforced: bool) -> None:
    name = str(column.get("name"))
    rules = draft.column(name)
    draft.nullable.add(name)
    if column.get("description"):
        rules["description"] = str(column["description"])
    if named := column.get("data_type"):
        found = type_of(str(named))
        rules |= found or {}
        if found is None:
            draft.left(name, f"data_type {named!r}")
    if enforced:
        draft.required[name] = None
    for constraint in column.get("constraints") or []:
        _test(str(constraint.get("type")), {k: v for k, v in constraint.items() if k != "type"}, name, draft)
    for kind, arguments in _tests(column, name, draft):
        _test(kind, arguments, name, draft)


def _tests(owner: dict[str, Any], name: str, draft: Draft) -> Iterator[tuple[str, dict[str, Any]]]:
    """The data tests of a column or a model: their names and arguments. One with a `where` is not carried."""
    for test in [*(owner.get("tests") or []), *(owner.get("data_tests") or [])]:
        kind, given = (test, {}) if isinstance(test, str) else next(iter(test.items()))
        given = given or {}
        settings = {**{k: given[k] for k in _SETTINGS & given.keys()}, **(given.get("config") or {})}
        arguments = {**{k: v for k, v in given.items() if k not in _SETTINGS}, **(given.get("arguments") or {})}
        if settings.get("where") or settings.get("error_if") or settings.get("warn_if"):
            draft.left(name, f"test {test!r}")
            continue
        if str(settings.get("severity", "error")).lower() != "error":
            draft.left(name, f"severity {settings['severity']!r} of {kind}: here the rule is an error")
        yield str(kind), arguments


def _test(kind: str, arguments: dict[str, Any], name: str, draft: Draft) -> None:
    draft.required.setdefault(name)  # a test of a column that is not there fails
    match kind:
        case "not_null":
            draft.nullable.discard(name)
        case "unique":
            draft.key(name)
        case "primary_key":
            draft.key(name)
            draft.nullable.discard(name)
        case "accepted_values":
            draft.rule(name, "enum", list(arguments.get("values", [])))
        case _ if kind.startswith("dbt_expectations."):
            expectations.expect(kind.removeprefix("dbt_expectations."), {**arguments, "column": name}, draft)
        case _:
            draft.left(name, f"test {kind} {arguments!r}")
