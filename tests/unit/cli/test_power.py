"""`mlci deploy ENV --power`: what is said before anything is deployed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.cli import run

CANARY = "{steps: [20%, 50%], analysis: {timeout: 5s, errors: {margin: 2%}, latency: {quantiles: [p90]}}}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(CANARY)
    return tmp_path


def write(deploy: str) -> None:
    Path("mlci.yaml").write_text(f"version: 1\nproject: x\nenvironments:\n  prod:\n    deploy: {deploy}\n")


def test_it_says_what_would_be_found_and_how_soon(capsys):
    assert run(["deploy", "prod", "--power", "--traffic", "200/s", "--errors", "1%"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "prod: 200 requests/s, steps of 20, 50 %, at most 5 s"
    assert out[1].startswith("false alarms: at most 1 % of canaries")
    assert "against 1 % is taken back in " in out[2]
    assert out[3].startswith("p90: ")
    assert [line.split()[0] for line in out if line[:3] in ("err", "p90")].count("errors") >= 5


def test_json_has_the_cases_and_is_always_the_same(capsys):
    found = []
    for _ in range(2):
        assert run(["deploy", "prod", "--power", "--traffic", "50", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert (found[0]["environment"], found[0]["traffic"], found[0]["alarms"]) == ("prod", 50.0, 0.01)
    assert found[0]["cases"][-1]["back"] == 1.0
    assert set(found[0]["detected"]) == {"errors", "p90"}
    assert not Path(".mlci").exists()


@pytest.mark.parametrize(
    ("deploy", "options", "message"),
    [
        (CANARY, ["--power"], "how much traffic is there?"),
        (CANARY, ["--power", "--traffic", "fast"], "not a rate of requests: fast"),
        (CANARY, ["--power", "--traffic", "0"], "not a rate of requests: 0"),
        (CANARY, ["--power", "--traffic", "nan"], "not a rate of requests: nan"),
        (CANARY, ["--power", "--traffic", "5", "--errors", "80%"], "not a share of failures up to 50 %: 80%"),
        (CANARY, ["--traffic", "5"], "--traffic and --errors belong to --power"),
        ("{strategy: recreate}", ["--power", "--traffic", "5"], "prod has no canary"),
        ("{analysis: {always_valid: false, step_time: 9s}}", ["--power", "--traffic", "5"], "no rate of false alarms"),
    ],
)
def test_what_cannot_be_told_is_a_mistake_with_a_way_out(capsys, deploy, options, message):
    write(deploy)
    assert run(["deploy", "prod", *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "help: " in err
