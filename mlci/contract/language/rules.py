"""All that a contract asks for, as short texts: two contracts that ask the same of a column have the same text for it.

A receipt keeps them, so that a later failure can say whether the rule was in force when the data last passed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from mlci.contract.change.plain import rules as written_rules
from mlci.contract.language.plan import Check, Plan
from mlci.contract.language.schema import Contract, Severity, TableRule
from mlci.contract.table.judge import called
from mlci.contract.table.kinds import KINDS

_LONG = 200


def rules(contract: Contract, whole: Plan) -> tuple[tuple[str, str, str], ...]:
    """Each rule of a contract, with its plan, as (column, rule, what it asks); no column: of rows or of the table."""
    return tuple(_rules(contract, whole))


def _rules(contract: Contract, whole: Plan) -> Iterator[tuple[str, str, str]]:
    written = {(p.name, rule.keyword): rule.value for p in contract.properties for rule in p.rules}
    written |= {("", rule.keyword): rule.value for rule in contract.rows}
    elsewhere = cache(lambda: _digest(contract.schema))
    for check in (*(check for column in whole.columns for check in column.checks), *whole.rows):
        yield check.column, check.rule, _asks(check, written.get((check.column, check.rule)), elsewhere)
    if contract.closed:
        yield "", "additionalProperties", "no other columns"
    table = contract.schema.get("x-table", {}) if isinstance(contract.schema, dict) else {}
    if "rows" in table:
        yield "", "rows", json.dumps(table["rows"], sort_keys=True, ensure_ascii=False, default=str)
    as_written = written_rules(table)
    for rule in contract.table.rules:
        if rule.kind == "unique":
            yield *called(rule), _strictly("no two rows alike", rule.severity, rule.tolerance)
        elif rule.kind in KINDS:
            said = as_written.get((rule.kind, rule.name))
            yield *called(rule), _asks_of_table(rule, said.rest if said else {}, elsewhere)


def _asks_of_table(rule: TableRule, written: Mapping[str, Any], elsewhere: Callable[[], str]) -> str:
    """What a rule of the table expects, and of what (the rows that it counts, its expression)."""
    said = KINDS[rule.kind].expected(rule)
    if rule.kind == "sql":
        said += f" of {rule.detail}"
    elif rule.kind == "counts":
        where = json.dumps(written.get("where"), sort_keys=True, ensure_ascii=False)
        said += f" where {where if len(where) <= _LONG else _digest(where)}"
        said += f" ({elsewhere()})" if '"$ref"' in where else ""
    return _strictly(said, rule.severity, rule.tolerance)


def _asks(check: Check, value: Any, elsewhere: Callable[[], str]) -> str:
    """What is expected, in words; with a digest where the words are cut, and with the whole contract's where a
    reference stands for a part of it.
    """
    said = check.expected
    if check.rule == "$ref" or (isinstance(value, (dict, list)) and '"$ref"' in json.dumps(value, default=str)):
        said += f" ({elsewhere()})"
    elif said.endswith("…"):
        said += f" ({_digest(value)})"
    return _strictly(said, check.severity, check.tolerance)


def _strictly(said: str, severity: Severity, tolerance: float) -> str:
    extra = ["a warning"] if severity == "warn" else []
    extra += [f"{tolerance:g} of the rows tolerated"] if tolerance else []
    return ", ".join([said, *extra])


def _digest(value: Any) -> str:
    raw = json.dumps(value, sort_keys=True, default=str).encode()
    return "sha256:" + hashlib.sha256(raw).hexdigest()[:12]
