"""The rules of a table, each kept and broken, over Parquet, CSV and JSON lines; states merge over any split."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from mlci.contract import load, validate
from mlci.contract.language.plan import plan
from mlci.contract.learn.profile import profile
from mlci.contract.query.engine import engine
from mlci.contract.query.tables import open_tables
from mlci.contract.table import Scan, measure
from mlci.contract.table.bins import KIND
from mlci.contract.table.drift import jensen_shannon, ks, psi
from mlci.contract.table.kinds import KINDS
from mlci.errors import ConfigError

ROWS = [
    {"seq": 1, "kind": "a", "price": 10, "delay": 0.5, "day": "2020-01-01", "ok": True},
    {"seq": 2, "kind": "b", "price": 20, "delay": 1.5, "day": "2020-01-02", "ok": True},
    {"seq": 3, "kind": "a", "price": None, "delay": 2.5, "day": "2020-01-03T10:00:00Z", "ok": False},
    {"seq": 3, "kind": "c", "price": 40, "delay": 100.25, "day": "2020-01-04", "ok": False},
]
COLUMNS = """
properties:
  seq: {type: integer}
  kind: {type: string}
  price: {type: [integer, "null"]}
  delay: {type: number}
  day: {type: string}
  ok: {type: boolean}
"""


def write(tmp_path: Path, form: str, rows: list[dict[str, Any]], name: str = "data") -> Path:
    file = tmp_path / f"{name}.{form}"
    lines = tmp_path / f"{name}.tmp.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if form == "jsonl":
        return lines.rename(file)
    types = "{seq: 'INTEGER', kind: 'VARCHAR', price: 'BIGINT', delay: 'DOUBLE', day: 'VARCHAR', ok: 'BOOLEAN'}"
    options = "FORMAT parquet" if form == "parquet" else "FORMAT csv, HEADER"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM read_json('{lines}', columns = {types})) TO '{file}' ({options})")
    lines.unlink()
    return file


@pytest.fixture(params=["parquet", "csv", "jsonl"])
def judged(request, tmp_path: Path, contract) -> Callable[..., list[tuple[str, str, int, str]]]:
    """The violations of a rule over files of one of the forms; rows are split after each number of `at`."""

    def run(rules: str, rows: list[dict[str, Any]] = ROWS, at: tuple[int, ...] = ()) -> list[tuple[str, str, int, str]]:
        ends = [0, *at, len(rows)]
        files = [write(tmp_path, request.param, rows[i:j], f"f{n}") for n, (i, j) in enumerate(pairwise(ends))]
        report = validate(files, contract(COLUMNS + f"x-table:\n  {rules}\n"))
        return [(v.column, v.rule, v.count, v.found) for v in report.violations]

    return run


DEAR = "name: dear, where: {properties: {price: {minimum: 20, type: integer}}, required: [price]}"
REFERENCE = "code,name\na,A\nb,B\nd,D\n"


@pytest.mark.parametrize("at", [(), (2,)], ids=["one file", "two files"])
@pytest.mark.parametrize(
    ("kept", "broken", "found"),
    [
        ("rows: {min: 4, max: 4}", "rows: {max: 3}", ("", "rows", 1, "4")),
        ("nulls: {price: {max: 25%}}", "nulls: {price: {max: 0.2}}", ("price", "nulls", 1, "1 of 4 rows (25%)")),
        ("nulls: {price: {min: 25%}}", "nulls: {price: {min: 26%}}", ("price", "nulls", 1, "1 of 4 rows (25%)")),
        ("distinct: {kind: {min: 3, max: 3}}", "distinct: {kind: {max: 2}}", ("kind", "distinct", 1, "3")),
        ("distinct: {price: {max: 3}}", "distinct: {price: {min: 4}}", ("price", "distinct", 1, "3")),
        ("freshness: {day: {minAge: 0}}", "freshness: {day: {maxAge: 2d}}", None),
        ("monotonic: {seq: increasing}", "monotonic: {seq: strictlyIncreasing}", ("seq", "monotonic", 1, "")),
        ("monotonic: {day: strictlyIncreasing}", "monotonic: {delay: decreasing}", ("delay", "monotonic", 3, "")),
        (
            f"counts: [{{{DEAR}, max: 2}}]",
            f"counts: [{{{DEAR}, max: 49%}}]",
            ("", "counts dear", 1, "2 of 4 rows (50%)"),
        ),
        ("mean: {delay: {min: 26.1875, max: 26.1875}}", "mean: {delay: {max: 26}}", ("delay", "mean", 1, "26.1875")),
        ("mean: {price: {min: 23.3, max: 23.4}}", "mean: {price: {min: 24}}", ("price", "mean", 1, "23.3333")),
        (
            "quantiles: {delay: {0.5: {min: 1.5, max: 1.5}, 1: {max: 100.25}}}",
            "quantiles: {delay: {0.5: {max: 1.5}, 0.75: {max: 2}}}",
            ("delay", "quantiles 0.75", 1, "2.5"),
        ),
        (
            "foreignKeys: [{columns: [kind], references: kinds.csv, to: [code], tolerance: 25%}]",
            "foreignKeys: [{columns: [kind], references: kinds.csv, to: [code]}]",
            ("kind", "foreignKeys", 1, ""),
        ),
        (
            "sql: {gaps: {select: 'count(*) FILTER (WHERE price < seq)', max: 0}}",
            "sql: {total: {select: 'sum(price) / count(DISTINCT kind)', max: 23}}",
            ("", "sql total", 1, "23.3333"),
        ),
        (
            "sql: {ok: {select: avg(ok::INT), min: 0.5}}",
            "sql: {none: {select: sum(NULL), min: 0}}",
            ("", "sql none", 1, "no number"),
        ),
    ],
)
def test_each_rule_is_kept_and_broken(judged, tmp_path, kept, broken, found, at):
    (tmp_path / "kinds.csv").write_text(REFERENCE)
    assert [v for v in judged(kept, at=at) if "foreignKeys" not in v] == []
    ((column, rule, count, what),) = judged(broken, at=at)
    assert (column, rule, count, what) == found or (found is None and rule == "freshness")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_column_that_no_file_has_is_not_there_for_any_rule(tmp_path, contract, form):
    file = write(tmp_path, form, ROWS)
    (tmp_path / "kinds.csv").write_text(REFERENCE)
    report = validate(
        [file],
        contract(
            "x-table:\n  nulls: {gone: {max: 1}}\n  distinct: {gone: {max: 9}}\n  monotonic: {gone: increasing}\n"
            "  mean: {gone: {max: 9, severity: warn}}\n  quantiles: {gone: {0.5: {max: 9}}}\n"
            "  freshness: {gone: {minAge: 0}}\n  foreignKeys: [{columns: [gone], references: kinds.csv, to: [code]}]\n"
            "  sql: {s: {select: max(gone), max: 1}}\n"
        ),
    )
    assert [(v.column, v.count, v.expected) for v in report.violations[:-1]] == [
        ("gone", 4, "a column of this name")
    ] * 7
    assert [v.severity for v in report.violations if v.rule == "mean"] == ["warn"]
    assert report.violations[-1].found.startswith("no column gone")


def test_in_json_lines_a_key_that_no_row_has_is_not_there_but_one_file_may_lack_it(tmp_path, contract):
    rules = contract("x-table: {nulls: {a: {max: 60%}}, monotonic: {a: increasing}}")
    with_, without = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    with_.write_text('{"a": 1}\n{"a": 2}\n')
    without.write_text('{"b": 1}\n{"b": 2}\n')
    assert validate([with_, without], rules).passed
    assert [(v.rule, v.count) for v in validate([without], rules).violations] == [("nulls", 2), ("monotonic", 2)]


def test_the_order_of_files_is_that_in_which_they_are_given(tmp_path, contract):
    rules = contract("properties: {seq: {type: integer}}\nx-table: {monotonic: {seq: increasing}}")
    one, two = write(tmp_path, "parquet", ROWS[:2], "one"), write(tmp_path, "csv", ROWS[2:], "two")
    assert validate([one, two], rules).passed
    (broken,) = validate([two, one], rules).violations
    assert (broken.count, broken.samples) == (1, ())


def test_a_break_of_the_order_is_shown_with_its_row(tmp_path, contract):
    file = write(tmp_path, "parquet", [*ROWS, {**ROWS[0], "seq": 2}])
    (broken,) = validate([file], contract("x-table: {monotonic: {seq: increasing}}")).violations
    assert broken.samples == ({"(file)": "data.parquet", "(row)": 5, "seq": "2", "(problem)": "after 3"},)


def test_a_wide_file_of_many_row_groups_is_read_in_order(parquet, contract):
    query = "SELECT i, 'some text of a row' AS t FROM range(300000) r(i)"
    rules = contract("x-table: {monotonic: {i: strictlyIncreasing}}")
    assert validate([parquet(query, f"{n}.parquet") for n in (1,)], rules).passed


def test_a_foreign_key_of_two_columns_is_found_in_any_form_and_shows_what_is_missing(tmp_path, contract, parquet):
    data = parquet("SELECT * FROM (VALUES (1, 'a'), (2, 'a'), (2, 'b'), (2, 'b'), (NULL, 'z')) t(n, k)")
    (tmp_path / "ref.jsonl").write_text('{"n": 1.0, "c": "a"}\n{"n": 2, "c": "a"}\n')
    rules = contract("x-table:\n  foreignKeys: [{columns: [n, k], references: ref.jsonl, to: [n, c]}]")
    (broken,) = validate([data], rules).violations
    assert (broken.column, broken.count, broken.line) == ("n, k", 2, 2)
    assert broken.expected == "values of n, c in ref.jsonl"
    assert broken.samples == ({"(file)": "data.parquet", "n": "2", "k": "b", "(rows)": 2},)


@pytest.mark.parametrize(
    ("reference", "words"),
    [(None, "there is no file"), ("x\n1\n", "has no column `code`"), ("code\n\xff", "cannot be read")],
)
def test_a_reference_that_cannot_be_used_is_a_mistake_at_its_line(tmp_path, contract, text, reference, words):
    if reference:
        (tmp_path / "ref.csv").write_bytes(reference.encode("latin-1"))
    rules = contract("x-table:\n  foreignKeys:\n  - {columns: [a], references: ref.csv, to: [code]}")
    with pytest.raises(ConfigError) as caught:
        validate([text("a\n1\n")], rules)
    assert words in caught.value.problems[0].message
    assert caught.value.problems[0].line == 3


def test_sensitive_values_are_neither_shown_nor_kept(tmp_path, contract, parquet):
    data = parquet("SELECT * FROM (VALUES ('secret2'), ('secret1')) t(a)")
    (tmp_path / "ref.csv").write_text("a\nx\n")
    rules = contract(
        "properties: {a: {x-sensitive: true}}\nx-table:\n  monotonic: {a: increasing}\n  distinct: {a: {max: 1}}\n"
        "  foreignKeys: [{columns: [a], references: ref.csv}]\n"
    )
    report = validate([data], rules)
    assert [(v.rule, v.count) for v in report.violations] == [("distinct", 1), ("foreignKeys", 2), ("monotonic", 1)]
    assert "secret" not in str(report.violations)
    with engine() as db:
        scan = Scan(db, open_tables(db, [data])[0], rules, plan(rules))
        assert "secret" not in str(measure(scan))
        assert set(measure(scan)[data]) == {"foreignKeys.a in ref.csv (a)"}


def test_the_sum_of_a_sensitive_column_is_not_kept_either(contract, parquet):
    data = parquet("SELECT 4711 AS a")
    rules = contract("properties: {a: {x-sensitive: true}}\nx-table: {mean: {a: {max: 9}}}")
    report = validate([data], rules)
    assert [v.rule for v in report.violations] == ["mean"]
    assert report.parts[data].states == {}


def test_keys_and_numbers_of_rows_have_a_severity_a_tolerance_and_a_line(contract, text):
    report = validate(
        [text("id,k\n1,a\n1,a\n2,b\n")],
        contract(
            "x-table:\n  unique:\n  - {columns: [id], tolerance: 40%}\n  - {columns: [k], severity: warn}\n"
            "  rows: {min: 9, severity: warn}"
        ),
    )
    assert [(v.column, v.severity, v.tolerated, v.line) for v in report.violations] == [
        ("id", "error", True, 3),
        ("k", "warn", False, 4),
        ("", "warn", False, 5),
    ]
    assert report.passed


def test_counts_are_exact_where_only_jsonschema_rs_can_judge(contract, parquet):
    rules = contract(
        "$defs: {odd: {multipleOf: 0.1}}\n"
        "x-table:\n  counts: [{name: tenths, where: {properties: {x: {$ref: '#/$defs/odd'}}}, max: 1}]\n"
    )
    (broken,) = validate([parquet("SELECT unnest([0.3, 0.25, 1e300, 7e22])::DOUBLE AS x")], rules).violations
    assert broken.found == "3 of 4 rows (75%)"


def test_many_distinct_values_are_counted_over_all_files(contract, parquet):
    files = [parquet(f"SELECT range + {n} AS x FROM range(900)", f"{n}.parquet") for n in (0, 500)]
    (broken,) = validate(files, contract("x-table: {distinct: {x: {max: 1399}}}")).violations
    assert broken.found == "1,400"


def test_nan_is_no_number_and_figures_of_nothing_are_within_no_limits(contract, parquet):
    data = parquet("SELECT unnest(['nan', 'inf'])::DOUBLE AS x")
    report = validate(
        [data], contract("x-table: {mean: {x: {max: 1}}, quantiles: {x: {1: {max: 1}}}, freshness: {x: {minAge: 0}}}")
    )
    assert [v.found for v in report.violations if v.rule != "type"] == ["no dates", "no numbers", "no numbers"]
    large = parquet("SELECT unnest([1e308, 1e308])::DOUBLE AS x", "large.parquet")
    (broken,) = validate([large], contract("x-table: {mean: {x: {max: 1}}}")).violations
    assert broken.found == "numbers too large to be added"


def test_the_newest_of_dates_times_and_texts_is_told_with_its_age(contract, parquet, text):
    rules = contract("x-table: {freshness: {d: {minAge: 0, maxAge: 3650d}}}")
    assert validate([parquet("SELECT current_date - INTERVAL 2 DAY AS d")], rules).passed
    for late in ("TIMESTAMPTZ '2999-01-01 00:00:00+02'", "DATE '2999-01-01'", "'2999-01-01T00:00:00Z'"):
        (broken,) = validate([parquet(f"SELECT {late} AS d")], rules).violations
        assert "in the future" in broken.found
        assert broken.expected == "the newest not in the future and at most 3650d old"
    (broken,) = validate([text("d\n2001-01-01T00:30:00+01:00\n1999-01-01\ninfinity\n")], rules).violations
    assert broken.found.startswith("2000-12-31 23:30:00 UTC, ")


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("(SELECT count(*) FROM read_csv('/etc/passwd'))", "a subquery"),
        ("max(a) FROM read_csv('/etc/passwd'); SELECT 1", "one expression"),
        ("1 FROM data WHERE a > 1; SELECT 1", "one expression"),
        ("1 FROM read_text('/etc/passwd') --", "it cannot be parsed"),
        ("1, 2", "one expression"),
        ("max(a) OVER ()", "a window"),
        ("current_setting('memory_limit')", "the function `current_setting`"),
        ("getvariable('x')", "the function `getvariable`"),
        ("main.sum(a)", "the function `sum`"),
        ("COLUMNS(*)", "a star"),
        ("list_transform([1], lambda x: x)", "the function `list_transform`"),
        ("a::DECIMAL((SELECT 1), 2)", "it cannot be parsed"),
        ("(", "it cannot be parsed"),
        ("1; DROP TABLE data", "it cannot be parsed"),
    ],
)
def test_an_expression_can_only_look_at_the_data(contract, select, words):
    with pytest.raises(ConfigError) as caught:
        contract(json.dumps({"x-table": {"sql": {"s": {"select": select, "max": 1}}}}))
    assert words in caught.value.problems[0].message


def test_an_expression_sees_cells_as_type_calls_them_and_its_errors_show_no_data(contract, text, parquet):
    files = [text("a,b\n1,x\n2,secret\n"), parquet("SELECT 3 AS a, 'y' AS b")]
    rules = "properties: {{a: {{type: integer}}}}\nx-table: {{sql: {{s: {{select: '{}', max: 5}}}}}}"
    (broken,) = validate(files, contract(rules.format("sum(a)"))).violations
    assert broken.found == "6"
    (broken,) = validate(files, contract(rules.format("sum(b::INT)"))).violations
    assert broken.found.startswith("it cannot be computed: ")
    assert "secret" not in broken.found


def test_a_profile_is_small_repeats_itself_and_lets_its_own_data_pass(tmp_path, contract, parquet):
    query = (
        "SELECT (i * 7919 % 10007) / 7.0 AS x, 'k' || (i % 3) AS k, i % 2 = 0 AS b, 'secret' AS s FROM range({}) t(i)"
    )
    data = parquet(query.format("20000"))
    rules = contract(
        "properties: {s: {x-sensitive: true}}\n"
        "x-table:\n  distribution:\n    x: {profile: ref.json, psi: 0.01, ks: 0.01, jensenShannon: 0.01}\n"
        "    k: {profile: ref.json, psi: 0.01}\n    b: {profile: ref.json, jensenShannon: 0.01}\n"
    )
    found = profile([data], rules.file)
    assert found == profile([data], rules.file)
    assert set(found["columns"]) == {"x", "k", "b"}
    assert len(found["columns"]["x"]["edges"]) == 256
    assert max(found["columns"]["x"]["counts"]) <= 2 * 20000 / 256
    (tmp_path / "ref.json").write_text(json.dumps(found))
    assert validate([data], rules).passed
    half = parquet(query.format("20000, 24000").replace("/ 7.0", "/ 14.0").replace("i % 3", "i % 4"), "half.parquet")
    report = validate([half], rules)
    assert [(v.column, v.rule) for v in report.violations] == [("x", "distribution"), ("k", "distribution")]
    assert report.violations[0].found.startswith("psi ")
    assert {"ks", "jensenShannon"} <= set(report.violations[0].found.replace(",", "").split())


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (None, "there is no profile"),
        ("{", "not JSON"),
        ("{}", "it does not say"),
        ('{"profile": "https://mlci.dev/profile/v1", "columns": {}}', "has no column `x`"),
        ('{"profile": "https://mlci.dev/profile/v1", "columns": {"x": {"edges": [1], "counts": [1]}}}', "not those of"),
        (
            '{"profile": "https://mlci.dev/profile/v1", "columns": {"x": {"values": [], "counts": [1]}}}',
            "needs an order",
        ),
    ],
)
def test_a_profile_that_cannot_be_used_is_a_mistake_at_its_line(tmp_path, contract, text, reference, words):
    if reference:
        (tmp_path / "ref.json").write_text(reference)
    with pytest.raises(ConfigError) as caught:
        validate([text("x\n1\n")], contract("x-table:\n  distribution:\n    x: {profile: ref.json, ks: 1}"))
    assert words in caught.value.problems[0].message
    assert caught.value.problems[0].line == 3


def test_the_figures_of_drift_are_those_of_their_definitions():
    one, two = [10, 20, 30, 40], [40, 30, 20, 10]
    p, q = ([(n + 0.5) / 102 for n in counts] for counts in (one, two))
    assert psi(one, two) == pytest.approx(sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True)))
    assert jensen_shannon(one, two) == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    assert ks(one, two) == pytest.approx(0.4)
    assert (psi(one, one), jensen_shannon(one, one), ks(one, one)) == (0, 0, 0)
    many = [5] * 256
    assert psi(many, many) == 0
    assert ks([1, 0], [0, 1]) == 1


MERGED = """
properties:
  n: {type: [integer, "null"]}
  x: {type: [number, "null"]}
  t: {type: [string, "null"]}
