"""Commands that need no project: a contract over files, and contracts as code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.cli import run
from mlci.github import Annotation, commands

CONTRACT = "required: [id]\nproperties:\n  id: {type: integer, maximum: 2}\n  name: {type: string}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    Path("contract.yaml").write_text(CONTRACT)
    Path("good.csv").write_text("id,name\n1,a\n2,b\n")
    Path("bad.csv").write_text("id,name\n1,a\n3,b\n4,c\n")
    return tmp_path


def test_files_that_keep_their_contract_are_0_and_others_are_1(capsys):
    assert run(["validate", "good.csv", "--contract", "contract.yaml"]) == 0
    assert capsys.readouterr().out == "2 rows, 2 columns: all rules kept\n"
    assert run(["validate", "bad.csv", "--contract", "contract.yaml", "--samples", "1"]) == 1
    out = capsys.readouterr().out
    assert "id  maximum: expected <= 2; 2 rows (66.67 %)" in out
    assert "contract.yaml:3" in out
    assert out.count("bad.csv") == 1


def test_json_is_the_facts_and_the_verdict(capsys):
    assert run(["validate", "*.csv", "--contract", "contract.yaml", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["rows"], found["files"]) == ("fail", 5, 2)
    assert [(v["column"], v["rule"], v["count"]) for v in found["violations"]] == [("id", "maximum", 2)]


def test_a_mistake_is_2_and_a_missing_file_3(capsys):
    Path("wrong.yaml").write_text("properties: {id: {type: integr}}\n")
    assert run(["validate", "good.csv", "--contract", "wrong.yaml"]) == 2
    assert "wrong.yaml:1:25" in capsys.readouterr().err
    assert run(["validate", "good.csv"]) == 2
    assert run(["validate", "--contract", "contract.yaml"]) == 2
    assert run(["validate", "good.csv", "--contract", "contract.yaml", "--force"]) == 2
    assert run(["validate", "none.csv", "--contract", "contract.yaml"]) == 3
    assert run(["validate", "none-*.csv", "--contract", "contract.yaml"]) == 3


def test_a_folder_is_worked_in(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert run(["-C", str(tmp_path), "validate", "good.csv", "--contract", "contract.yaml"]) == 0
    assert run(["-C", str(tmp_path / "none"), "validate", "good.csv", "--contract", "contract.yaml"]) == 2


def test_on_a_runner_each_broken_rule_is_an_annotation_on_its_line(folder, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    assert run(["validate", "bad.csv", "--contract", "contract.yaml", "--json"]) == 1
    out, err = capsys.readouterr()
    json.loads(out)
    assert err == "::error file=contract.yaml,line=3,title=id%3A maximum::expected <= 2; 2 of 3 rows\n"


def test_a_rule_that_only_warns_is_a_warning_after_the_errors(folder, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(folder))
    Path("warns.yaml").write_text("properties:\n  name: {x-severity: warn, enum: [a]}\n  id: {maximum: 3}\n")
    assert run(["validate", "bad.csv", "--contract", "warns.yaml", "--json"]) == 1
    error, warning = capsys.readouterr().err.splitlines()
    assert error.startswith("::error file=warns.yaml,line=3,")
    assert warning.startswith("::warning file=warns.yaml,line=2,")


def test_sarif_is_written_whatever_else_is_printed(folder, capsys):
    assert run(["validate", "bad.csv", "--contract", "contract.yaml", "--sarif", "out/found.sarif", "--json"]) == 1
    json.loads(capsys.readouterr().out)
    (result,) = json.loads(Path("out/found.sarif").read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["locations"][0]["physicalLocation"]["region"]["startLine"]) == ("id/maximum", 3)
    assert run(["validate", "good.csv", "--contract", "contract.yaml", "--sarif", "found.sarif"]) == 0
    assert json.loads(Path("found.sarif").read_text())["runs"][0]["results"] == []


def test_in_a_project_too_a_broken_rule_is_an_annotation_and_in_the_sarif(tiny):
    tiny.edit("contract.yaml", "maximum: 1}", "maximum: 0.5}")
    there = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tiny.root), "GITHUB_STEP_SUMMARY": ""}
    for _ in range(2):  # also when the verdict is reused
        done = tiny.mlci("validate", "--sarif", "found.sarif", **there)
        said = [line for line in done.err.splitlines() if line.startswith("::")]
        assert done.code == 1
        assert [line.partition("::expected")[0] for line in said] == [
            "::error file=contract.yaml,line=6,title=x%3A maximum"
        ] * 2
    runs = json.loads((tiny.root / "found.sarif").read_text())["runs"]
    assert [one["automationDetails"]["id"] for one in runs] == ["mlci validate/train/", "mlci validate/holdout/"]


def test_an_annotation_cannot_be_ended_from_inside():
    evil = Annotation("error", "a,b:c\n::error::x", "100%\r\n::set-output name=x::y", Path("a,b.yaml"), 3)
    assert commands([evil]) == [
        "::error file=a%2Cb.yaml,line=3,title=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax::100%25%0D%0A::set-output name=x::y"
    ]


def test_a_runner_is_told_how_many_it_would_have_dropped():
    many = [Annotation("error", str(i), "x", Path("c.yaml")) for i in range(25)]
    assert len(commands(many)) == 10
    assert commands(many)[-1].endswith("::and 16 more, in the step's log")


def test_an_inferred_contract_is_kept_by_its_data(capsys):
    assert run(["contract", "infer", "*.csv", "-o", "made/first.yaml"]) == 0
    assert capsys.readouterr().out == ""
    assert run(["validate", "good.csv", "bad.csv", "--contract", "made/first.yaml"]) == 0


def test_a_breaking_change_is_1_unless_it_is_allowed(capsys):
    Path("new.yaml").write_text(CONTRACT.replace("maximum: 2", "maximum: 3"))
    assert run(["contract", "diff", "contract.yaml", "new.yaml"]) == 1
    assert "id  maximum  widened  breaks consumers" in capsys.readouterr().out
    assert run(["contract", "diff", "contract.yaml", "new.yaml", "--allow", "consumers", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "compatible"
    assert found["changes"] == [
        {
            "path": ["id"],
            "keyword": "maximum",
            "kind": "widened",
            "says": "maximum 2 → maximum 3",
            "breaks": ["consumers"],
        }
    ]
    assert run(["contract", "diff", "contract.yaml", "contract.yaml"]) == 0
    assert capsys.readouterr().out == "no change\n"


def test_the_page_of_a_contract_has_its_columns(capsys):
    assert run(["contract", "docs", "contract.yaml"]) == 0
    assert capsys.readouterr().out == (
        "# contract\n\n2 columns, 1 of them required. Other columns may be there, with any values.\n\n"
        "| column | type | | rules | |\n|---|---|---|---|---|\n"
        "| `id` | integer | required | ≤ `2` |  |\n| `name` | string | optional |  |  |\n"
    )


def test_without_files_the_datasets_of_the_project_are_judged(tiny):
    done = tiny.mlci("validate", "--json")
    assert done.code == 0
    assert {step["name"] for step in done.json["steps"]} == {"validate:train", "validate:holdout"}


def test_a_place_that_cannot_be_written_is_told(capsys, tmp_path):
    (tmp_path / "folder").mkdir()
    assert run(["validate", "good.csv", "--contract", "contract.yaml", "--sarif", "folder"]) == 3
    assert run(["contract", "docs", "contract.yaml", "-o", "folder"]) == 3
    told = capsys.readouterr().err
    assert told.count("cannot write folder: Is a directory") == 2
    assert [file.name for file in tmp_path.glob(".*")] == []


def test_a_source_without_what_is_wanted_says_so(capsys):
    assert run(["contract", "import", "contract.yaml", "--from", "dbt"]) == 2
    assert "there is no model in it" in capsys.readouterr().err
