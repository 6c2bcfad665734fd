from __future__ import annotations

import os
import shlex
import sys
import threading
from pathlib import Path

import pytest

from mlci.config.judging import Columns, Suite
from mlci.errors import Interrupted, WorldError
from mlci.gate import suites
from mlci.gate.suites import Found, Job, Rows, command

PASSES = """
import json, os
rows = {name: os.environ[name] for name in ("MLCI_HOLDOUT", "MLCI_PREDICTIONS", "MLCI_TASK", "MLCI_MODEL")}
found = [{"title": "what it was told", "severity": "note", "detail": json.dumps(rows)}]
json.dump({"checks": 3, "findings": found}, open(os.environ["MLCI_FINDINGS"], "w"))
open(os.environ["MLCI_HTML"], "w").write("<h1>All is well</h1>")
"""
FAILS = """
import json, os
found = [
    {"title": "tone", "severity": "warn"},
    {"title": "profit", "severity": "error", "detail": "-3 EUR a row", "checked": "profit is at least 0"},
]
json.dump({"checks": 2, "findings": found}, open(os.environ["MLCI_FINDINGS"], "w"))
"""


@pytest.fixture
def run(tmp_path: Path):
    """Judge what a program finds."""

    def run(program: str, *, env: dict[str, str] | None = None, stop: bool = False, said=None, **options):
        script = tmp_path / "checks.py"
        script.write_text(program)
        asked = suites.asked(Suite(command=(sys.executable, str(script)), **options))
        folder = tmp_path / "own"
        folder.mkdir()
        event = threading.Event()
        if stop:
            event.set()
        rows = Rows(tmp_path / "rows.parquet", tmp_path / "predictions.parquet", 10, 10)
        job = Job(
            argument=asked.argument,
            options=asked.options,
            holdout=rows,
            train=None,
            columns=Columns(id="id", label="y", score="score"),
            task="classification",
            root=tmp_path,
            folder=folder,
            env={**os.environ, "MLCI_MODEL": "/model", **(env or {})},
            log=tmp_path / "log",
            say=(said if said is not None else []).append,
            stop=event,
        )
        return suites.judge(asked, job)

    return run


def test_a_program_without_errors_passes_and_is_told_where_everything_is(run, tmp_path: Path) -> None:
    judged = run(PASSES)
    assert (judged.verdict, judged.checks) == ("pass", 3)
    told = judged.findings[0].detail
    assert str(tmp_path / "rows.parquet") in told and str(tmp_path / "predictions.parquet") in told
    assert '"/model"' in told and '"classification"' in told
    assert judged.html is not None and judged.html.read_text() == "<h1>All is well</h1>"


def test_an_error_fails_and_stands_before_what_is_less(run) -> None:
    judged = run(FAILS)
    assert judged.verdict == "fail"
    assert [found.severity for found in judged.findings] == ["error", "warn"]
    assert judged.errors == (Found("profit", "error", "-3 EUR a row", "profit is at least 0"),)
    assert judged.facts("sha256:1")["findings"][0] == {
        "title": "profit",
        "severity": "error",
        "detail": "-3 EUR a row",
        "checked": "profit is at least 0",
    }
    assert any("profit: -3 EUR a row" in line for line in judged.lines())


def test_an_error_of_an_advisory_suite_is_a_warning(run) -> None:
    judged = run(FAILS, severity="warn")
    assert judged.verdict == "pass"
    assert {found.severity for found in judged.findings} == {"warn"}


def test_a_suite_that_checked_nothing_does_not_pass_even_when_it_is_advisory(run) -> None:
    nothing = FAILS.replace('"checks": 2', '"checks": 0').replace("found = [", "found = [] and [")
    judged = run(nothing, severity="warn")
    assert judged.verdict == "fail"
    assert judged.findings[0].title == "nothing was checked"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('no data'); raise SystemExit(1)", r"failed with exit code 1\nno data"),
        ("import os; os.kill(os.getpid(), 9)", "exit code 137"),
        ("pass", r"wrote no findings to \$MLCI_FINDINGS"),
        (FAILS + "\nraise SystemExit(1)", "exit code 1"),
    ],
)
def test_a_program_that_crashes_or_writes_nothing_gives_no_verdict(run, program: str, message: str) -> None:
    with pytest.raises(WorldError, match=rf"(?s)the suite command: .* did not come to a verdict: .*{message}"):
        run(program)


def test_a_program_that_hangs_is_ended_and_gives_no_verdict(run) -> None:
    with pytest.raises(WorldError, match=r"did not end within 0.3 s"):
        run("import time; time.sleep(60)", timeout=0.3)


def test_a_program_ends_when_mlci_is_stopped(run) -> None:
    with pytest.raises(Interrupted):
        run("import time; time.sleep(60)", stop=True)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        (b'{"checks": 1,\n "findings": [}', "not JSON, line 2, column 15"),
        (b"\xff\xfe", "not UTF-8, at byte 0"),
        (b"[]", "wrong at the top"),
        (b'{"findings": []}', "wrong at the top: .*checks"),
        (b'{"checks": true, "findings": []}', "wrong at checks"),
        (b'{"checks": 1, "findings": [{"title": "a", "severity": "bad"}]}', r"wrong at findings\[0\].severity"),
        (b'{"checks": 1, "findings": [{"severity": "warn"}]}', r"wrong at findings\[0\]: .*title"),
        (b'{"checks": 1, "findings": [{"title": "a", "severty": "warn", "severity": "note"}]}', "severty"),
        (b"[" * 100_000, "cannot be read|not JSON"),
    ],
)
def test_findings_that_are_not_as_they_should_be_are_an_error_with_the_place(
    tmp_path: Path, written: bytes, place: str
) -> None:
    file = tmp_path / "findings.json"
    file.write_bytes(written)
    with pytest.raises(WorldError, match=place) as error:
        command.read(file)
    assert "checks" in error.value.help


def test_what_a_program_says_finds_and_shows_is_masked(run) -> None:
    program = """
import json, os
secret = os.environ["SHOP_TOKEN"]
print("with", secret)
open(os.environ["MLCI_HTML"], "w").write(secret)
json.dump({"checks": 1, "findings": [{"title": secret, "severity": "error"}]}, open(os.environ["MLCI_FINDINGS"], "w"))
"""
    said: list[str] = []
    judged = run(program, env={"SHOP_TOKEN": "hunter2hunter2"}, said=said)
    assert said == ["with ***"]
    assert judged.findings[0].title == "***"
    assert judged.html.read_text() == "***"


def test_texts_and_lists_without_end_are_cut_and_the_cut_is_said(run) -> None:
    program = """
import json, os
found = [{"title": f"a\\n{i}", "severity": "note", "detail": "x" * 9999} for i in range(600)]
json.dump({"checks": 1, "findings": found}, open(os.environ["MLCI_FINDINGS"], "w"))
"""
    facts = run(program).facts(None)
    assert (len(facts["findings"]), facts["findings_left"]) == (500, 100)
    assert facts["findings"][0]["title"] == "a 0"
    assert len(facts["findings"][0]["detail"]) == 2000


def test_a_command_is_known_by_its_words_however_it_is_written() -> None:
    argv = ("python", "checks.py", "two words")
    assert suites.name_of(Suite(command=argv)) == suites.name_of(Suite(suite=f"command: {shlex.join(argv)}"))
