"""A report reads well in a terminal, and cannot steer it."""

from __future__ import annotations

import json
from pathlib import Path

from mlci.contract import Report, Violation, render, validate
from mlci.contract.language.plan import plan
from mlci.contract.language.rules import rules
from mlci.contract.report import Left, from_facts

COLUMNS = (("id", "INTEGER"), ("carrier", "VARCHAR"))


def report(*violations: Violation, rows: int = 176_420) -> Report:
    return Report(rows, 1, COLUMNS, violations, Path("contracts/flights.yaml"))


def test_the_summary_counts_rules_rows_and_files():
    minimum = Violation("id", "minimum", ">= 0", 30, (), 4)
    unreadable = Violation("", "readable", "a whole file", 1, ({"(file)": "x", "(problem)": "y"},))
    short = Violation("", "rows", "at least 9 rows", 1, (), found="3")
    assert report().summary == "176,420 rows, 2 columns: all rules kept"
    assert report(minimum).summary == "176,420 rows, 2 columns: 1 rule violated, 30 times"
    assert report(unreadable, rows=1).summary == "1 row, 2 columns: 1 file unreadable"
    assert (
        report(unreadable, short, minimum).summary
        == "176,420 rows, 2 columns: 1 file unreadable, 2 rules violated, 30 times"
    )


def test_samples_are_an_aligned_table_under_their_rule():
    rows = (
        {"(file)": "a.parquet", "(row)": 9, "id": -3, "carrier": "AA"},
        {"(file)": "b.parquet", "(row)": 10, "id": None, "carrier": None},
    )
    text = render(report(Violation("id", "minimum", ">= 0", 2, rows, 4), rows=8), color=False)
    assert text.splitlines() == [
        "8 rows, 2 columns: 1 rule violated, 2 times",
        "",
        "✗ id  minimum: expected >= 0; 2 rows (25.00 %)",
        "  contracts/flights.yaml:4",
        "    (file)     (row)    id  carrier",
        "    a.parquet      9    -3  AA",
        "    b.parquet     10  null  null",
    ]


def test_control_characters_and_long_values_are_tamed():
    rows = ({"x": "\x1b[31mred\n" + "y" * 300},)
    text = render(report(Violation("a\x1b", "const", "x", 1, rows)), color=False)
    assert "\x1b" not in text
    assert "\\x1b[31mred\\n" in text
    assert max(len(line) for line in text.splitlines()) < 80


def test_color_is_only_there_when_asked_for():
    violation = Violation("id", "minimum", ">= 0", 1, ())
    assert "\x1b[31m" in render(report(violation), color=True)
    assert "\x1b" not in render(report(violation), color=False)


def test_random_rows_follow_the_first_ones_and_files_are_counted():
    violation = Violation(
        "id",
        "minimum",
        ">= 0",
        30,
        ({"(file)": "a.parquet", "id": -3},),
        random=({"(file)": "a.parquet", "id": -3}, {"(file)": "b.parquet", "id": -12345}),
        files=(("a.parquet", 24), *((f"{name}.parquet", 1) for name in "bcdefg")),
    )
    many = Report(100, 12, COLUMNS, (violation,), Path("c.yaml"))
    assert render(many, color=False, remarks=["the rule is new"]).splitlines()[2:] == [
        "✗ id  minimum: expected >= 0; 30 rows (30.00 %)",
        "    (file)         id",
        "    a.parquet      -3",
        "    … and at random",
        "    b.parquet  -12345",
        "  in 7 of 12 files: a.parquet 24, b.parquet 1, c.parquet 1, d.parquet 1, e.parquet 1 and 2 more files",
        "  the rule is new",
    ]


def test_a_report_reads_the_same_from_the_facts_of_its_receipt():
    violation = Violation(
        "id", "minimum", ">= 0", 3, ({"id": -3},), 4, "", "warn", 0.1, True, ({"id": -9},), (("a", 3),)
    )
    whole = Report(100, 2, COLUMNS, (violation,), Path("c.yaml"), (Left("id", "pattern", 2),))
    assert from_facts(json.loads(json.dumps(whole.facts())), Path("c.yaml")) == whole


def test_the_same_rule_reads_the_same_wherever_it_stands(contract):
    def asked(text: str) -> set[tuple[str, str, str]]:
        return set(rules(made := contract(text), plan(made)))

    one = asked("properties:\n  id: {maximum: 2}\nx-table: {unique: [id], rows: {min: 1}}\n")
    moved = asked("title: x\nx-table: {rows: {min: 1}, unique: [id]}\nproperties:\n\n  id: {maximum: 2}\n")
    assert one == moved
    assert asked("properties: {id: {maximum: 3}}") - asked("properties: {id: {maximum: 2}}") == {
        ("id", "maximum", "<= 3")
    }
    assert ("id", "maximum", "<= 2, a warning, 0.1 of the rows tolerated") in asked(
        "properties: {id: {maximum: 2, x-severity: warn, x-tolerance: 0.1}}"
    )


