"""The lineage of an image, read from the receipts on it: data, code, parameters, gate, environments, deployments.

Only what the receipts say; a part that none of them says is not there. The newest receipt of a step that passed counts,
for a digest has one training and one build; promotions and deployments are all told, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlci.evidence.receipt import Receipt

_MOVES = ("promote", "rollback")


def story(digest: str, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """The lineage as JSON-ready facts: `digest`, `data`, `code`, `training`, `gate`, `image`, `environments`,
    `deployments` and `other`. `receipts` are those on the digest, oldest first.
    """
    newest = {receipt.step: receipt for receipt in receipts}
    train, gate, build = (newest.get(step) for step in ("train", "gate", "build"))
    kinds = {kind: [r for r in receipts if _kind(r) == kind] for kind in {_kind(r) for r in receipts}}
    known = {"validate", "train", "gate", "build", "deploy", *_MOVES}
    return {
        "digest": digest,
        "data": _data(newest.values()),
        "code": _code([one for one in (train, build) if one]),
        "training": train and {**_said(train), **{k: train.facts.get(k) for k in ("params", "metrics", "seconds")}},
        "gate": gate and {**_said(gate), "champion": gate.facts.get("champion"), "metrics": gate.facts.get("metrics")},
        "image": build and {**_said(build), "size": build.facts.get("size"), "model": _of(build, "train")},
        "environments": [_moved(r) for r in receipts if _kind(r) in _MOVES and r.verdict == "pass"],
        "deployments": [
            {**_said(r), "environment": r.step.partition(":")[2], "reason": r.facts.get("reason")}
            for r in kinds.get("deploy", ())
        ],
        "other": [{"step": r.step, **_said(r)} for r in receipts if _kind(r) not in known],
    }


def who(receipt: Receipt) -> str:
    """Who or what ran it, for people."""
    builder = receipt.builder
    return str(builder.get("ci") or f"{builder.get('user')}@{builder.get('host')}")


def _kind(receipt: Receipt) -> str:
    return receipt.step.partition(":")[0]


def _said(receipt: Receipt) -> dict[str, Any]:
    return {"verdict": receipt.verdict, "when": receipt.finished, "who": who(receipt), "summary": receipt.summary}


def _of(receipt: Receipt, via: str) -> str | None:
    return next((m.digest for m in receipt.materials if m.via == via), None)


def _data(receipts: Iterable[Receipt]) -> list[dict[str, Any]]:
    """Each dataset with its files, how it was used, and what its contract said."""
    found: dict[str, dict[str, Any]] = {}
    for receipt in receipts:
        for material in receipt.materials:
            if material.via.startswith("data "):
                name = material.via.removeprefix("data ")
                one = found.setdefault(name, {"name": name, "files": {}, "read_by": [], "contract": None})
                one["files"][material.name] = material.digest
                one["read_by"] = sorted({*one["read_by"], receipt.step})
    for receipt in receipts:
        if _kind(receipt) == "validate" and (name := receipt.step.partition(":")[2]):
            one = found.setdefault(name, {"name": name, "files": {}, "read_by": [], "contract": None})
            one["contract"] = receipt.verdict
    return list(found.values())


def _code(receipts: Sequence[Receipt]) -> dict[str, Any] | None:
    """The commit of training and build, which may be two, and every other file that they have read."""
    if not receipts:
        return None
    read = [m for r in receipts for m in r.materials if not m.via.startswith("data ") and m.via != "train"]
    return {
        "commits": {r.step: r.source.get("commit") for r in receipts},
        "dirty": any(r.source.get("dirty") for r in receipts),
        "files": {m.name: m.digest for m in read},
    }


def _moved(receipt: Receipt) -> dict[str, Any]:
    facts = receipt.facts
    return {
        "environment": facts.get("environment"),
        "number": facts.get("number"),
        "kind": facts.get("kind"),
        "why": facts.get("why"),
        "replaced": facts.get("previous"),
        "when": receipt.finished,
        "who": who(receipt),
    }
