"""Splits of mlci.yaml, judged by the step that validates the dataset."""

from __future__ import annotations

import json

HOLDOUT = "holdout.parquet, contract: contract.yaml"


def split(tiny, rules: str) -> None:
    tiny.edit("mlci.yaml", HOLDOUT, f"{HOLDOUT}, splits: [{{apart_from: [train], {rules}}}]")


def test_a_leak_stops_the_run_and_changes_with_the_other_dataset(tiny):
    split(tiny, "keys: [x, label]")
    leaking = tiny.mlci("validate", "--json")
    assert tiny.statuses(leaking) == {"validate:train": "pass", "validate:holdout": "fail"}
    assert leaking.code == 1
    assert "1 rule violated" in leaking.json["steps"][1]["summary"]
    # the other dataset's files are a part of the key, also where this one has them already
    only_itself = tiny.mlci("validate", "--json", "--set", "data.train.path=data/holdout.parquet")
    assert tiny.statuses(only_itself)["validate:holdout"] == "fail"
    assert only_itself.json["steps"][1]["summary"].endswith("1 rule violated, 3,000 times")


def test_a_split_that_holds_passes_and_is_reused(tiny):
    split(tiny, "balance: {column: label, max_difference: 5%}")
    assert tiny.statuses(tiny.mlci("validate", "--json"))["validate:holdout"] == "pass"
    assert tiny.statuses(tiny.mlci("validate", "--json"))["validate:holdout"] == "reused"
    tiny.edit("mlci.yaml", "max_difference: 5%", "max_difference: 6%")
    assert tiny.statuses(tiny.mlci("validate", "--json"))["validate:holdout"] == "pass"


def test_a_column_that_the_contract_does_not_know_is_shown_at_its_line(tiny):
    split(tiny, "after: [x, lable]")
    done = tiny.mlci("validate")
    assert done.code == 2
    assert "'holdout' has no column 'lable', by its contract" in done.err
    assert "$.data.holdout.splits[0].after[1]" in done.err
    assert "did you mean 'label'?" in done.err


def test_a_broken_split_is_told_at_its_line_of_the_config(tiny):
    split(tiny, "keys: [x, label]")
    done = tiny.mlci("validate", "--sarif", "found.sarif", GITHUB_ACTIONS="true")
    line = next(n for n, text in enumerate((tiny.root / "mlci.yaml").read_text().splitlines(), 1) if "apart" in text)
    assert f"file=mlci.yaml,line={line}," in done.err
    assert f"mlci.yaml:{line}" in done.err + done.out
    found = json.loads((tiny.root / "found.sarif").read_text())["runs"][1]["results"][0]
    place = found["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("mlci.yaml", line)


def test_options_of_files_are_refused_in_a_project(tiny):
    assert tiny.mlci("validate", "--samples", "3").code == 2
    assert tiny.mlci("validate", "--no-footer").code == 2
