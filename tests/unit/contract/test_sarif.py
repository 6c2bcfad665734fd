"""A report as SARIF 2.1.0: what the format and GitHub's code scanning ask for is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlci.contract import Contract, sarif, validate

TEXT = """\
required: [id]
properties:
  id: {type: integer, maximum: 2}
  spare: {x-severity: warn, minimum: 5}
  part: {x-tolerance: 0.9, minimum: 5}
  mail: {type: string, x-sensitive: true, maxLength: 1}
x-table: {rows: {min: 9}, unique: [id]}
"""


@pytest.fixture
def found(contract: Callable[..., Contract], text: Callable[..., Path], tmp_path: Path) -> dict[str, Any]:
    data = text("id,spare,part,mail\n1,9,1,a\n3,1,9,b@c\n4,9,9,d\n")
    log = sarif(validate([data, *(text("\0", f"{n}.parquet") for n in ("torn", "cut"))], contract(TEXT)), root=tmp_path)
    return json.loads(json.dumps(log, allow_nan=False))


def test_each_rule_of_the_contract_is_a_rule(found):
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    names = [rule["id"] for rule in rules]
    assert found["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "mlci"
    assert {"id/maximum", "id/required", "id/null", "id/type", "id/unique", "(table)/rows"} <= set(names)
    assert len(names) == len(set(names))
    assert all(rule[part]["text"] for rule in rules for part in ("shortDescription", "fullDescription", "help"))


def test_each_violation_is_a_result_at_the_line_of_its_rule(found):
    (run,) = found["runs"]
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    results = {result["ruleId"]: result for result in run["results"]}
    assert all(names[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    maximum = results["id/maximum"]
    assert maximum["level"] == "error"
    assert maximum["message"]["text"] == "id: maximum: expected <= 2; 2 of 3 rows"
    place = maximum["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "contract.yaml"
    assert place["region"] == {"startLine": 3, "startColumn": 3, "endLine": 3, "endColumn": 34}
    assert maximum["properties"]["count"] == 2
    assert maximum["properties"]["fraction"] == pytest.approx(2 / 3)
    assert {row["id"] for row in maximum["properties"]["samples"]} == {"3", "4"}
    assert results["spare/minimum"]["level"] == "warning"
    assert results["part/minimum"]["level"] == "note"
    assert "b@c" not in json.dumps(results["mail/maxLength"])


def test_rules_that_do_not_count_rows_say_what_was_found(found):
    results = {result["ruleId"]: result for result in found["runs"][0]["results"]}
    assert results["(table)/rows"]["message"]["text"] == "the table: rows: expected at least 9 rows; 3"
    assert "fraction" not in results["(table)/rows"]["properties"]
    assert "cut.parquet" in json.dumps(results["(table)/readable"]["properties"]["samples"])
    assert results["(table)/readable"]["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


def test_a_fingerprint_stays_when_the_rule_moves_to_another_line(found, contract, text, tmp_path):
    def prints(log: dict[str, Any]) -> dict[str, str]:
        return {r["ruleId"]: r["partialFingerprints"]["primaryLocationLineHash"] for r in log["runs"][0]["results"]}

    data = text("id,spare,part,mail\n5,1,1,a\n")
    moved = sarif(validate([data], contract("title: moved\n" + TEXT)), root=tmp_path)
    assert prints(moved)["id/maximum"] == prints(found)["id/maximum"]
    every = [r["partialFingerprints"]["primaryLocationLineHash"] for r in found["runs"][0]["results"]]
    assert len(set(every)) == len(every)


def test_a_contract_outside_the_checkout_has_its_whole_uri(contract, text):
    log = sarif(validate([text("id\n5\n")], contract(TEXT)), root=Path("/usr"))
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].startswith("file:///")


def test_rows_out_of_order_are_counted_as_rows_are(contract, text):
    report = validate([text("a\n3\n2\n1\n")], contract("x-table: {monotonic: {a: increasing}}"))
    (result,) = sarif(report)["runs"][0]["results"]
    assert result["message"]["text"].endswith("2 of 3 rows")
    assert result["properties"]["fraction"] == pytest.approx(2 / 3)
