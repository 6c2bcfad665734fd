"""The receipt: what a step read, left and found, as an in-toto Statement v1.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://mlci.dev/receipt/v1"
MEDIA_TYPE = "application/vnd.in-toto+json"
STEP = "dev.mlci.step"
"""The annotation with the step's name, on a receipt and on its signature: whom to read, never whom to believe."""

Verdict = Literal["pass", "fail", "rolled-back"]


@dataclass(frozen=True)
class Material:
    """Something a step read: a name (`train.py`, `model`), its digest (`sha256:…`), and how it came to be read."""

    name: str
    digest: str
    via: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing a step found, for people: `level` says how bad it is."""

    level: Literal["error", "warning", "note"]
    title: str
    detail: str = ""


@dataclass(frozen=True)
class Receipt:
    """What one step did. `subjects` maps names to digests (`sha256:…`); times are UTC in RFC 3339."""

    step: str
    key: str
    verdict: Verdict
    summary: str
    subjects: dict[str, str]
    materials: tuple[Material, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    builder: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    finished: str = ""

    def to_bytes(self) -> bytes:
        """The statement as JSON: sorted keys, no white space, so equal receipts are equal bytes."""
        predicate = asdict(self)
        del predicate["subjects"]
        for material in predicate["materials"]:
            material["digest"] = _digest_set(material["digest"])
        statement = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": _digest_set(digest)} for name, digest in self.subjects.items()],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
        return json.dumps(
            statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Receipt:
        """Read a statement; raises ValueError when it is not one of ours, or KeyError, TypeError or AttributeError."""
        return cls.from_document(json.loads(raw))

    @classmethod
    def from_document(cls, statement: dict[str, Any]) -> Receipt:
        """The same from what was read of it."""
        if statement.get("_type") != STATEMENT_TYPE or statement.get("predicateType") != PREDICATE_TYPE:
            raise ValueError(f"not an mlci receipt: {statement.get('predicateType')!r}")
        predicate = dict(statement["predicate"])
        predicate["materials"] = tuple(
            Material(m["name"], _digest_string(m["digest"]), m["via"]) for m in predicate["materials"]
        )
        predicate["findings"] = tuple(Finding(**f) for f in predicate["findings"])
        subjects = {s["name"]: _digest_string(s["digest"]) for s in statement["subject"]}
        found = cls(subjects=subjects, **predicate)
        texts = (found.step, found.key, found.verdict, found.summary, found.started, found.finished)
        maps = (found.config, found.facts, found.source, found.builder)
        if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, dict) for one in maps):
            raise ValueError("a part of the receipt is of another kind")
        return found


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def _digest_string(digest: dict[str, str]) -> str:
    ((algorithm, value),) = digest.items()
    return f"{algorithm}:{value}"
