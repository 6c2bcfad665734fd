"""What a change of `x-table` breaks, and how a page says its rules."""

from __future__ import annotations

from typing import Any

import pytest

from mlci.contract.change.diff import diff
from mlci.contract.change.page import page

P, C = frozenset({"producers"}), frozenset({"consumers"})
BOTH, NONE = P | C, frozenset()
WHERE = {"name": "a", "where": {"required": ["x"]}}


def broken(old: Any, new: Any) -> frozenset[str]:
    return frozenset(party for change in diff(old, new) for party in change.breaks)


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ({}, {"nulls": {"a": {"max": "5%"}}}, P),
        ({"nulls": {"a": {"max": "5%"}}}, {}, C),
        ({"nulls": {"a": {"max": "5%"}}}, {"nulls": {"a": {"max": 0.06}}}, C),
        ({"nulls": {"a": {"max": "5%"}}}, {"nulls": {"a": {"max": 0.05}}}, NONE),
        ({"nulls": {"a": {"max": "5%"}}}, {"nulls": {"a": {"max": "4%", "min": "1%"}}}, P),
        ({"rows": {"min": 1}}, {"rows": {"min": 0}}, C),
        ({}, {"rows": {"min": 0}}, NONE),
        ({"distinct": {"a": {"max": 5}}}, {"distinct": {"a": {"max": 4}}}, P),
        ({"mean": {"a": {"max": 5, "min": 0}}}, {"mean": {"a": {"max": 6, "min": 1}}}, BOTH),
        ({"quantiles": {"a": {"0.5": {"max": 5}}}}, {"quantiles": {"a": {"0.5": {"max": 6}}}}, C),
        ({"freshness": {"a": {"maxAge": "48h"}}}, {"freshness": {"a": {"maxAge": "2d"}}}, NONE),
        ({"freshness": {"a": {"maxAge": "2d"}}}, {"freshness": {"a": {"maxAge": "3d"}}}, C),
        ({"monotonic": {"a": "increasing"}}, {"monotonic": {"a": "strictlyIncreasing"}}, P),
        ({"monotonic": {"a": "increasing"}}, {"monotonic": {"a": {"order": "increasing"}}}, NONE),
        ({"monotonic": {"a": "increasing"}}, {"monotonic": {"a": "decreasing"}}, BOTH),
        ({"counts": [{**WHERE, "max": "5%"}]}, {"counts": [{**WHERE, "max": "6%"}]}, C),
        ({"counts": [{**WHERE, "max": "5%"}]}, {"counts": [{**WHERE, "max": 5}]}, BOTH),
        ({"counts": [{**WHERE, "max": 5}]}, {"counts": [{**WHERE, "where": {}, "max": 5}]}, BOTH),
        ({"sql": {"s": {"select": "1", "max": 5}}}, {"sql": {"s": {"select": "2", "max": 5}}}, BOTH),
        ({"sql": {"s": {"select": "1", "max": 5}}}, {"sql": {"s": {"select": "1", "max": 4}}}, P),
        (
            {"distribution": {"a": {"profile": "p", "psi": 0.1}}},
            {"distribution": {"a": {"profile": "p", "psi": 0.2, "ks": 0.1}}},
            BOTH,
        ),
        ({"mean": {"a": {"max": 5, "severity": "warn"}}}, {"mean": {"a": {"max": 5}}}, P),
        ({"mean": {"a": {"max": 5}}}, {"mean": {"a": {"max": 5, "severity": "warn"}}}, C),
        ({}, {"mean": {"a": {"max": 5, "severity": "warn"}}}, NONE),
        ({"unique": ["a"]}, {"unique": [{"columns": ["a"]}]}, NONE),
        ({"unique": ["a"]}, {"unique": [{"columns": ["a"], "tolerance": "1%"}]}, C),
        ({"unique": [{"columns": ["a"], "severity": "warn"}]}, {"unique": ["a"]}, P),
        ({}, {"foreignKeys": [{"columns": ["a"], "references": "b.csv"}]}, P),
        (
            {"foreignKeys": [{"columns": ["a"], "references": "b.csv"}]},
            {"foreignKeys": [{"columns": ["a"], "references": "b.csv", "tolerance": "1%"}]},
            C,
        ),
    ],
)
def test_each_rule_of_a_table_is_compared(old, new, breaks):
    assert broken({"x-table": old}, {"x-table": new}) == breaks
    assert broken({"x-table": new}, {"x-table": old}) == {P: C, C: P}.get(breaks, breaks)


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ({}, {"x-severity": "warn"}, C),
        ({"x-severity": "warn"}, {}, P),
        ({"x-severity": "warn"}, {"x-severity": "error"}, P),
        ({"x-severity": "warn"}, {"x-severity": "warn", "minimum": 5}, NONE),
        ({"x-severity": "warn", "minimum": 5}, {"minimum": 1}, P),
        ({}, {"x-tolerance": "1%"}, C),
        ({"x-tolerance": "1%"}, {"x-tolerance": 0.01}, NONE),
        ({"x-tolerance": "2%"}, {"x-tolerance": 0.01}, P),
    ],
)
def test_how_strict_a_column_is_counts(old, new, breaks):
    assert broken({"properties": {"a": old}}, {"properties": {"a": new}}) == breaks


def test_a_page_says_the_rules():
    text = page(
        {
            "x-table": {
                "unique": [["a"], {"columns": ["b", "c"], "severity": "warn", "tolerance": "1%"}],
                "rows": {"min": 1000},
                "nulls": {"p": {"max": "5%"}},
                "monotonic": {"s": "increasing"},
                "foreignKeys": [{"columns": ["k"], "references": "k.csv", "to": ["code"]}],
                "quantiles": {"d": {"0.5": {"min": -5, "max": 5}}},
            }
        },
        "orders",
    )
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert listed == [
        "- No two rows have the same `a`.",
        "- No two rows have the same `b, c` (but for 1% of the rows) (only a warning).",
        "- There are at least 1,000 rows.",
        "- Share of null of `p`: at most 5%.",
        "- Order of `s`: `increasing`.",
        "- Values of `k` are in `k.csv` (`code`).",
        "- 0.5 quantile of `d`: at least -5 and at most 5.",
    ]
