"""Verdicts on plain values: each instance is a row, and the engine judges them as it judges a table.

What it cannot say exactly goes to jsonschema-rs, row by row, and `decide` tells which did.
"""

# ruff: noqa: S608  (every name and value is quoted by mlci.contract.query.quote)

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.contract.judging.fallback import Fallback
from mlci.contract.language.compile import Compiler, Place
from mlci.contract.language.nodes import Complaints, made
from mlci.contract.language.predicates import Predicate
from mlci.contract.query.engine import engine as opened
from mlci.contract.query.nested import Printer
from mlci.contract.query.view import value
from mlci.errors import ConfigError, Problem, UsageError

_SCHEMA = Path("schema")


@dataclass(frozen=True)
class Decision:
    """Whether an instance is valid, and who said so: the engine or the fallback."""

    valid: bool
    by: str


def verdicts(
    schema: dict[str, Any] | bool, instances: Sequence[Any], engine: Any = "duckdb", *, formats: bool = True
) -> list[bool]:
    """Whether each instance is valid under a draft 2020-12 schema. `formats` asserts `format`.

    `engine` is `duckdb`, or another one as an Ibis backend or its URL (`postgres://…`, `pyspark://`; `mlci[ibis]`).

    Raises ConfigError for a schema that is wrong, or that refers outside of itself; UsageError for an unknown engine.
    """
    return [decision.valid for decision in decide(schema, instances, engine, formats=formats)]


def decide(
    schema: dict[str, Any] | bool, instances: Sequence[Any], engine: Any = "duckdb", *, formats: bool = True
) -> list[Decision]:
    """The same, with who decided."""
    if isinstance(engine, str) and engine != "duckdb" and "://" not in engine:
        raise UsageError(
            f"there is no engine {engine}", help="engines: duckdb, or a URL such as postgres://… and pyspark://"
        )
    predicate = compiled(schema, formats=formats)
    texts = [_text(instance) for instance in instances]
    found, name = _found(predicate, instances, texts, engine)
    by_engine = iter(found)
    answers = [None if text is None else next(by_engine) for text in texts]
    if all(answer is not None for answer in answers):
        return [Decision(bool(answer), name) for answer in answers]
    try:
        fallback = Fallback(schema, formats=formats)
    except ValueError as why:
        raise ConfigError([Problem(_SCHEMA, 1, 1, f"the schema is wrong: {why}", path="$")]) from None
    return [
        Decision(fallback.valid(instance), "fallback") if answer is None else Decision(answer, name)
        for instance, answer in zip(instances, answers, strict=True)
    ]


def _found(
    predicate: Predicate, instances: Sequence[Any], texts: Sequence[str | None], engine: Any
) -> tuple[list[bool | None], str]:
    """What an engine says of the instances that have a text, and its name."""
    if engine == "duckdb":
        return _judge(predicate, [text for text in texts if text is not None]), "duckdb"
    from mlci.contract.elsewhere.verdicts import judged

    held = [value for value, text in zip(instances, texts, strict=True) if text is not None]
    return judged(predicate, held, engine)


def compiled(schema: dict[str, Any] | bool, *, formats: bool = True) -> Predicate:
    """What an instance must hold. Raises ConfigError."""
    complaints = Complaints(_SCHEMA, lenient=True)
    try:
        compiler = Compiler(made(schema), complaints, formats)
        found = compiler.schema(compiler.root, Place(here=frozenset({id(compiler.root)})))
    except ValueError as why:
        raise ConfigError([Problem(_SCHEMA, 1, 1, str(why), path="$")]) from None
    except RecursionError:
        raise ConfigError([Problem(_SCHEMA, 1, 1, "the schema is nested too deep", path="$")]) from None
    complaints.settle()
    return found


def _text(instance: Any) -> str | None:
    """An instance as JSON; None for what the engine cannot read: NaN, half a surrogate pair, NUL."""
    try:
        text = json.dumps(instance, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return None if "\\u0000" in text else text


def _judge(predicate: Predicate, texts: Sequence[str]) -> list[bool | None]:
    """Whether each is valid; None where the engine cannot say."""
    if not texts:
        return []
    printed = Printer().whole(predicate, value("j", "k", "t"))
    rows = "SELECT unnest(?::VARCHAR[]) AS s, generate_subscripts(?::VARCHAR[], 1) AS i"
    source = f"SELECT i, s::JSON AS j, json_type(s::JSON) AS k, s::JSON->>'$' AS t FROM ({rows})"
    with opened() as db:
        found = db.rows(f"SELECT NOT ({printed}) FROM ({source}) ORDER BY i", [list(texts), list(texts)])
    return [row[0] for row in found]