def test_a_rule_too_long_to_show_and_one_behind_a_reference_are_told_apart(contract):
    def asked(text: str) -> list[tuple[str, str, str]]:
        made = contract(text)
        return [rule for rule in rules(made, plan(made)) if rule[1] in ("enum", "$ref")]

    long = [f"value number {i}" for i in range(20)]
    assert asked(f"properties: {{id: {{enum: {[*long, 'a']}}}}}") != asked(
        f"properties: {{id: {{enum: {[*long, 'b']}}}}}"
    )
    there = "properties: {{id: {{$ref: '#/$defs/n'}}}}\n$defs: {{n: {{maximum: {}}}}}".format
    assert asked(there(1)) != asked(there(2))
    assert asked(there(1)) == asked(there(1))


def test_rows_have_their_columns_in_one_order_also_from_a_receipt():
    row = {"(file)": "a", "(row)": 3, "id": 1, "z": 2, "b": 3, "(rows)": 4}
    columns = (("b", "INTEGER"), ("id", "INTEGER"), ("z", "INTEGER"))
    asked = (("id", "unique", "no two rows alike"), ("z", "maximum", "<= 1"))
    whole = Report(9, 1, columns, (Violation("z", "maximum", "<= 1", 1, (row,)),), Path("c.yaml"), (), asked)
    kept = json.loads(json.dumps(whole.facts(), sort_keys=True))
    assert list(from_facts(kept, Path("c.yaml")).violations[0].samples[0]) == list(row)


def test_the_place_of_a_rule_is_told_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = Violation("id", "minimum", ">= 0", 2, (), 4)
    there = Report(8, 1, COLUMNS, (broken,), tmp_path / "rules" / "c.yaml")
    assert "\n  rules/c.yaml:4" in render(there, color=False)
    split = Violation("id", "apart", "no key of train", 2, (), 9, where="mlci.yaml")
    assert "\n  mlci.yaml:9" in render(Report(8, 1, COLUMNS, (split,), tmp_path / "c.yaml"), color=False)


def test_each_rule_of_the_table_is_told_apart_by_what_it_asks(contract):
    def asked(table: str) -> set[tuple[str, str, str]]:
        return set(rules(made := contract(f"x-table:\n  {table}\n"), plan(made)))

    assert asked("mean: {late: {max: 0.1}, x: {min: 2, severity: warn}}") == {
        ("late", "mean", "at most 0.1 on average"),
        ("x", "mean", "at least 2 on average, a warning"),
    }
    assert asked("quantiles: {d: {0.5: {max: 3}}}") == {("d", "quantiles 0.5", "at most 3")}
    assert asked('sql: {s: {select: "count(*)", max: 3}}') == {("", "sql s", "at most 3 of count(*)")}
    where = "counts: [{{name: c, where: {{minProperties: {}}}, max: 3}}]"
    assert asked(where.format(1)) == {("", "counts c", 'at most 3 rows where {"minProperties": 1}')}
    assert asked("unique: [{columns: [a, b], tolerance: 1%}]") >= {
        ("a, b", "unique", "no two rows alike, 0.01 of the rows tolerated")
    }


def test_a_rule_of_several_keywords_says_them_all(contract, parquet):
    made = contract(
        "if: {properties: {a: {minimum: 2}}}\nthen: {properties: {b: {maximum: 1}}}\n"
        "properties: {l: {contains: {minimum: 3}, minContains: 2}}\n"
    )
    found = {rule: asks for _, rule, asks in rules(made, plan(made))}
    assert found["if"] == '{"properties": {"a": {"minimum": 2}}}, then {"properties": {"b": {"maximum": 1}}}'
    assert found["contains"] == '{"minimum": 3}, minContains 2'


def test_a_reason_is_not_cut():
    why = "line 12: " + "so it is " * 12
    torn = Violation("", "readable", "a whole file", 1, ({"(file)": "x" * 60, "(problem)": why},))
    shown = render(report(torn, rows=1), color=False)
    assert why.strip() in shown
    assert "x" * 60 not in shown


def test_what_is_tolerated_says_how_much_and_is_no_rule_kept(contract, text):
    file = text("a\n1\n2\n3\n9\n")
    rules = "properties: {{a: {{type: integer, maximum: 3, x-tolerance: {}}}}}"
    enough = validate([file], contract(rules.format("50%")))
    assert enough.summary == "4 rows, 1 column: no rule violated, 1 warning"
    assert "1 row (25.00 %), tolerated up to 50.00 % of the rows" in render(enough, color=False)
    little = validate([file], contract(rules.format("5%")))
    assert "1 row (25.00 %), more than the tolerated 5.00 % of the rows" in render(little, color=False)
