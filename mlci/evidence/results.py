"""Receipts in the store: found by key for reuse, by step for `why`, and on an image as evidence.

A step's result is an OCI index: the receipt's manifest first, then the manifests of its outputs. Its tags are
`result-STEP-KEY`, `last-STEP`, and `passed-STEP` where it passed. On an image, a receipt is a referrer, so it travels
with the digest.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from mlci.evidence import receipt as receipts
from mlci.evidence.receipt import Receipt
from mlci.evidence.record import Run
from mlci.store import (
    INDEX,
    CorruptBlob,
    Descriptor,
    Document,
    Manifest,
    NotFound,
    Store,
    is_digest,
    put_artifact,
    read_layers,
)
from mlci.store import attach as attach_documents
from mlci.store.closure import each
from mlci.store.index import parse_manifest, subject_of

RESULT = "application/vnd.mlci.result.v1"
RUN = "application/vnd.mlci.run.v1"
MOST_BYTES = 128 << 20
"""The largest receipt, or record of a run, that is read."""
_BESIDE = 20
"""So many runs that ended while another one went on are looked at."""


def save(store: Store, receipt: Receipt, outputs: Sequence[Descriptor] = ()) -> None:
    """Write a step's result; from now on its key is known."""
    parts = [_put_receipt(store, receipt), *outputs]
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "artifactType": RESULT,
        "manifests": [part.to_json() for part in parts],
    }
    raw = json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
    store.put_manifest(raw, INDEX, tag=_tag("result", receipt.step, receipt.key))
    for kind in _newest(receipt):
        store.put_manifest(raw, INDEX, tag=_tag(kind, receipt.step))


def kept(store: Store, receipt: Receipt) -> str | None:
    """The digest of the result that was saved with a receipt."""
    return store.resolve(_tag("result", receipt.step, receipt.key))


def known(store: Store, receipt: Receipt, result: Manifest) -> None:
    """Make a result that was written before, here or elsewhere, the one of its key."""
    store.put_manifest(result.raw, result.media_type, tag=_tag("result", receipt.step, receipt.key))


def used(store: Store, receipt: Receipt) -> None:
    """Note that a kept result is the step's newest again, for `last` and `last_passed`."""
    result = kept(store, receipt)
    for kind in _newest(receipt):
        if result and store.resolve(_tag(kind, receipt.step)) != result:
            manifest = store.get_manifest(result)
            store.put_manifest(manifest.raw, manifest.media_type, tag=_tag(kind, receipt.step))


def find(store: Store, step: str, key: str) -> Receipt | None:
    """The receipt of an earlier run with this key."""
    return _load(store, _tag("result", step, key))


def last(store: Store, step: str) -> Receipt | None:
    """The receipt of the step's newest run."""
    return _load(store, _tag("last", step))


def last_passed(store: Store, step: str) -> Receipt | None:
    """The receipt of the step's newest run that passed."""
    return _load(store, _tag("passed", step))


def settle(store: Store, receipt: Receipt) -> None:
    """Note that all that follows from a result has been carried out; one that is known from elsewhere is kept now."""
    if find(store, receipt.step, receipt.key) != receipt:
        save(store, receipt)
    manifest = store.get_manifest(_tag("result", receipt.step, receipt.key))
    store.put_manifest(manifest.raw, manifest.media_type, tag=_tag("settled", receipt.step))


def settled(store: Store, step: str) -> Receipt | None:
    """The receipt of the step that was carried out last, here."""
    return _load(store, _tag("settled", step))


def attach(store: Store, receipt: Receipt, image: Descriptor) -> None:
    """Make a receipt a referrer of an image; a second time changes nothing."""
    attach_documents(store, [document(receipt)], image)


def document(receipt: Receipt) -> Document:
    """A receipt as it is attached to an image."""
    return Document(receipts.MEDIA_TYPE, receipt.to_bytes(), _annotations(receipt))


def signable(receipt: Receipt, digest: str) -> bytes:
    """The statement of a receipt that is about an image as well, as it is signed: whoever verifies, asks about that."""
    subjects = receipt.subjects if digest in receipt.subjects.values() else {**receipt.subjects, "image": digest}
    return replace(receipt, subjects=subjects).to_bytes()


