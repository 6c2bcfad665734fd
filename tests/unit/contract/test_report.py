"""A report reads well in a terminal, and cannot steer it."""

from __future__ import annotations

from pathlib import Path

from mlci.contract import Report, Violation, render

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
