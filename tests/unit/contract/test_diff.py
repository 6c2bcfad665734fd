"""A change of a contract: harmless only when it is, for whom it is."""

from __future__ import annotations

import copy
import os
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.contract.change.diff import breaking, diff
from mlci.errors import UsageError

EXAMPLES = int(os.environ.get("MLCI_EXAMPLES", "300"))
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 1.0])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "ab", "b1"])
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
NAMES = st.sampled_from(["a", "b", "c"])
LEAF: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=4, unique=True),
    "minimum": NUMBERS,
    "maximum": NUMBERS,
    "exclusiveMinimum": NUMBERS,
    "exclusiveMaximum": NUMBERS,
    "multipleOf": st.sampled_from([1, 2, 4, 0.5]),
    "enum": st.lists(SCALARS, min_size=1, max_size=4),
    "const": SCALARS,
    "pattern": st.sampled_from(["^a", "1$"]),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
    "minContains": st.integers(0, 2),
    "maxContains": st.integers(0, 2),
}


def grown(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas with schemas in them."""
    lists = st.lists(children, min_size=1, max_size=2)
    named = st.dictionaries(NAMES, children, max_size=2)
    inner = {
        **LEAF,
        **dict.fromkeys(("items", "contains", "propertyNames", "additionalProperties", "not"), children),
        **dict.fromkeys(("if", "then", "else", "unevaluatedProperties"), children),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), lists),
        **dict.fromkeys(("properties", "dependentSchemas"), named),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), children, max_size=1),
    }
    return st.lists(st.sampled_from(sorted(inner)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: inner[name] for name in names})
    )


SCHEMAS = st.recursive(st.booleans() | grown(st.booleans()), grown, max_leaves=6)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAMES, v, max_size=3), max_leaves=5)


@st.composite
def mutated(draw: st.DrawFn, schema: Any) -> Any:
    """The same schema but for one or two places, so that most of it is alike."""
    out = copy.deepcopy(schema)
    for _ in range(draw(st.integers(1, 2))):
        at, into = None, out
        while isinstance(into, (dict, list)) and into and (at is None or draw(st.booleans())):
            parent, at = into, draw(st.sampled_from(sorted(into) if isinstance(into, dict) else range(len(into))))
            if isinstance(at, str) and at in LEAF:
                parent[at] = draw(LEAF[at])
                break
            into = parent[at]
        else:
            if isinstance(into, dict):
                name = draw(st.sampled_from(sorted(LEAF)))
                into[name] = draw(LEAF[name])
    return out


def is_schema(schema: Any) -> bool:
    return jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_what_is_called_compatible_keeps_every_value_valid(data):
    old = {"properties": {"x": data.draw(SCHEMAS)}}
    new = data.draw(mutated(old) | st.builds(lambda s: {"properties": {"x": s}}, SCHEMAS))
    if not is_schema(old) or not is_schema(new):
        return
    broken = {party for change in diff(old, new) for party in change.breaks}
    before, after = (jsonschema_rs.Draft202012Validator(schema) for schema in (old, new))
    for value in data.draw(st.lists(VALUES, min_size=5, max_size=30)):
        row = {"x": value}
        if before.is_valid(row) and not after.is_valid(row):
            assert "producers" in broken, (old, new, row)
        if after.is_valid(row) and not before.is_valid(row):
            assert "consumers" in broken, (old, new, row)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(SCHEMAS, SCHEMAS)
def test_nothing_differs_from_itself_and_turned_round_the_parties_change_places(one, other):
    assert diff(one, copy.deepcopy(one)) == ()
    there, back = diff(one, other), diff(other, one)
    turned = {"producers": "consumers", "consumers": "producers"}
    assert {party for c in there for party in c.breaks} == {turned[party] for c in back for party in c.breaks}


def column(**schema: Any) -> dict[str, Any]:
    return {"properties": {"x": schema}}


OPEN, CLOSED = {"properties": {}}, {"properties": {}, "additionalProperties": False}
PRODUCERS, CONSUMERS, BOTH, NOBODY = {"producers"}, {"consumers"}, {"producers", "consumers"}, set()


@pytest.mark.parametrize(
    ("old", "new", "kind", "breaks"),
    [
        (column(type="integer"), column(type="number"), "widened", CONSUMERS),
        (column(type="integer"), column(type=["integer", "null"]), "widened", CONSUMERS),
        (column(type="integer"), column(type="string"), "changed", BOTH),
        (column(enum=["a"]), column(enum=["a", "b"]), "widened", CONSUMERS),
        (column(enum=["a", "b"]), column(const="b"), "narrowed", PRODUCERS),
        (column(enum=[1]), column(const=1.0), None, NOBODY),
        (column(minimum=0), column(minimum=1), "narrowed", PRODUCERS),
        (column(minimum=0), column(exclusiveMinimum=0), "narrowed", PRODUCERS),
        (column(maximum=0.1), column(), "widened", CONSUMERS),
        (column(multipleOf=0.02), column(multipleOf=0.01), "widened", CONSUMERS),
        (column(pattern="a"), column(pattern="b"), "changed", BOTH),
        (column(format="date"), column(), "widened", CONSUMERS),
        (column(maxLength=3), column(maxLength=2), "narrowed", PRODUCERS),
        (column(description="a"), column(description="b"), "annotation", NOBODY),
        (OPEN, {"properties": {}, "required": ["x"]}, "narrowed", PRODUCERS),
        ({"required": ["x"]}, {}, "widened", CONSUMERS),
        (OPEN, column(type="string"), "added", PRODUCERS),
        (OPEN, column(), "added", NOBODY),
        (CLOSED, {**CLOSED, **column(type="string")}, "added", CONSUMERS),
        ({**CLOSED, **column(type="string")}, CLOSED, "removed", PRODUCERS),
        (column(type="string"), OPEN, "removed", CONSUMERS),
        (OPEN, CLOSED, "narrowed", PRODUCERS),
        ({"x-table": {"unique": ["a"]}}, {"x-table": {"unique": ["a", "b"]}}, "widened", CONSUMERS),
        ({}, {"x-table": {"unique": [["a"], ["b"]]}}, "narrowed", PRODUCERS),
        ({"x-table": {"rows": {"min": 5}}}, {"x-table": {"rows": {"min": 4, "max": 9}}}, "changed", BOTH),
        (column(), column(**{"x-sensitive": True}), "annotation", NOBODY),
        ({"$defs": {"d": {"minimum": 0}}, **column(**{"$ref": "#/$defs/d"})}, column(minimum=0), None, NOBODY),
    ],
)
def test_each_kind_of_change_breaks_whom_the_table_says(old, new, kind, breaks):
    changes = diff(old, new)
    assert [(c.kind, set(c.breaks)) for c in changes] == ([] if kind is None else [(kind, breaks)])


def test_who_does_not_matter_may_be_broken():
    changes = diff(column(type="integer"), column(type="number"))
    assert breaking(changes) == changes
    assert breaking(changes, frozenset({"consumers"})) == ()


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://example.com/x", "#"])
def test_a_reference_that_cannot_be_followed_is_refused(reference):
    with pytest.raises(UsageError, match="reference"):
        diff(column(**{"$ref": reference}), column())