def on(store: Store, digest: str) -> list[Receipt]:
    """The receipts on an image, oldest first."""
    listed = store.referrers(digest, receipts.MEDIA_TYPE)
    ours = [d for d in listed if receipts.STEP in d.annotations]  # other tools attach statements of their own
    read = each(store, lambda d: _said_of(store, digest, store.get_manifest(d.digest)), ours)
    return sorted(filter(None, read), key=lambda receipt: receipt.finished)


def _said_of(store: Store, digest: str, manifest: Manifest) -> Receipt | None:
    """The receipt in a manifest that refers to an image; None for what only claims to be one: anybody may attach it."""
    if subject_of(parse_manifest(manifest.raw)) != digest or len(read_layers(manifest)) != 1:
        return None
    try:
        receipt = _read(store, manifest)
        receipt.to_bytes()
        return receipt
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def digest_of(store: Store, reference: str) -> str:
    """The digest behind a tag, a digest, or the beginning of one that only one tagged manifest has; raises NotFound."""
    if re.fullmatch(r"sha256:[0-9a-f]{6,63}", reference):
        named = (tag for tag in store.tags() if not tag.startswith("sha256-"))  # those only list referrers
        known = {digest for tag in named if (digest := store.resolve(tag)) and digest.startswith(reference)}
        if len(known) == 1:
            return known.pop()
        if known:
            raise NotFound(f"{reference} is the beginning of {len(known)} digests", help="give more of its digits")
    found = None if is_digest(reference) else store.resolve(reference)
    return found or store.get_manifest(reference).digest


def save_run(store: Store, run: Run) -> None:
    """Keep the record of a run under its id."""
    raw = run.to_bytes()
    digest, size = store.put_blob(iter([raw]))
    put_artifact(store, RUN, [Descriptor("application/json", digest, size)], tag=run.id)


def load_run(store: Store, run_id: str) -> Run:
    """The record of a run; raises NotFound."""
    if run_id not in runs(store):
        raise NotFound(f"there is no run {run_id!r}")
    return _run(store, run_id)


def run_of(store: Store, receipt: Receipt) -> str | None:
    """The run that made a receipt; None when its record was not kept.

    Runs get their number when they end, so the first that ended after the receipt is found by halving; runs beside it
    may have ended in between.
    """
    ids = runs(store)
    try:
        first = bisect_left(ids, receipt.finished, key=lambda run_id: _run(store, run_id).finished)
        beside = ((run_id, _run(store, run_id)) for run_id in ids[first : first + _BESIDE])
        return next((i for i, run in beside if any(s.receipt == receipt and not s.reused for s in run.steps)), None)
    except NotFound:
        return None


def next_run_id(store: Store) -> str:
    """`run-000001` and on."""
    ids = runs(store)
    return f"run-{int(ids[-1].removeprefix('run-')) + 1 if ids else 1:06d}"


def runs(store: Store) -> list[str]:
    """The ids of all runs, oldest first."""
    return [tag for tag in store.tags("run-") if re.fullmatch(r"run-\d{6,}", tag)]


def _run(store: Store, run_id: str) -> Run:
    return Run.from_bytes(_blob(store, read_layers(store.get_manifest(run_id))[0]))


def _newest(receipt: Receipt) -> tuple[str, ...]:
    """The tags that follow a step's newest results."""
    return ("last", "passed") if receipt.verdict == "pass" else ("last",)


def _put_receipt(store: Store, receipt: Receipt) -> Descriptor:
    digest, size = store.put_blob(iter([receipt.to_bytes()]))
    layer = Descriptor(receipts.MEDIA_TYPE, digest, size)
    return put_artifact(store, receipts.MEDIA_TYPE, [layer], annotations=_annotations(receipt))


def _annotations(receipt: Receipt) -> dict[str, str]:
    return {receipts.STEP: receipt.step, "org.opencontainers.image.created": receipt.finished}


def _load(store: Store, tag: str) -> Receipt | None:
    try:
        first = json.loads(store.get_manifest(tag).raw)["manifests"][0]
        return _read(store, store.get_manifest(first["digest"]))
    except NotFound:
        return None


def _read(store: Store, manifest: Manifest) -> Receipt:
    return Receipt.from_bytes(_blob(store, read_layers(manifest)[0]))


def _blob(store: Store, blob: Descriptor) -> bytes:
    with store.open_blob(blob.digest) as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise CorruptBlob(f"{blob.digest} has more than the {MOST_BYTES:,} bytes that are read of a record")
    return raw


def _tag(kind: str, step: str, key: str = "") -> str:
    return "-".join(filter(None, (kind, step.replace(":", "."), key)))
