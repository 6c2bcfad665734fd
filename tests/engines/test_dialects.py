"""Engines that are not run here: the query that counts is written, and read back by SQLGlot's parser of the dialect."""

from __future__ import annotations

import ibis
import pytest
import sqlglot

from mlci.contract.elsewhere.dialects import dialect
from mlci.contract.elsewhere.judge import aggregates, printed_checks
from mlci.contract.elsewhere.validate import columns_apart
from mlci.contract.language.plan import plan
from mlci.errors import ConfigError, Problem, UsageError

COLUMNS = {
    **{"i": "int64", "x": "float64", "d": "decimal(12, 2)", "s": "string", "mail": "string", "day": "date"},
    **{"at": "timestamp", "yes": "boolean", "tags": "array<string>", "e": "string", "instant": "string"},
}
RULES = r"""
required: [i]
properties:
  i: {type: integer, minimum: 1, exclusiveMaximum: 10.5, multipleOf: 3}
  x: {type: [number, "null"], maximum: 0.1, exclusiveMinimum: -1, multipleOf: 0.01}
  d: {type: number, minimum: 0.015, enum: [1, 2.5], multipleOf: 0.05}
  s: {type: string, pattern: '^[A-Z]{2}-\d+$', minLength: 3, maxLength: 9}
  mail: {type: string, format: email}
  day: {type: string, format: date}
  at: {type: string, format: date-time}
  yes: {const: true}
  tags: {type: array, minItems: 1, maxItems: 3}
  e: {enum: [a, "it's", null, 1, true], format: uuid}
  instant: {format: date-time}
if: {properties: {i: {const: 1}}}
then: {required: [x], properties: {x: {type: number}}}
oneOf: [{properties: {i: {minimum: 5}}}, {properties: {s: {maxLength: 2}}}]
not: {properties: {i: {const: 7}}}
"""


@pytest.mark.parametrize("name", ["bigquery", "snowflake", "databricks", "trino", "postgres"])
def test_all_plain_keywords_are_sql_that_the_dialect_reads(name, contract):
    table = ibis.table(COLUMNS, name="data")
    rules = contract(RULES)
    printed = printed_checks(table, plan(rules), dialect(name), lambda check, why: Problem(rules.file, 1, 1, why))
    (query,) = aggregates(table, printed)
    sql = str(ibis.to_sql(query, dialect=name))
    assert len(sqlglot.parse_one(sql, read=name).selects) == len(query.columns) > 30
    assert {p.check.rule for p in printed} >= {
        "minimum",
        "multipleOf",
        "enum",
        "pattern",
        "format",
        "if",
        "oneOf",
        "not",
    }


@pytest.mark.parametrize(
    ("name", "pattern", "why"),
    [
        ("postgres", "^a{1,300}$", "a repetition of more than 255"),
        ("snowflake", r"\bword", r"`\b` and `\B`"),
        ("snowflake", r"[^\x00-\x08]", "control characters"),
    ],
)
def test_a_pattern_that_a_dialect_has_no_word_for_is_a_mistake_at_its_line(name, pattern, why, contract):
    rules = contract(f"properties:\n  s:\n    type: string\n    pattern: '{pattern}'\n")
    table = ibis.table({"s": "string"}, name="data")
    with pytest.raises(ConfigError) as refused:
        printed_checks(
            table, plan(rules), dialect(name), lambda check, said: Problem(rules.file, check.line or 1, 1, said)
        )
    (problem,) = refused.value.problems
    assert why in problem.message and problem.line == 4


def test_columns_that_differ_in_case_are_two_to_postgres_and_one_to_bigquery():
    table = ibis.table({"a": "int64", "A": "int64"}, name="data")
    columns_apart(table, dialect("postgres"))
    with pytest.raises(UsageError, match="`a` and `A` are one column to bigquery"):
        columns_apart(table, dialect("bigquery"))
