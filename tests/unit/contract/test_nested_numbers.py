"""Whole numbers of 2^53 and more inside nested values: exact up to 38 digits, and otherwise left to the fallback."""

from __future__ import annotations

import itertools

import jsonschema_rs
import pytest

from mlci.contract import decide

WHOLE = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, 10**30, 10**30 + 1, 2, 3, 1.5]
OTHERS = [2.0**53, 1e30, 1e300, 10**39]
KEYWORDS = ("const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
LIMITS = [2**53, 2**53 + 1, 2**64 - 1, 10**30, 10**30 + 1, 1e20, 1e300, 10**39, 3, 1.5]


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_large_numbers_are_judged_as_the_reference_does(keyword):
    values = [[value] for value in (*WHOLE, *OTHERS)]
    for limit in LIMITS:
        schema = {"items": {keyword: limit}}
        reference = jsonschema_rs.Draft202012Validator(schema)
        found = decide(schema, values)
        assert [d.valid for d in found] == [reference.is_valid(value) for value in values], limit
        if keyword != "multipleOf":
            assert {d.by for d in found[: len(WHOLE)]} == {"duckdb"}
            assert {d.by for d in found[len(WHOLE) :]} == {"fallback"}


def test_equal_elements_are_found_among_large_numbers():
    schema = {"uniqueItems": True}
    pairs = [list(pair) for pair in itertools.product(WHOLE, repeat=2)]
    found = decide(schema, pairs)
    assert [d.valid for d in found] == [one != other for one, other in pairs]
    assert {d.by for d in found} == {"duckdb"}


def test_multiples_of_decimals_are_exact_for_whole_numbers_in_cells(contract, text):
    from mlci.contract import validate

    file = text(f"x\n{3 * (2**53 // 3)}\n{3 * (2**53 // 3 + 1)}\n{2**53 + 2}\n", "d.csv")
    (broken,) = validate([file], contract(properties={"x": {"multipleOf": 1.5}})).violations
    assert (broken.rule, broken.count) == ("multipleOf", 1)
    assert broken.samples[0]["x"] == str(2**53 + 2)
