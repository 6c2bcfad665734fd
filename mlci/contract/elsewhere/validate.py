"""A table of another engine and a contract in, a report out: the same report as over files."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlci.contract.elsewhere import regex
from mlci.contract.elsewhere.backend import rows
from mlci.contract.elsewhere.dialects import Dialect, dialect
from mlci.contract.elsewhere.judge import CLIP, Finding, judge, printed_checks
from mlci.contract.elsewhere.leaves import literal
from mlci.contract.elsewhere.logic import Expr, every, negated
from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.plan import Check, Plan, plan
from mlci.contract.language.predicates import Present
from mlci.contract.language.rules import rules
from mlci.contract.language.schema import Contract
from mlci.contract.report import Left, Report, Violation
from mlci.contract.table import termed
from mlci.errors import ConfigError, Problem, UsageError, WorldError

_RULES = ("unique", "rows")
_PROBES: tuple[tuple[str, str, bool], ...] = (
    (r"\A[a-z]{2}\z", "ab", True),
    (r"\A[a-z]{2}\z", "ab\n", False),
    (r"a[^\x{62}]c", "a\nc", True),
)
_PROBES += ((r"\A(?:[\x{e0}-\x{ff}]|b\x{5c}b)\z", "é", True), (r"\Ab\x{5c}b\z", "b\\b", True), (r"\d", "٣", False))
_TEXT = "a\\b'\"\n\t${x}%sé\N{GRINNING FACE}"


def validate_table(table: Expr, contract: Contract, *, samples: int = 5, fetch: int = 100_000) -> Report:
    """Check a table of an Ibis backend (PySpark, Postgres …) against a contract, where it is.

    The counts are those of `validate` over the same rows. Rows that the engine cannot judge exactly are fetched for
    jsonschema-rs, at most `fetch` for each rule. At most `samples` rows are shown for each rule.

    Raises ConfigError for rules that are not checked there, each at its line and before anything runs; UsageError for
    an engine that nothing here knows; WorldError for what the engine has against the query, or too many rows to fetch.
    """
    backend = table.get_backend()
    engine = dialect(backend.name)
    whole = plan(contract)
    _refuse(contract)
    columns_apart(table, engine)
    printed = printed_checks(table, whole, engine, lambda check, why: Problem(contract.file, check.line or 1, 1, why))
    _probe(backend, engine)
    total, found = judge(table, whole, printed, samples, fetch, lambda: _fallback(contract))
    violations = [*_columns(table, whole, total), *_rules(whole, found)]
    violations += _keys(table, whole, samples)
    violations = termed([*violations, *_rows(total, contract)], contract.table)
    violations = [replace(v, tolerated=0 < v.count <= v.tolerance * total) for v in violations]
    left = tuple(Left(check.column, check.rule, f.left) for check, f in found.items() if f.left)
    columns = tuple((name, str(kind)) for name, kind in table.schema().items())
    return Report(total, 0, columns, tuple(violations), contract.file, left, rules(contract, whole))


def _fallback(contract: Contract) -> Fallback:
    try:
        return Fallback(contract.schema, formats=True)
    except ValueError as why:
        raise ConfigError([Problem(contract.file, 1, 1, f"jsonschema-rs refuses the contract: {why}")]) from None


def _refuse(contract: Contract) -> None:
    """What only files are checked for is a mistake at its line, before anything runs."""
    help = "take it out, or validate the files"
    found = [(rule.line, f"`{rule.kind}` of `x-table`") for rule in contract.table.rules if rule.kind not in _RULES]
    found += [(p.line or 1, f"`x-nan: {p.nan}`") for p in contract.properties if p.nan != "error"]
    if found:
        told = [Problem(contract.file, line, 1, f"{what} is only checked over files", help) for line, what in found]
        raise ConfigError(sorted(told, key=lambda problem: problem.line))


def columns_apart(table: Expr, engine: Dialect) -> None:
    """Raises UsageError for columns that the engine cannot tell apart, or whose name it reads as something else."""
    folded = Counter(name.casefold() for name in table.columns) if engine.folds_case else Counter[str]()
    for name in table.columns:
        if folded[name.casefold()] > 1:
            alike = " and ".join(f"`{other}`" for other in table.columns if other.casefold() == name.casefold())
            raise UsageError(f"{alike} are one column to {engine.name}", help="give one of them another name")
        if "${" in name and engine.name == "pyspark":
            raise UsageError(f"Spark puts a variable in for the column's name {name}", help="give it another name")


@functools.cache
def _probe(backend: Any, engine: Dialect) -> None:
    """Ask the engine a few things that are known: settings can change how it reads a text or a pattern."""
    known = [literal(_TEXT).length() == len(_TEXT), literal("${x}") == literal("$") + literal("{x}")]
    for pattern, text, expected in _PROBES:
        try:
            matched = literal(text).re_search(regex.printed(pattern, engine.regexes))
        except regex.Unsaid:
            continue
        if engine.regexes != "snowflake" or "\n" not in text:
            known.append(matched if expected else negated(matched))
    (answer,) = rows(every(known).name("known").as_table(), backend)
    if not answer["known"]:
        raise WorldError(
            f"{engine.name} does not read texts and patterns as it should, so nothing can be judged",
            help="check its settings, such as spark.sql.parser.escapedStringLiterals or the encoding of the database",
        )


def _columns(table: Expr, whole: Plan, total: int) -> Iterator[Violation]:
    """Columns that a closed contract does not name, and those that are not there."""
    if whole.named is not None:
        for name in table.columns:
            if name not in whole.named:
                yield Violation(name, "additionalProperties", "no such column", total, ())
    for column in whole.columns:
        for check in column.checks:
            if isinstance(check.holds, Present) and column.name not in table.columns:
                yield _violation(check, total, ())


def _rules(whole: Plan, found: dict[Check, Finding]) -> Iterator[Violation]:
    """The rules that are broken, in the order of the contract."""
    for check in (*(check for column in whole.columns for check in column.checks), *whole.rows):
        if check in found and found[check].count:
            yield _violation(check, found[check].count, tuple(found[check].samples))


def _violation(check: Check, count: int, samples: tuple[dict[str, Any], ...]) -> Violation:
    broken = Violation(check.column, check.rule, check.expected, count, samples, check.line)
    return replace(broken, severity=check.severity, tolerance=check.tolerance)


def _keys(table: Expr, whole: Plan, samples: int) -> Iterator[Violation]:
    """Rows that repeat a key; those with a null in it are left out, as in SQL."""
    for key in whole.keys:
        if not set(key) <= set(table.columns):
            continue
        there = table.filter(every(table[name].notnull() for name in key))
        counted = there.group_by([table[name].name(f"k{i}") for i, name in enumerate(key)]).aggregate(n=there.count())
        (sums,) = rows(counted.aggregate(rows=counted.n.sum(), keys=counted.count()))
        count = int(sums["rows"] or 0) - int(sums["keys"] or 0)
        if count:
            shown = _repeated(counted, key, whole, samples) if samples else ()
            yield Violation(", ".join(key), "unique", "no two rows alike", count, tuple(shown))


def _repeated(counted: Expr, key: tuple[str, ...], whole: Plan, samples: int) -> list[dict[str, Any]]:
    import ibis

    names = [f"k{i}" for i in range(len(key))]
    first = counted.filter(counted.n > 1).order_by(names).limit(samples)
    texts = {
        k: ibis.literal("***") if name in whole.sensitive else first[k].cast("string").substr(0, CLIP + 1)
        for k, name in zip(names, key, strict=True)
    }
    found = rows(first.select(n=first.n, **texts))
    return [{**{name: row[k] for k, name in zip(names, key, strict=True)}, "(rows)": row["n"]} for row in found]


def _rows(total: int, contract: Contract) -> Iterator[Violation]:
    low, high = contract.table.min_rows, contract.table.max_rows
    if low is not None and total < low:
        yield Violation("", "rows", f"at least {low:,} rows", 1, (), found=f"{total:,}")
    if high is not None and total > high:
        yield Violation("", "rows", f"at most {high:,} rows", 1, (), found=f"{total:,}")
