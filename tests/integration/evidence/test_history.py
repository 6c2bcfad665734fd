"""`mlci history`, `audit` and `rollback` of an environment that is tags alone, as a user calls them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from mlci.evidence import promotions, signing
from mlci.evidence.signing.signers import key_signer
from mlci.store import FolderStore
from tests.conftest import TinyProject
from tests.logkit import image, move

CONFIG = """\
version: 1
project: small
environments: {prod: {}}
signing: {key: env:CI_KEY, signers: {ci: {public_key: ci.pub}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    """Three signed promotions."""
    (tmp_path / "mlci.yaml").write_text(CONFIG)
    signing.generate(tmp_path / "ci")
    signer = key_signer(signing.load_private(tmp_path / "ci"))
    store = store_of(tmp_path)
    for name in "abc":
        move(store, image(store, name), signer, why=f"=try({name})")
    return TinyProject(tmp_path)


def store_of(root: Path) -> FolderStore:
    return FolderStore(root / ".mlci" / "store")


def digests(project: TinyProject) -> list[str | None]:
    return [entry.digest for entry in promotions.history(store_of(project.root), "prod")]


def test_what_was_there_at_a_moment_on_a_day_and_who_signed_it(project: TinyProject) -> None:
    rows = project.mlci("history", "prod", "--json").json
    assert [(row["number"], row["signer"], row["who"]) for row in rows] == [
        (number, "ci", "ann@laptop") for number in (1, 2, 3)
    ]
    assert [row["until"] for row in rows] == [rows[1]["from"], rows[2]["from"], None]
    then = project.mlci("history", "prod", "--json", "--at", rows[1]["from"]).json
    assert [row["number"] for row in then] == [2]
    assert len(project.mlci("history", "prod", "--json", "--at", rows[0]["from"][:10]).json) == 3
    assert project.mlci("history", "prod", "--json", "--at", "2025-12-31").json == []
    assert project.mlci("history", "prod", "--at", "yesterday").code == 2
    assert "ann@laptop" in project.mlci("history", "prod").out


def test_the_audit_exports_what_a_spreadsheet_and_a_program_read(project: TinyProject) -> None:
    done = project.mlci("audit", "prod", "--csv")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["why"] == "'=try(a)"  # not a formula
    store = store_of(project.root)
    store.untag("prod-000002")
    done = project.mlci("audit", "prod", "--jsonl")
    assert done.code == 1
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [bool(line["problems"]) for line in lines] == [False, True, False]
    assert "record 2: it has no tag prod-000002" in done.err
    assert "1 things do not hold" in project.mlci("audit", "prod").out
    assert project.mlci("audit", "nowhere").code == 2


def test_a_rollback_whose_target_is_gone_is_refused_before_anything_is_touched(project: TinyProject) -> None:
    store = store_of(project.root)
    first, second, third = digests(project)
    (store.root / "blobs" / "sha256" / str(second)[7:]).unlink()
    before = (store.root / "index.json").read_bytes()
    refused = project.mlci("rollback", "prod")
    assert refused.code == 3
    assert f"of {second} the store has not" in refused.err and "nothing was changed" in refused.err
    assert promotions.current(store, "prod") == store.resolve("prod") == third
    assert store.tags("prod") == ["prod", *(f"prod-00000{n}" for n in (1, 2, 3)), "prod.log"]
    assert before.count(b"prod") == (store.root / "index.json").read_bytes().count(b"prod")
    assert project.mlci("rollback", "prod", "--to", "1").code == 0
    assert store.resolve("prod") == first
    again = project.mlci("rollback", "prod", "--to", "1")
    assert again.code == 0
    assert digests(project) == [first, second, third, first]
    assert project.mlci("rollback", "prod", "--to", "9").code == 2


@pytest.mark.parametrize("key", ["", "no key at all"])
def test_a_key_that_fails_does_not_stop_a_rollback_and_the_audit_says_so(project: TinyProject, key: str) -> None:
    done = project.mlci("rollback", "prod", CI_KEY=key)
    assert done.code == 0
    assert "not signed" in done.err
    assert store_of(project.root).resolve("prod") == digests(project)[1]
    found = project.mlci("audit", "prod", "--json")
    assert found.code == 1
    assert found.json["problems"] == [{"where": "record 4", "what": "nobody has signed it"}]


def test_a_rollback_is_signed_and_leads_to_what_somebody_trusted_put_there(project: TinyProject) -> None:
    store = store_of(project.root)
    evil = image(store, "evil")
    move(store, evil)  # by somebody who has the store, and not the key
    move(store, str(digests(project)[0]), key_signer(signing.load_private(project.root / "ci")))
    done = project.mlci("rollback", "prod", CI_KEY=(project.root / "ci").read_text())
    assert done.code == 0
    assert store.resolve("prod") == digests(project)[2] != evil
    rows = project.mlci("history", "prod", "--json").json
    assert [row["signer"] for row in rows] == ["ci", "ci", "ci", None, "ci", "ci"]
    assert rows[-1]["kind"] == "rollback" and rows[-1]["restores"] == 3
