"""Which models were judged on which rows, as tags: `judged-ROWS-MODEL`, so that counting them reads no receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.store import Store

_DIGITS = 48
"""Hexadecimal digits of a digest in a tag, which has 128 characters at most."""


def rows_digest(digests: Iterable[str]) -> str:
    """One digest for a holdout by the content of its files alone: rows that were moved or renamed are the same rows."""
    ordered = sorted(digests)
    return ordered[0] if len(ordered) == 1 else "sha256:" + hashlib.sha256("\n".join(ordered).encode()).hexdigest()


def note(store: Store, receipt: Receipt) -> None:
    """Keep that a gate's receipt judged its model on its rows; a second time changes nothing."""
    tag, result = _tag(judged_on(receipt), receipt.facts["challenger"]), results.kept(store, receipt)
    if result and store.resolve(tag) is None:
        manifest = store.get_manifest(result)
        store.put_manifest(manifest.raw, manifest.media_type, tag=tag)


def models_judged(store: Store, rows: str, model: str) -> int:
    """How many different models were judged on the rows, this one with them."""
    return len({*store.tags(_tag(rows)), _tag(rows, model)})


def judged_on(receipt: Receipt) -> str:
    """The digest of the rows that a gate's receipt is about."""
    return rows_digest(m.digest for m in receipt.materials if m.via.startswith("data "))


def _tag(rows: str, model: str = "") -> str:
    return f"judged-{rows.removeprefix('sha256:')[:_DIGITS]}-{model.removeprefix('sha256:')[:_DIGITS]}"
