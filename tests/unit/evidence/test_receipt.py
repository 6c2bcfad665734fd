"""The receipt is an in-toto Statement v1, and reads back as it was."""

from __future__ import annotations

import json

import pytest

from mlci.evidence.receipt import Finding, Material, Receipt

RECEIPT = Receipt(
    step="train",
    key="ab" * 32,
    verdict="pass",
    summary="trained",
    subjects={"model": "sha256:" + "1" * 64},
    materials=(Material("train.py", "sha256:" + "2" * 64, "the command names it"),),
    config={"params": {"a": 1}},
    findings=(Finding("warning", "slow"),),
    facts={"seconds": 1.5},
    source={"commit": "c" * 40, "dirty": False},
    builder={"user": "ada"},
    started="2026-01-01T00:00:00.000000Z",
    finished="2026-01-01T00:00:01.000000Z",
)


def test_the_statement_has_the_shape_of_the_specification() -> None:
    statement = json.loads(RECEIPT.to_bytes())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "model", "digest": {"sha256": "1" * 64}}]
    assert statement["predicate"]["materials"][0]["digest"] == {"sha256": "2" * 64}


def test_a_receipt_reads_back_as_it_was_and_to_the_same_bytes() -> None:
    again = Receipt.from_bytes(RECEIPT.to_bytes())
    assert again == RECEIPT
    assert again.to_bytes() == RECEIPT.to_bytes()


def test_another_statement_is_refused() -> None:
    statement = {**json.loads(RECEIPT.to_bytes()), "predicateType": "https://slsa.dev/provenance/v1"}
    with pytest.raises(ValueError, match="not an mlci receipt"):
        Receipt.from_bytes(json.dumps(statement).encode())