x-table:
  nulls: {x: {max: 1}}
  distinct: {n: {max: 1}, x: {max: 1}, t: {max: 1}}
  monotonic: {n: increasing, x: strictlyDecreasing, t: increasing}
  mean: {n: {max: 1}, x: {max: 1}}
  quantiles: {x: {0.5: {min: 0, max: 1}}, n: {0.9: {min: 0, max: 1}}}
  freshness: {t: {minAge: 0}}
  counts: [{name: c, where: {properties: {x: {type: number, minimum: 0.5}}, required: [x]}, max: 1}]
  foreignKeys: [{columns: [t], references: ref.csv}]
  distribution: {x: {profile: ref.json, psi: 1}, t: {profile: ref.json, psi: 1}}
"""
VALUES = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-5, 5),
        "x": st.none() | st.floats(-3, 3, width=32) | st.sampled_from([0.1, 0.2, 0.3, 1e17]),
        "t": st.none() | st.sampled_from(["a", "b", "ab", "2020-01-01", "2020-01-02T00:00:00Z", ""]),
    }
)


@settings(max_examples=int(os.environ.get("MLCI_EXAMPLES", "300")) // 20, deadline=None)
@given(st.lists(VALUES, max_size=12), st.lists(st.integers(0, 12), max_size=3), st.sampled_from(["jsonl", "parquet"]))
def test_the_states_of_files_merge_to_the_state_of_all_rows_however_they_are_split(merging, rows, cuts, form):
    folder, rules = merging
    ends = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    with engine() as db:
        whole = states(db, folder, rules, [rows], form)
        parts = states(db, folder, rules, [rows[i:j] for i, j in pairwise(ends)] or [rows], form)
    for rule in rules.table.rules:
        merge = KINDS[rule.kind].merge
        one, two = (merge(rule, [state[rule.id] for state in states]) for states in (whole, parts))
        left = merge(rule, [merge(rule, [s[rule.id] for s in parts[:1]]), *(s[rule.id] for s in parts[1:])])
        if rule.kind == "mean":
            assert two.pop("rest") == pytest.approx(one.pop("rest"), rel=1e-12, abs=1e-9)
            left.pop("rest")
        assert one == two == left, rule.id
        assert json.loads(json.dumps(parts[0][rule.id])) == parts[0][rule.id]


@pytest.fixture(scope="module")
def merging(tmp_path_factory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("merging")
    (folder / "ref.csv").write_text("t\na\n")
    columns = {"x": {"edges": [0, 1], "counts": [1, 1, 0]}, "t": {"values": ["sa"], "counts": [1, 1]}}
    (folder / "ref.json").write_text(json.dumps({"profile": KIND, "columns": columns}))
    (folder / "contract.yaml").write_text(MERGED)
    return folder, load(folder / "contract.yaml")


def states(db, folder: Path, rules, parts: list[list[dict[str, Any]]], form: str) -> list[dict[str, Any]]:
    """The state of each part, as a file; keys are always there, so that the files are alike."""
    files = []
    for n, rows in enumerate(parts):
        file = folder / f"{n}.{form}"
        lines = "".join(json.dumps({"n": None, "x": None, "t": None} | row) + "\n" for row in rows)
        if form == "parquet":
            (folder / "rows.jsonl").write_text(lines)
            read = f"read_json('{folder}/rows.jsonl', columns = {{n: 'BIGINT', x: 'DOUBLE', t: 'VARCHAR'}})"
            db.rows(f"COPY (FROM {read}) TO '{file}' (FORMAT parquet)")
        else:
            file.write_text(lines or '{"n": null, "x": null, "t": null}\n')
        files.append(file)
    found = measure(Scan(db, open_tables(db, files)[0], rules, plan(rules)))
    return [found[file] for file in files]


def test_the_age_and_the_expression_of_a_sensitive_column_do_not_give_it_away(contract, parquet):
    rules = contract(
        "properties: {d: {x-sensitive: true}, n: {x-sensitive: true}}\n"
        "x-table:\n  freshness: {d: {maxAge: 1d}}\n  sql:\n"
        "    largest: {select: max(N), max: 1}\n    how_many: {select: count(n), max: 1}\n"
    )
    report = validate([parquet("SELECT DATE '2001-02-03' AS d, 4711 AS n UNION ALL SELECT NULL, 5")], rules)
    assert {v.rule: v.found for v in report.violations} == {
        "freshness": "***, too old",
        "sql largest": "***",
        "sql how_many": "2",
    }


def test_a_reference_of_an_unknown_kind_is_told_at_its_rule(contract, parquet, text):
    text("x", "codes.xlsx")
    rules = contract("x-table:\n  foreignKeys: [{columns: [a], references: codes.xlsx}]\n")
    with pytest.raises(ConfigError) as wrong:
        validate([parquet("SELECT 1 AS a")], rules)
    (found,) = wrong.value.problems
    assert (found.line, found.column, ".xlsx" in found.message) == (2, 3, True)
