"""Since when data breaks its contract: the last pass beside now, and whose change it was."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlci.evidence import provenance, results
from mlci.evidence.receipt import Material, Receipt
from mlci.evidence.record import Run, StepRecord
from mlci.steps.since import Since, since
from mlci.store import FolderStore
from tests.conftest import TinyProject


def materials(contract: str = "c1", **files: str) -> tuple[Material, ...]:
    data = [Material(f"data/{name}.parquet", f"sha256:{digest}", "data d") for name, digest in files.items()]
    return (*data, Material("contract.yaml", f"sha256:{contract}", "contract"))


def receipt(read: tuple[Material, ...], rules: dict[str, dict[str, str]] | None = None, **rest: Any) -> Receipt:
    facts = {"violations": rest.pop("violations", []), **({} if rules is None else {"rules": rules})}
    source = {"commit": "abc1234def", "dirty": False}
    builder = {"user": "ada", "host": "lab-3"}
    finished = rest.pop("finished", "2026-11-20T09:14:03.120000Z")
    verdict = rest.pop("verdict", "pass")
    return Receipt("validate:d", "k", verdict, "", {}, read, {}, (), facts, source, builder, "", finished)


def broken(rule: str = "maximum", count: int = 31, found: str = "", **files: int) -> dict[str, Any]:
    listed = [{"file": f"{name}.parquet", "count": n} for name, n in files.items()]
    return {"column": "x", "rule": rule, "count": count, "found": found, "files": listed, "samples": []}


NOW = {"x": {"maximum": "<= 1"}}
PASSED = materials(a="1", b="2")


def compare(
    violation: dict[str, Any], now: tuple[Material, ...], then: dict[str, dict[str, str]] | None = NOW, **rest: Any
) -> Since:
    facts = {"violations": [violation], "rules": NOW}
    return since(receipt(PASSED, then, **rest), "run-000007", now, facts, {})


WIDER = {"x": {"maximum": "<= 5"}}
NEW, CHANGED, SAME = materials(a="1", b="2", c="3"), materials(a="1", b="9"), materials(a="1", b="2")


@pytest.mark.parametrize(
    ("now", "contract", "then", "rows", "cause", "says"),
    [
        (NEW, "c1", NOW, {"c": 31}, "data", "all 31 rows are in c.parquet, which is new"),
        (CHANGED, "c1", NOW, {"b": 1}, "data", "the row is in b.parquet, which has changed"),
        (NEW, "c1", NOW, {"c": 2, "a": 1}, "data", "2 rows in 1 new or changed file, 1 in 1 unchanged"),
        (SAME, "c2", WIDER, {"a": 3}, "contract", "the rule was: <= 5; all 3 rows are in 1 file unchanged since"),
        (SAME, "c2", {}, {"a": 3, "b": 1}, "contract", "the rule is new; all 4 rows are in 2 files unchanged since"),
        (NEW, "c2", {}, {"c": 3}, "both", "the rule is new; all 3 rows are in c.parquet, which is new"),
        (NEW, "c2", NOW, {"c": 3}, "data", "all 3 rows are in c.parquet, which is new"),
        (NEW, "c2", None, {"c": 3}, "unclear", "all 3 rows are in c.parquet, which is new"),
        (SAME, "c2", None, {"a": 3}, "contract", "all 3 rows are in 1 file unchanged since"),
        (SAME, "c1", NOW, {"a": 3}, "unclear", "all 3 rows are in 1 file unchanged since"),
        (NEW, "c1", NOW, {}, "data", ""),
    ],
)  # fmt: skip
def test_a_broken_rule_says_whose_change_it_was(now, contract, then, rows, cause, says):
    now = (*(m for m in now if m.via != "contract"), Material("contract.yaml", f"sha256:{contract}", "contract"))
    (rule,) = compare(broken(**rows), now, then).rules
    assert (rule.cause, rule.says) == (cause, says)


def test_the_last_pass_is_named_with_what_changed_since():
    found = compare(broken(c=31), materials("c1", a="1", b="9", c="3"))
    assert found.says == (
        "since run-000007 of 2026-11-20 09:14 UTC, by ada@lab-3 at commit abc1234: 1 new and 1 changed of 3 files;"
        " the contract is as it was"
    )
    assert (found.new, found.changed) == (("data/c.parquet",), ("data/b.parquet",))
    assert found.facts()["passed"] == {
        "run": "run-000007",
        "at": "2026-11-20T09:14:03.120000Z",
        "who": "ada@lab-3",
        "commit": "abc1234def",
        "dirty": False,
    }


def test_a_file_with_another_name_is_not_new():
    found = compare(broken(moved=2), materials(a="1", moved="2"))
    assert (found.new, found.changed, found.rules[0].cause) == ((), (), "unclear")


def test_a_file_that_cannot_be_read_is_told_new_or_not():
    torn = {**broken("readable", 1), "samples": [{"(file)": "c.parquet", "(problem)": "cut"}]}
    assert compare(torn, materials(a="1", c="3")).rules[0].says == "c.parquet is new"


def test_what_was_a_warning_then_says_so():
    earlier = {"column": "x", "rule": "maximum", "count": 4, "found": ""}
    (rule,) = compare(broken(a=3, c=3), NEW, violations=[earlier]).rules
    assert rule.says.startswith("4 rows broke it then; ")


def test_data_that_never_passed_says_so():
    found = since(None, None, PASSED, {"violations": [broken(a=3)]}, {})
    assert (found.says, found.passed) == ("no earlier validation of this data has passed", None)


def test_the_last_pass_is_found_after_failures_and_with_its_run(tmp_path: Path):
    store = FolderStore(tmp_path / "store")
    stamp = "2026-11-{:02d}T09:00:00.000000Z".format
    for day, (verdict, reused) in enumerate([("pass", False), ("pass", True), ("fail", False), ("fail", False)], 1):
        made = receipt(PASSED, verdict=verdict, finished=stamp(1 if reused else day))
        results.save(store, made)
        record = StepRecord(made.step, (), made.verdict, reused, 0.1, "", made)
        run_id = results.next_run_id(store)
        results.save_run(store, Run(run_id, "p", "mlci run", stamp(day), stamp(day), 0, (record,)))
    last = results.last_passed(store, "validate:d")
    assert last
    assert (last.finished, results.run_of(store, last)) == (stamp(1), "run-000001")
    assert results.last_passed(store, "validate:other") is None
    assert results.run_of(store, receipt(SAME, finished=stamp(9))) is None


def test_git_says_who_changed_a_file_last(tmp_path: Path):
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Grace", "-c", "user.email=g@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "contract.yaml"
    file.write_text("one")
    assert provenance.last_change(tmp_path, "contract.yaml") == {}
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    assert provenance.last_change(tmp_path, "contract.yaml")["who"] == "Grace"
    file.write_text("two")
    assert provenance.last_change(tmp_path, "contract.yaml") == {"commit": ""}
    git("commit", "-qam", "two")
    git("clone", "-q", "--depth", "1", tmp_path.as_uri(), "shallow")
    assert provenance.last_change(tmp_path / "shallow", "contract.yaml") == {}


def test_a_project_tells_bad_data_from_a_tightened_contract(tiny: TinyProject):
    def write(name: str, select: str) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{tiny.root / 'data' / name}' (FORMAT parquet)")

    def told() -> dict[str, Any]:
        done = tiny.mlci("validate", "--json")
        assert done.code == 1, done.err
        return next(s for s in done.json["steps"] if s["name"] == "validate:train")["receipt"]["predicate"]["facts"]

    tiny.edit("mlci.yaml", "path: data/train.parquet", "path: data/train*.parquet")
    assert tiny.mlci("validate").code == 0
    write("train-2.parquet", "SELECT range + 9000 AS id, 1.5 AS x, 0 AS label FROM range(7)")
    facts = told()
    assert [rule["cause"] for rule in facts["since"]["rules"]] == ["data"]
    assert facts["since"]["says"].startswith("since run-000001 of ")
    assert facts["since"]["says"].endswith("1 new of 2 files; the contract is as it was")
    again = tiny.mlci("validate")
    assert "fail, reused" in again.out
    assert "x  maximum: expected <= 1; 7 rows" in again.err
    assert "since run-000001 of " in again.err
    (tiny.root / "data" / "train-2.parquet").unlink()
    tiny.edit("contract.yaml", "maximum: 1}", "maximum: 0.5}")
    facts = told()
    assert [(rule["cause"], rule["was"]) for rule in facts["since"]["rules"]] == [("contract", "<= 1")]
    assert "no file is new or has changed; the contract has changed" in facts["since"]["says"]
