"""The in-toto Statement v1: something said of digests. Receipts, provenance and SBOMs are said in this shape.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlci.store import canonical

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MEDIA_TYPE = "application/vnd.in-toto+json"
MOST_SUBJECTS = 1024
"""As many as other verifiers of Sigstore bundles take."""
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """What is said (`predicate`), in which words (`predicate_type`), of which digests (`sha256:…` by name)."""

    predicate_type: str
    predicate: dict[str, Any]
    subjects: tuple[tuple[str, str], ...]

    def is_about(self, digest: str) -> bool:
        """Whether one of the subjects is this digest."""
        return any(digest == subject for _, subject in self.subjects)


def statement(predicate_type: str, predicate: Mapping[str, Any], subjects: Mapping[str, str]) -> bytes:
    """The statement as JSON; equal arguments give equal bytes."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
                for name, digest in subjects.items()
            ],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )


def parse_statement(raw: bytes) -> Statement:
    """Read a statement of anybody; subjects without a SHA-256 digest are left out.

    Raises ValueError when it is none, or when it can be read in two ways.
    """
    document = strict_json(raw)
    if not isinstance(document, dict) or document.get("_type") != STATEMENT_TYPE:
        raise ValueError("it is not an in-toto Statement v1")
    kind, predicate, listed = document.get("predicateType"), document.get("predicate"), document.get("subject")
    if not isinstance(kind, str) or not isinstance(predicate, dict) or not isinstance(listed, list):
        raise ValueError("the statement has no predicateType, predicate or subject")
    if not 0 < len(listed) <= MOST_SUBJECTS:
        raise ValueError(f"the statement has {len(listed)} subjects")
    return Statement(kind, predicate, tuple(_subject(entry) for entry in listed if _digest(entry)))


def strict_json(raw: bytes) -> Any:
    """JSON in UTF-8 without a key that is there twice; raises ValueError, also for what is nested without end."""
    try:
        return _STRICT.decode(raw.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


_STRICT = json.JSONDecoder(object_pairs_hook=_once)


def _digest(entry: Any) -> str | None:
    digests = entry.get("digest") if isinstance(entry, dict) else None
    if not isinstance(digests, dict):
        raise ValueError("a subject has no digest")
    found = digests.get("sha256")
    if found is not None and not (isinstance(found, str) and _HEX.fullmatch(found)):
        raise ValueError("a subject's digest is not SHA-256 in hex")
    return found


def _subject(entry: dict[str, Any]) -> tuple[str, str]:
    return str(entry.get("name", "")), f"sha256:{_digest(entry)}"
