"""The meta-schema accepts every contract that is read, and refuses what a schema can refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mlci.cli import run
from mlci.contract import load
from mlci.contract.language.compile import META
from mlci.contract.language.meta import meta_schema
from mlci.contract.language.nodes import read
from mlci.contract.table.load import READERS
from mlci.errors import ConfigError

ROOT = Path(__file__).parents[3]
WHERE = "name: a, where: {properties: {x: {minimum: 1}}}"
KEPT = [
    "unique: [a]",
    "unique: [[a], [b, c]]",
    "unique: [{columns: [a, b], severity: warn, tolerance: 0.1%}, [c]]",
    "rows: {min: 1, max: 2, severity: warn}",
    "rows: {}",
    "nulls: {a: {max: 5%}, b: {min: 0.1, max: 1}}",
    "distinct: {a: {min: 2, max: 10}}",
    "foreignKeys: [{columns: [a], references: b.csv, to: [c], tolerance: 1%}]",
    "freshness: {a: {maxAge: 2d, minAge: 0}}",
    "monotonic: {a: increasing, b: {order: strictlyDecreasing, tolerance: 0.1%}}",
    f"counts: [{{{WHERE}, min: 1, max: 5%}}]",
    "mean: {a: {min: -1.5}}",
    "quantiles: {a: {0: {min: 1}, 0.5: {min: -5, max: 5}, '1.0': {max: 300}}}",
    "distribution: {a: {profile: p.json, psi: 0.1, ks: 0.1, jensenShannon: 0.1, severity: warn}}",
    "sql: {a: {select: 'count(*)', max: 0}}",
    "description: What it is.",
]
REFUSED = [
    ("uniqe: [a]", "did you mean `unique`"),
    ("unique: a", "a list of column names"),
    ("unique: []", "at least one column"),
    ("unique: [{severity: warn}]", "`columns` is missing"),
    ("unique: [{columns: [a], tolerance: 2}]", "a share between 0 and 1"),
    ("rows: {min: -1}", "a whole number"),
    ("rows: {max: 5%}", "a whole number"),
    ("rows: {mx: 5}", "did you mean `max`"),
    ("rows: {max: 5, tolerance: 1%}", "counts no rows"),
    ("nulls: {a: {}}", "asks for nothing"),
    ("nulls: {a: {max: 101%}}", "a share between 0 and 1"),
    ("nulls: {a: {max: x}}", "a share between 0 and 1"),
    ("nulls: [a]", "rules by column"),
    ("nulls: {a: 5%}", "as a mapping"),
    ("distinct: {a: {max: 1.5}}", "a whole number"),
    ("foreignKeys: {a: b.csv}", "a list of foreign keys"),
    ("foreignKeys: [{columns: [a]}]", "`references` is missing"),
    ("foreignKeys: [{columns: [a], references: 1}]", "expected a path"),
    ("freshness: {a: {maxAge: soon}}", "expected a duration"),
    ("freshness: {a: {maxAge: -1}}", "expected a duration"),
    ("freshness: {a: {severity: warn}}", "asks for nothing"),
    ("monotonic: {a: up}", "expected an order"),
    ("monotonic: {a: {severity: warn}}", "`order` is missing"),
    ("counts: [{name: a, where: {minimun: 1}, max: 1}]", "did you mean `minimum`"),
    ("counts: [{name: a, where: {minimum: x}, max: 1}]", "expected a number"),
    ("counts: [{name: '', where: {}, max: 1}]", "is no name"),
    ("counts: [{name: a, where: {}}]", "asks for nothing"),
    ("counts: [{name: a, where: {}, max: 1.5}]", "a whole number"),
    ("mean: {a: {max: 5%}}", "expected a number"),
    ("mean: {a: {max: 5, severity: wran}}", "error or warn"),
    ("quantiles: {a: {1.5: {max: 5}}}", "between 0 and 1"),
    ("quantiles: {a: {}}", "no quantile is named"),
    ("distribution: {a: {psi: 1}}", "`profile` is missing"),
    ("distribution: {a: {profile: p.json}}", "asks for nothing"),
    ("distribution: {a: {profile: p.json, psi: -1}}", "never below 0"),
    ("sql: {a: {max: 1}}", "`select` is missing"),
    ("sql: {a: {select: 1, max: 1}}", "cannot be run"),
]
BEYOND = [
    ("rows: {min: 2, max: 1}", "nothing is at least 2 and at most 1"),
    ("freshness: {a: {maxAge: 1d, minAge: 2d}}", "no age"),
    ("foreignKeys: [{columns: [a, b], references: b.csv, to: [c]}]", "2 columns cannot be found in 1"),
    (f"counts: [{{{WHERE}, max: 1}}, {{{WHERE}, max: 1}}]", "is there twice"),
    ("mean: {t: {max: 1}}", "it has no mean"),
    ("sql: {a: {select: 'getenv(1)', max: 1}}", "cannot be run"),
]


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.Draft202012Validator(meta_schema())


def test_the_meta_schema_is_a_valid_schema_with_its_own_vocabulary():
    found = meta_schema()
    assert found["$id"] == META
    jsonschema_rs.meta.validate(found)
    assert f"{META}/vocab/table" in found["$vocabulary"]


@pytest.mark.parametrize("file", sorted([*ROOT.glob("examples/*/contract.yaml"), *ROOT.glob("tests/**/contract.yaml")]))
def test_every_contract_here_validates(validator, file):
    assert validator.is_valid(read(file)[0].plain())


@pytest.mark.parametrize("rule", KEPT)
def test_what_is_read_validates(validator, contract, rule):
    found = contract(f"properties: {{t: {{type: string}}}}\nx-table:\n  {rule}\n")
    assert validator.is_valid(found.schema)


@pytest.mark.parametrize(("rule", "words"), REFUSED + BEYOND)
def test_a_mistake_is_told_at_its_line_and_the_meta_schema_refuses_what_it_can(validator, tmp_path, rule, words):
    file = tmp_path / "contract.yaml"
    file.write_text(f"properties: {{t: {{type: string}}}}\nx-table:\n  {rule}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    problem = caught.value.problems[0]
    assert words in problem.message + problem.help
    assert problem.line == 3
    assert validator.is_valid(read(file)[0].plain()) == ((rule, words) in BEYOND)


def test_rules_of_columns_are_refused_however_deep(validator):
    assert not validator.is_valid({"properties": {"a": {"x-severity": "wran"}}})
    assert not validator.is_valid({"properties": {"a": {"items": {"type": "integr"}}}})
    assert not validator.is_valid({"x-table": {"counts": [{"name": "a", "max": 1, "where": {"x-tolerance": 2}}]}})


def test_a_contract_may_name_its_meta_schema(contract, text):
    from mlci.contract import validate

    rules = contract(f"$schema: {META}\nproperties: {{a: {{multipleOf: 0.01, type: number}}}}\n")
    assert validate([text("a\n1e300\n0.07\n")], rules).passed


def test_the_command_prints_it(capsys):
    assert run(["contract", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == meta_schema()


def test_the_command_writes_a_profile(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("x,k,empty\n1,a,\n2,b,\n3,a,\n")
    assert run(["contract", "profile", "a.csv", "-o", "ref.json"]) == 0
    assert json.loads(Path("ref.json").read_text()) == {
        "profile": "https://mlci.dev/profile/v1",
        "rows": 3,
        "columns": {
            "x": {"count": 3, "nulls": 0, "edges": [1.0, 2.0, 3.0], "counts": [1, 1, 1, 0]},
            "k": {"count": 3, "nulls": 0, "values": ["sa", "sb"], "counts": [2, 1, 0]},
        },
    }
    assert run(["contract", "profile", "none.csv"]) == 3


def test_the_example_of_the_docs_is_a_contract(validator, contract):
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    example = text.split("### `x-table`\n\n```yaml\n")[1].split("```")[0]
    found = contract(example)
    assert {rule.kind for rule in found.table.rules} == set(READERS)
    assert validator.is_valid(found.schema)
