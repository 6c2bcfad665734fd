"""What a person meets: the command, refusals before anything runs, passwords that stay secret, texts as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from mlci.contract import decide, verdicts
from mlci.contract.elsewhere import connect, table_of, validate_table
from mlci.contract.elsewhere.backend import masked, rows
from mlci.contract.elsewhere.leaves import literal
from mlci.errors import ConfigError, UsageError, WorldError


def mlci(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlci", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def made(postgres: Any, name: str, sql: str) -> Any:
    postgres.raw_sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} AS {sql}").close()
    return table_of(postgres, [name])


def test_the_command_judges_a_table_where_it_is(postgres, postgres_url, tmp_path):
    made(postgres, "orders", "SELECT 1 AS id, 'new' AS kind UNION ALL SELECT 2, 'odd'")
    (tmp_path / "orders.yaml").write_text("properties:\n  kind: {type: string, enum: [new, done]}\n")
    done = mlci(tmp_path, "validate", "orders", "--contract", "orders.yaml", "--engine", postgres_url, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["rows"] == 2
    (violation,) = found["violations"]
    assert (violation["rule"], violation["count"], violation["line"]) == ("enum", 1, 2)
    assert violation["samples"] == [{"kind": "odd", "id": 2}]


def test_no_password_is_ever_said(tmp_path, postgres_url):
    (tmp_path / "c.yaml").write_text("properties: {a: {}}")
    socket = postgres_url.partition("?")[2]
    for url in (
        f"postgres://mlci:hunter22@/nowhere?{socket}",
        "postgres://mlci:hunter22@localhost:1/x",
        "mongo://u:hunter22@h",
    ):
        done = mlci(tmp_path, "validate", "t", "--contract", "c.yaml", "--engine", url)
        assert done.returncode in (2, 3) and done.stderr.startswith("error: ")
        assert "hunter22" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert masked("postgres://u@h/db?password=x&a=b") == "postgres://u@h/db?password=***&a=b"
    assert masked("postgres://u:a/b@c@h/db") == "postgres://u:***@h/db"


def test_a_sensitive_column_is_not_fetched(postgres, contract):
    table = made(postgres, "people", "SELECT 'secret' AS name, 1 AS id")
    rules = contract("properties: {name: {type: string, maxLength: 3, x-sensitive: true}}\nx-table: {unique: [name]}")
    (violation,) = validate_table(table, rules).violations
    assert violation.samples == ({"name": "***", "id": 1},)


def test_rules_of_the_table_that_only_files_are_checked_for_are_mistakes_at_their_line(postgres, contract):
    table = made(postgres, "one", "SELECT 1 AS id")
    rules = contract("properties: {id: {}}\nx-table:\n  rows: {min: 1}\n  freshness: {id: {maxAge: 2d}}\n")
    with pytest.raises(ConfigError) as refused:
        validate_table(table, rules)
    (problem,) = refused.value.problems
    assert (problem.line, problem.message) == (4, "`freshness` of `x-table` is only checked over files")


def test_a_rule_on_the_text_of_a_timestamp_is_a_mistake_at_its_line(postgres, contract):
    table = made(postgres, "times", "SELECT now() AS at")
    with pytest.raises(ConfigError) as refused:
        validate_table(table, contract("properties:\n  at:\n    type: string\n    pattern: '^2013'\n"))
    (problem,) = refused.value.problems
    assert problem.line == 4 and "the text of a timestamp" in problem.message


def test_more_rows_than_are_fetched_for_the_fallback_are_an_error_and_not_a_pass(postgres, contract):
    table = made(postgres, "mails", "SELECT 'a b' || i || '@c' AS mail FROM generate_series(1, 20) AS i")
    rules = contract("properties: {mail: {type: string, format: email}}")
    with pytest.raises(
        WorldError, match="20 rows of `mail` could only be judged by jsonschema-rs for `format`; 10 are"
    ):
        validate_table(table, rules, fetch=10)
    report = validate_table(table, rules)
    assert [(v.rule, v.count) for v in report.violations] == [("format", 20)]


def test_json_columns_are_judged_by_the_fallback(postgres, contract):
    table = made(postgres, "docs", """SELECT '{"a": 1}'::jsonb AS doc UNION ALL SELECT '[]' UNION ALL SELECT NULL""")
    rules = contract("properties: {doc: {type: object, properties: {a: {maximum: 0}}}}")
    report = validate_table(table, rules)
    found = {v.rule: v.count for v in report.violations}
    assert found == {"null": 1, "type": 1, "properties": 1}
    assert {left.rule for left in report.fallback} == {"null", "type", "properties"}


def test_numerics_without_a_precision_have_nan_and_infinities_which_are_no_numbers(postgres, contract):
    values = "'1'::numeric", "'NaN'", "'Infinity'", "'0.07'", "'123456789012345678901234567890.01'"
    table = made(postgres, "exact", " UNION ALL ".join(f"SELECT {v} AS n" for v in values))
    report = validate_table(table, contract("properties: {n: {type: number, maximum: 2, multipleOf: 0.02}}"))
    assert {v.rule: v.count for v in report.violations} == {"type": 2, "maximum": 1, "multipleOf": 2}


def test_columns_that_spark_cannot_tell_apart_are_refused(pyspark, tmp_path):
    pa.parquet.write_table(pa.table({"a": [1], "A": [2]}), tmp_path / "ab.parquet")
    with pytest.raises(WorldError, match="The column `a` already exists"):
        table_of(pyspark, [str(tmp_path / "ab.parquet")])


@pytest.mark.parametrize(
    ("url", "words"), [("orders", "is no engine"), ("duckdb://x.db", "is no engine"), ("mysql://h/d", "is no engine")]
)
def test_an_engine_that_nothing_here_knows_is_refused(url, words):
    with pytest.raises(UsageError, match=words):
        connect(url)
    with pytest.raises(UsageError):
        verdicts({}, [1], url)


def test_a_table_that_is_not_there_is_said_so(postgres, pyspark):
    for backend in (postgres, pyspark):
        with pytest.raises(WorldError, match="nowhere cannot be opened"):
            table_of(backend, ["nowhere"])
    with pytest.raises(UsageError, match="one table is judged at a time"):
        table_of(postgres, ["a", "b"])


TEXTS = [*map(chr, [*range(1, 0x100), 0x2028, 0xFEFF, 0x1F600]), "${x}", "$${env:HOME}", "a$", "{", r"\n", r"\\", r"\'"]
TEXTS += ["''", '"', "%s", "`", "--", r"\u0041", r"\x41", r"\101", r"\%", "a\\", ""]


@pytest.mark.parametrize("engine", ["postgres", "pyspark"])
def test_a_text_reaches_the_engine_as_it_is(engine, request):
    import ibis

    backend = request.getfixturevalue(engine)
    one = ibis.literal(1).name("one").as_table()
    (row,) = rows(one.select(**{f"t{i}": literal(text) for i, text in enumerate(TEXTS)}), backend)
    assert [row[f"t{i}"] for i in range(len(TEXTS))] == TEXTS
    assert all(d.valid and d.by == engine for d in decide({"enum": TEXTS[::7]}, TEXTS[::7], backend))
