"""One table against the plan: one aggregate query counts all rules, one fetches rows of the broken ones, and one
those that only the fallback can judge.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlci.contract.elsewhere.backend import rows
from mlci.contract.elsewhere.dialects import Dialect
from mlci.contract.elsewhere.logic import Expr, Truth, as_expression, some
from mlci.contract.elsewhere.printer import Printer
from mlci.contract.elsewhere.regex import Unsaid
from mlci.contract.elsewhere.view import View, view
from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.plan import Check, Plan
from mlci.contract.language.predicates import All, Present, Sound, Type
from mlci.errors import ConfigError, Problem, WorldError

CLIP = 120
_BATCH = 200
_WIDE = 8
_UNIONS = 40
Row = dict[str, Any]


@dataclass(frozen=True)
class Printed:
    """A check as an expression: TRUE where it fails, NULL where the engine cannot say (if it ever does so)."""

    check: Check
    fails: Expr
    unsure: bool


@dataclass
class Finding:
    """How many rows break a check, some of them, and how many were left to the fallback."""

    count: int
    samples: list[Row]
    left: int = 0


def printed_checks(
    table: Expr, plan: Plan, dialect: Dialect, problem: Callable[[Check, str], Problem]
) -> list[Printed]:
    """The checks that a row of this table can break. Raises ConfigError for rules that the engine cannot say."""
    views = {name: view(table[name], dialect) for name in table.columns}
    whole = View(False, {"object": True}, object=views)
    pairs = [(check, views[c.name]) for c in plan.columns if c.name in views for check in c.checks]
    pairs += [(check, whole) for check in plan.rows]
    problems, found = [], list[Printed]()
    for check, seen in pairs:
        try:
            fails = _fails(check, seen, dialect)
        except Unsaid as why:
            problems.append(problem(check, f"{dialect.name} cannot check {why}"))
            continue
        if fails is not False:
            found.append(Printed(check, as_expression(fails), _unsure(fails)))
    if problems:
        raise ConfigError(problems)
    return found


def _fails(check: Check, seen: View, dialect: Dialect) -> Truth:
    holds = check.holds
    if isinstance(holds, Present):
        return False
    if isinstance(holds, Type) and (seen.array or seen.object):
        holds = All((holds, Sound()))
    return Printer(dialect).fails(holds, seen)


def _unsure(fails: Truth) -> bool:
    """Whether an expression may be NULL: whether NULL stands in it as a truth value."""
    if isinstance(fails, bool):
        return False
    import ibis.expr.operations as ops

    return any(found.value is None and found.dtype.is_boolean() for found in fails.op().find(ops.Literal))


def aggregates(table: Expr, printed: Sequence[Printed]) -> list[Expr]:
    """The queries that count: one, or more for a table with very many rules."""
    queries = []
    for start in range(0, max(1, len(printed)), _BATCH):
        found = {"n": table.count()}
        for i, p in enumerate(printed[start : start + _BATCH]):
            found[f"f{i}"] = table.count(where=p.fails)
            if p.unsure:
                found[f"u{i}"] = table.count(where=p.fails.isnull())
        queries.append(table.aggregate(**found))
    return queries


def judge(
    table: Expr, plan: Plan, printed: Sequence[Printed], samples: int, fetch: int, fallback: Callable[[], Fallback]
) -> tuple[int, dict[Check, Finding]]:
    """The number of rows, and a finding for each check that fails somewhere or was left to the fallback."""
    total, findings = 0, dict[Check, Finding]()
    for i, query in enumerate(aggregates(table, printed)):
        (counts,) = rows(query)
        total = counts["n"] or 0
        for j, p in enumerate(printed[i * _BATCH : (i + 1) * _BATCH]):
            count, left = (counts.get(f"{letter}{j}") or 0 for letter in "fu")
            if count or left:
                findings[p.check] = Finding(count, [], left)
    broken = [p for p in printed if p.check in findings and findings[p.check].count]
    for start in range(0, len(broken) if samples else 0, _UNIONS):
        _sample(table, plan, broken[start : start + _UNIONS], samples, findings)
    unsure = [p for p in printed if p.check in findings and findings[p.check].left]
    if unsure:
        _settle(table, plan, unsure, samples, fetch, findings, fallback())
    return total, findings


def _sample(table: Expr, plan: Plan, broken: Sequence[Printed], samples: int, found: dict[Check, Finding]) -> None:
    """Some rows that break each check."""
    import ibis

    wanted = list(dict.fromkeys(name for p in broken for name in _columns(table, plan, p.check)))
    shown = {f"s{i}": _shown(table[name], name in plan.sensitive) for i, name in enumerate(wanted)}
    parts = [
        table.filter(p.fails).limit(samples).select(k=ibis.literal(i, "int32"), **shown) for i, p in enumerate(broken)
    ]
    for row in rows(parts[0] if len(parts) == 1 else ibis.union(*parts)):
        check = broken[row["k"]].check
        found[check].samples.append({name: row[f"s{wanted.index(name)}"] for name in _columns(table, plan, check)})


def _settle(
    table: Expr,
    plan: Plan,
    unsure: Sequence[Printed],
    samples: int,
    fetch: int,
    found: dict[Check, Finding],
    fallback: Fallback,
) -> None:
    """Fetch the rows of which the engine could not say whether they keep these checks, and judge them."""
    for p in unsure:
        if found[p.check].left > fetch:
            left, name = found[p.check].left, p.check.judged or "the row"
            many = f"{left:,} rows of `{name}` could only be judged by jsonschema-rs for `{p.check.rule}`"
            raise WorldError(
                f"{many}; {fetch:,} are fetched at most",
                help="ask for something that the engine can say, such as a `pattern` instead of a `format`, or"
                " validate the rows as files",
            )
    whole = any(p.check.of_row for p in unsure)
    needed = list(table.columns) if whole else [p.check.column for p in unsure]
    wanted = list(dict.fromkeys(name for p in unsure for name in _columns(table, plan, p.check)))
    selected = {f"u{i}": p.fails.isnull() for i, p in enumerate(unsure)}
    selected |= {f"v{i}": _plain(table[name]) for i, name in enumerate(table.columns) if name in needed}
    selected |= {f"s{i}": _shown(table[name], name in plan.sensitive) for i, name in enumerate(wanted)}
    place = {name: i for i, name in enumerate(table.columns)}
    query = table.filter(some(p.fails.isnull() for p in unsure)).select(**selected)
    for row in rows(query):
        for i, p in enumerate(unsure):
            if not row[f"u{i}"]:
                continue
            names = table.columns if p.check.of_row else [p.check.column]
            values = {name: _written(row[f"v{place[name]}"], table[name].type()) for name in names}
            members = ", ".join(f"{json.dumps(name)}: {value}" for name, value in values.items())
            text = f"{{{members}}}" if p.check.of_row else values[p.check.column]
            if fallback.broken(p.check.judged, p.check.rule, [text])[0]:
                finding = found[p.check]
                finding.count += 1
                if len(finding.samples) < samples:
                    shown = _columns(table, plan, p.check)
                    finding.samples.append({name: row[f"s{wanted.index(name)}"] for name in shown})


def _columns(table: Expr, plan: Plan, check: Check) -> list[str]:
    """The columns of a sample: those of a key, the offending one, and the others where the table is small."""
    others = table.columns if len(table.columns) <= _WIDE else ()
    wanted = (*(name for key in plan.keys for name in key), check.column, *others)
    return [name for name in dict.fromkeys(wanted) if name in table.columns]


def _shown(x: Expr, sensitive: bool) -> Expr:
    """A value that a person reads: numbers and booleans as they are, other scalars as text, cut."""
    import ibis

    kind = x.type()
    if sensitive or kind.is_binary():
        return x.isnull().ifelse(ibis.null("string"), "***" if sensitive else "(binary)")
    if kind.is_integer() or kind.is_floating() or kind.is_boolean() or kind.is_nested():
        return x
    return x.cast("string").substr(0, CLIP + 1)


def _plain(x: Expr) -> Expr:
    """A value whose Python counterpart keeps it whole."""
    kind = x.type()
    return x.cast("string") if kind.is_json() or kind.is_decimal() or kind.is_temporal() else x


def _written(value: Any, kind: Any) -> str:
    """A value as JSON text; what JSON has no word for is `NaN`, which the fallback refuses."""
    if value is None:
        return "null"
    if kind.is_json() or kind.is_decimal():
        return str(value).replace("Infinity", "NaN").replace("-NaN", "NaN") if kind.is_decimal() else str(value)
    if kind.is_timestamp():
        return json.dumps(str(value).replace(" ", "T"))
    return _json(value)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(str(n))}: {_json(v)}' for n, v in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else "NaN"
    if isinstance(value, (bytes, bytearray)):
        return "NaN"
    return json.dumps(value if isinstance(value, (str, bool, int, float)) or value is None else str(value))
