"""The expectations that Great Expectations and dbt-expectations share, as rules of columns. Nulls keep all but one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlci.contract.exchange.draft import Draft, type_of

_META = {"column", "mostly", "result_format", "include_config", "catch_exceptions", "meta", "batch_id"}
Arguments = dict[str, Any]


def expect(kind: str, arguments: Arguments, draft: Draft) -> None:
    """Carry one expectation, or note that it is not carried."""
    column = str(arguments.get("column", ""))
    said = f"{kind} { ({k: v for k, v in arguments.items() if k != 'column'})!r}"
    mostly = arguments.get("mostly", 1)
    if kind not in _CARRIED or (mostly is not None and mostly < 1) or arguments.get("row_condition"):
        draft.left(column, said)
        return
    if column:
        draft.required.setdefault(column)
        if column not in draft.properties:
            draft.nullable.add(column)
        draft.column(column)
    used = _CARRIED[kind](column, arguments, draft)
    for name in arguments.keys() - used - _META:
        if arguments[name] not in (None, False, ""):
            draft.left(column, f"{name}={arguments[name]!r} of {kind}")


def _exists(_column: str, arguments: Arguments, _draft: Draft) -> set[str]:
    return {"column_index"} if arguments.get("column_index") is None else set()


def _not_null(column: str, _: Arguments, draft: Draft) -> set[str]:
    draft.nullable.discard(column)
    return set()


def _null(column: str, _: Arguments, draft: Draft) -> set[str]:
    draft.rule(column, "type", "null")
    return set()


def _unique(column: str, _: Arguments, draft: Draft) -> set[str]:
    draft.key(column)
    return set()


def _together(_: str, arguments: Arguments, draft: Draft) -> set[str]:
    draft.key(*arguments["column_list"])
    return {"column_list", "ignore_row_if"}


def _between(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    for end, strict, plain, exclusive in (
        ("min_value", "strict_min", "minimum", "exclusiveMinimum"),
        ("max_value", "strict_max", "maximum", "exclusiveMaximum"),
    ):
        value = arguments.get(end)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            closed = not (arguments.get(strict) or arguments.get("strictly"))
            draft.rule(column, plain if closed else exclusive, value)
        elif value is not None:
            draft.left(column, f"{end} {value!r}")
    return {"min_value", "max_value", "strict_min", "strict_max", "strictly"}


def _in_set(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    draft.rule(column, "enum", list(arguments["value_set"]))
    return {"value_set", "quote_values"}


def _regex(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    draft.rule(column, "pattern", arguments["regex"])
    return {"regex"}


def _lengths(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    ends = {"min_value": "minLength", "max_value": "maxLength"}
    if "value" in arguments:
        arguments = {**arguments, "min_value": arguments["value"], "max_value": arguments["value"]}
    for end, keyword in ends.items():
        if arguments.get(end) is not None:
            draft.rule(column, keyword, arguments[end])
    return {"value", *ends}


def _type(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    named = arguments.get("type_list") or [arguments.get("type_", arguments.get("column_type"))]
    found = [type_of(str(name)) for name in named]
    types = [rules["type"] for rules in found if rules]
    if None in found or not types:
        draft.left(column, f"type {named!r}")
    else:
        alike = len(set(types)) == 1
        draft.rule(column, "type", types[0] if alike else list(dict.fromkeys(types)))
        forms = {rules.get("format") for rules in found if rules}
        if len(forms) == 1 and (form := forms.pop()):
            draft.rule(column, "format", form)
    return {"type_", "type_list", "column_type"}


def _strftime(column: str, arguments: Arguments, draft: Draft) -> set[str]:
    form = arguments.get("strftime_format")
    if form == "%Y-%m-%d":
        draft.rule(column, "format", "date")
    else:
        draft.left(column, f"strftime_format {form!r}")
    return {"strftime_format"}


def _rows(_: str, arguments: Arguments, draft: Draft) -> set[str]:
    low, high = (arguments.get("value", arguments.get(end)) for end in ("min_value", "max_value"))
    draft.rows |= {name: value for name, value in (("min", low), ("max", high)) if value is not None}
    return {"value", "min_value", "max_value"}


def _columns(_: str, arguments: Arguments, draft: Draft) -> set[str]:
    listed = arguments.get("column_set", arguments.get("column_list")) or []
    draft.closed = arguments.get("exact_match", True) is not False
    for name in listed:
        draft.required.setdefault(name)
        if name not in draft.properties:
            draft.column(name)
            draft.nullable.add(name)
    if "column_list" in arguments:
        draft.left("", "the order of the columns")
    return {"column_set", "column_list", "exact_match"}


_CARRIED: dict[str, Callable[[str, Arguments, Draft], set[str]]] = {
    "expect_column_to_exist": _exists,
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _together,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_in_type_list": _type,
    "expect_column_values_to_match_strftime_format": _strftime,
    "expect_table_row_count_to_be_between": _rows,
    "expect_table_row_count_to_equal": _rows,
    "expect_table_columns_to_match_set": _columns,
    "expect_table_columns_to_match_ordered_list": _columns,
}
