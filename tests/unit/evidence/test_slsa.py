"""The provenance is a SLSA v1 predicate, made of receipts and of nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlci.evidence import provenance as who
from mlci.evidence.receipt import Material, Receipt
from mlci.evidence.slsa import provenance
from mlci.evidence.statement import parse_statement

TRAIN = Receipt(
    step="train",
    key="a" * 64,
    verdict="pass",
    summary="",
    subjects={"model": "sha256:" + "3" * 64},
    materials=(Material("train.py", "sha256:" + "1" * 64), Material("data/a.parquet", "sha256:" + "2" * 64)),
)
BUILD = replace(
    TRAIN,
    step="build",
    subjects={"image": "sha256:" + "4" * 64},
    materials=(Material("model", "sha256:" + "3" * 64), Material("train.py", "sha256:" + "1" * 64)),
    config={"base": "scratch"},
    source={"commit": "c" * 40, "dirty": True},
    builder={"user": "grace", "host": "here", "versions": {"mlci": "1"}},
    started="2026-01-01T00:00:00.000000Z",
    finished="2026-01-01T00:00:01.000000Z",
)


def test_what_the_build_and_the_training_read_is_listed_once_with_the_commit_first() -> None:
    said = parse_statement(provenance(BUILD, [TRAIN]))
    assert said.predicate_type == "https://slsa.dev/provenance/v1"
    assert said.is_about("sha256:" + "4" * 64)
    definition = said.predicate["buildDefinition"]
    assert definition["externalParameters"] == {"image": {"base": "scratch"}}
    source, *read = definition["resolvedDependencies"]
    assert source == {"name": "source", "digest": {"gitCommit": "c" * 40}, "annotations": {"dirty": True}}
    assert [(d["name"], d["digest"]["sha256"][0]) for d in read] == [
        ("data/a.parquet", "2"),
        ("model", "3"),
        ("train.py", "1"),
    ]


def test_a_laptop_promises_nothing_and_is_told_by_its_receipt() -> None:
    details = parse_statement(provenance(BUILD)).predicate["runDetails"]
    assert details["builder"] == {"id": "https://mlci.dev/builders/local", "version": {"mlci": "1"}}
    assert details["metadata"]["invocationId"].startswith("urn:mlci:receipt:sha256:")
    assert details["metadata"]["startedOn"] == "2026-01-01T00:00:00.000000Z"
    assert "grace" not in json.dumps(details)


def test_a_github_run_is_the_builder_with_its_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/flights",
        "GITHUB_RUN_ID": "7",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_WORKFLOW_REF": "acme/flights/.github/workflows/ship.yml@refs/heads/main",
    }.items():
        monkeypatch.setenv(name, value)
    who.builder.cache_clear()
    build = replace(BUILD, builder=who.builder())
    who.builder.cache_clear()
    predicate = parse_statement(provenance(build)).predicate
    run = predicate["runDetails"]
    assert run["builder"]["id"] == "https://github.com/acme/flights/.github/workflows/ship.yml@refs/heads/main"
    assert run["metadata"]["invocationId"] == "https://github.com/acme/flights/actions/runs/7"
    definition = predicate["buildDefinition"]
    assert definition["resolvedDependencies"][0]["uri"] == "git+https://github.com/acme/flights@refs/heads/main"
    assert definition["externalParameters"]["source"] == {
        "repository": "https://github.com/acme/flights",
        "ref": "refs/heads/main",
    }


def test_equal_receipts_give_equal_bytes() -> None:
    again = Receipt.from_bytes(BUILD.to_bytes())
    assert provenance(again, [TRAIN]) == provenance(BUILD, [TRAIN])


def test_the_in_toto_project_reads_it_to_the_last_field() -> None:
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement_pb2 import Statement

    document = json.loads(provenance(BUILD, [TRAIN]))
    json_format.ParseDict(document, Statement())
    read = json_format.ParseDict(document["predicate"], Provenance())  # an unknown field is an error
    assert read.build_definition.resolved_dependencies[0].name == "source"
    assert read.run_details.metadata.started_on.ToJsonString() == "2026-01-01T00:00:00Z"


def test_sigstore_takes_it_for_a_statement() -> None:
    from sigstore.dsse import Statement

    Statement(provenance(BUILD, [TRAIN]))
