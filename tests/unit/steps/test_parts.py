"""What `mlci validate` remembers of each file, and when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlci.steps.parts import KIND
from mlci.store import Descriptor, FolderStore, put_artifact, read_layers

CONTRACT: dict[str, Any] = {"properties": {"id": {"type": "integer", "minimum": 0}}, "x-table": {"unique": ["id"]}}


def day(tiny, name: str, rows: str = "range AS id FROM range(10)") -> Path:
    file = tiny.root / "data" / "days" / f"{name}.parquet"
    file.parent.mkdir(exist_ok=True)
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT {rows}) TO '{file}' (FORMAT parquet)")
    return file


@pytest.fixture
def days(tiny):
    """Two datasets of one contract: one of two days, one of one file."""
    day(tiny, "d1"), day(tiny, "d2", "range + 100 AS id FROM range(10)")
    (tiny.root / "days.json").write_text(json.dumps(CONTRACT))
    tiny.edit("mlci.yaml", "{path: data/train.parquet, contract: contract.yaml}", "{path: data/train.parquet}")
    more = "days: {path: data/days/*.parquet, contract: days.json}\n"
    more += "  one: {path: data/days/d1.parquet, contract: days.json}"
    tiny.edit("mlci.yaml", "{path: data/holdout.parquet, contract: contract.yaml}", f"{{path: data/x.csv}}\n  {more}")
    return tiny


def judged(tiny, code: int = 0) -> dict[str, dict[str, Any]]:
    """The facts of each step."""
    done = tiny.mlci("validate", "--json")
    assert done.code == code, done.err
    return {step["name"]: step["receipt"]["predicate"]["facts"] for step in done.json["steps"]}


def memories(tiny, dataset: str = "days") -> list[str]:
    return [
        tag for tag in FolderStore(tiny.root / ".mlci" / "store").tags() if tag.startswith(f"parts-validate.{dataset}")
    ]


def kept(tiny, tag: str) -> tuple[str, dict[str, Any]]:
    store = FolderStore(tiny.root / ".mlci" / "store")
    (layer,) = read_layers(store.get_manifest(tag))
    with store.open_blob(layer.digest) as stream:
        return layer.digest, json.loads(stream.read())


def marked(tiny, tag: str) -> None:
    """Every file that is known has a thousand rows more, so that a report says which were."""
    store = FolderStore(tiny.root / ".mlci" / "store")
    _, parts = kept(tiny, tag)
    raw = json.dumps({key: {**part, "rows": part["rows"] + 1000} for key, part in parts.items()}).encode()
    digest, size = store.put_blob(iter([raw]))
    put_artifact(store, KIND, [Descriptor(KIND, digest, size)], tag=tag)


def rows(facts: dict[str, dict[str, Any]]) -> int:
    return int(facts["validate:days"]["rows"])


def test_only_a_new_file_is_read_and_the_datasets_of_a_contract_do_not_mix(days):
    assert rows(judged(days)) == 20
    (tag,) = memories(days)
    marked(days, tag)
    day(days, "d3", "range + 200 AS id FROM range(5)")
    facts = judged(days)
    assert rows(facts) == 2025
    assert facts["validate:one"]["rows"] == 10
    (days.root / "data" / "days" / "d1.parquet").rename(days.root / "data" / "days" / "d9.parquet")
    days.edit("mlci.yaml", "data/days/d1.parquet", "data/days/d9.parquet")
    assert rows(judged(days)) == 2025  # under another name as well


def test_another_contract_reads_every_file(days):
    judged(days)
    marked(days, memories(days)[0])
    (days.root / "days.json").write_text(json.dumps({**CONTRACT, "title": "other"}))
    assert rows(judged(days)) == 20
    assert len(memories(days)) == 2


@pytest.mark.parametrize("where", ["codes", "data/days/d1"])
def test_another_file_of_a_rule_reads_every_file_also_where_it_is_one_of_the_dataset(days, where):
    file = day(days, "d1")
    if where == "codes":
        file = file.rename(days.root / "codes.parquet")
        day(days, "d1")
    rule = {"columns": ["id"], "references": f"{where}.parquet", "severity": "warn"}
    (days.root / "days.json").write_text(json.dumps({**CONTRACT, "x-table": {"foreignKeys": [rule]}}))
    (found,) = judged(days)["validate:days"]["violations"]
    assert found["count"] == 10
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT range + 100 AS id FROM range(10)) TO '{file}' (FORMAT parquet)")
    found = judged(days)["validate:days"]["violations"]
    assert sum(v["count"] for v in found) == (10 if where == "codes" else 0)


def test_a_copy_of_a_known_file_repeats_its_keys(days):
    judged(days)
    day(days, "copy").write_bytes((days.root / "data" / "days" / "d1.parquet").read_bytes())
    (found,) = judged(days, code=1)["validate:days"]["violations"]
    assert (found["rule"], found["count"]) == ("unique", 10)


def test_a_memory_that_is_corrupt_is_passed_over_and_written_anew(days):
    judged(days)
    (tag,) = memories(days)
    digest, _ = kept(days, tag)
    blob = days.root / ".mlci" / "store" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)
    day(days, "d3", "range + 200 AS id FROM range(5)")
    assert rows(judged(days)) == 25
    assert len(kept(days, tag)[1]) == 3


def test_values_that_are_sensitive_are_not_kept(days):
    secret = {"type": "string", "maxLength": 3, "x-sensitive": True}
    table = {"unique": ["mail"], "distinct": {"mail": {"max": 1}}, "monotonic": {"mail": "decreasing"}}
    contract = {"properties": {"mail": secret}, "x-table": table}
    (days.root / "days.json").write_text(json.dumps(contract))
    for name in ("d1", "d2"):
        day(days, name, f"'{name}-alice@example.com' || range AS mail FROM range(3)")
    judged(days, code=1)
    for tag in [*memories(days), *memories(days, "one")]:
        assert "alice" not in json.dumps(kept(days, tag)[1])


def test_freshness_is_asked_anew_of_files_that_are_known(days):
    for name in ("d1", "d2"):
        day(days, name, "now()::TIMESTAMP AS at")
    rule = {"freshness": {"at": {"minAge": "3s", "severity": "warn"}}}
    (days.root / "days.json").write_text(json.dumps({"x-table": rule}))
    first = judged(days)["validate:days"]["violations"]
    found = first
    while found:  # at the latest after three seconds it is old enough
        found = judged(days)["validate:days"]["violations"]
