"""All that a contract asks for, as short texts: two contracts that ask the same of a column have the same text for it.

A receipt keeps them, so that a later failure can say whether the rule was in force when the data last passed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from mlci.contract.plan import Check, Plan
from mlci.contract.schema import Contract


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
    table = contract.schema.get("x-table") if isinstance(contract.schema, dict) else None
    for key in whole.keys:
        yield ", ".join(key), "unique", "no two rows alike"
    for rule, value in (table or {}).items():
        if rule not in ("unique", "description"):
            yield "", rule, json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _asks(check: Check, value: Any, elsewhere: Callable[[], str]) -> str:
    """What is expected, in words; with a digest where the words are cut, and with the whole contract's where a
    reference stands for a part of it.
    """
    said = check.expected
    if check.rule == "$ref" or (isinstance(value, (dict, list)) and '"$ref"' in json.dumps(value, default=str)):
        said += f" ({elsewhere()})"
    elif said.endswith("…"):
        said += f" ({_digest(value)})"
    extra = ["a warning"] if check.severity == "warn" else []
    extra += [f"{check.tolerance:g} of the rows tolerated"] if check.tolerance else []
    return ", ".join([said, *extra])


def _digest(value: Any) -> str:
    raw = json.dumps(value, sort_keys=True, default=str).encode()
    return "sha256:" + hashlib.sha256(raw).hexdigest()[:12]
