"""Results that others made, in a repository of a registry: found by key, judged before they are used, and given back.

A shared result is the one of `results`, byte for byte: an OCI index with the receipt first and the outputs after it,
under the tag of its step, key and scope. A signature, where there is one, is a referrer of that index, so it holds the
outputs as well. What is used comes with its manifests; its blobs stay where they are until somebody reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlci.errors import WorldError
from mlci.evidence import receipt as receipts
from mlci.evidence import results, signing
from mlci.evidence.receipt import Receipt
from mlci.store import (
    INDEX,
    CorruptBlob,
    Descriptor,
    FolderStore,
    Manifest,
    NotFound,
    Store,
    Tally,
    copy,
    read_layers,
)
from mlci.store.index import children, parse_manifest

MOST_RECEIPT = 32 << 20
_MOST_MANIFESTS = 1_000
_MOST_SIGNATURES = 100


class Distrusted(WorldError):
    """A result that is there and is not used: it is not what it is said to be, or of nobody who is trusted."""


@dataclass(frozen=True)
class Found:
    """A result that may be used: its receipt as it is stored, its manifests from the inside out, where it is.

    `signer` is who signed it, of those that are trusted; None where nobody was asked for.
    """

    receipt: Receipt
    statement: bytes
    manifests: tuple[Manifest, ...]
    outputs: tuple[str, ...]
    place: str
    signer: str | None

    @property
    def said(self) -> str:
        """Who ran it, for people."""
        builder = self.receipt.builder
        by = " on ".join(str(builder[name]) for name in ("user", "host") if builder.get(name))
        return ", ".join(
            filter(None, (f"run by {by}" if by else "", f"signed by {self.signer}" if self.signer else ""))
        )


def find(store: Store, tag: str, step: str, key: str, trusted: signing.Trusted | None, place: str) -> Found | None:
    """The result under a tag; None when there is none.

    Raises Distrusted for one that must not be used, and WorldError when the store cannot say.
    """
    try:
        index = store.get_manifest(tag)
    except NotFound:
        return None
    try:
        inside = tuple(_inside(store, index))
        statement = _statement(store, inside[0])
        receipt = _receipt(statement, step, key)
        signer = _signer(store, index, receipt, trusted) if trusted else None
    except Distrusted:
        raise
    except (NotFound, CorruptBlob) as error:
        raise Distrusted(f"it is not whole: {error.message}") from error
    outputs = tuple(entry.digest for entry in children(parse_manifest(index.raw))[0][1:])
    return Found(receipt, statement, (*inside, index), outputs, place, signer)


def take(store: FolderStore, found: Found, repository: str) -> None:
    """Make a result known here, as if the step had run; its blobs, but for the receipt, stay in `repository`."""
    store.put_blob(iter([found.statement]))
    blobs = [blob for manifest in found.manifests for blob in children(parse_manifest(manifest.raw))[1]]
    store.is_elsewhere(blobs, repository)
    for manifest in found.manifests:
        store.put_manifest(manifest.raw, manifest.media_type)
    results.known(store, found.receipt, found.manifests[-1])


def give(
    store: Store,
    remote: Store,
    receipt: Receipt,
    tag: str,
    *,
    signer: signing.Signer | None,
    again: bool,
    along: Sequence[Descriptor] = (),
    going: Callable[[Tally], None],
) -> bool:
    """Put a result there, signed, the tag last; False where one is there already and is not to be written `again`.

    `along` are manifests that refer to one of its outputs.

    Whatever was sent before a kill is not sent again. Raises WorldError, and what `going` raises.
    """
    digest = results.kept(store, receipt)
    if digest is None or (remote.resolve(tag) is not None and not again):
        return False
    copy(store, remote, digest, referrers=False, tally=Tally(going))
    for one in along:
        copy(store, remote, one.digest, referrers=False, tally=Tally(going))
    index = store.get_manifest(digest)
    if signer:
        signing.attach(remote, [_about(receipt, digest)], index.descriptor, signer)
    remote.put_manifest(index.raw, index.media_type, tag=tag)
    return True


def _about(receipt: Receipt, index: str) -> bytes:
    """The receipt as it is signed: a statement about the result that it is in, so about its outputs too."""
    return replace(receipt, subjects={**receipt.subjects, "result": index}).to_bytes()


def _inside(store: Store, index: Manifest) -> Iterator[Manifest]:
    """The manifests of a result, from the inside out; the receipt's is first."""
    document = parse_manifest(index.raw)
    if index.media_type != INDEX or document.get("artifactType") != results.RESULT:
        raise Distrusted("it is no result of a step")
    left = _MOST_MANIFESTS

    def walk(entries: Sequence[Descriptor]) -> Iterator[Manifest]:
        nonlocal left
        for entry in entries:
            left -= 1
            if left < 0:
                raise Distrusted(f"it has more than {_MOST_MANIFESTS:,} manifests")
            manifest = store.get_manifest(entry.digest)
            if manifest.media_type != entry.media_type or len(manifest.raw) != entry.size:
                raise Distrusted(f"{entry.digest} is not of the type and size that it is said to be")
            yield from walk(children(parse_manifest(manifest.raw))[0])
            yield manifest

    entries = children(document)[0]
    if not entries or any(entry.media_type == INDEX for entry in entries[:1]):
        raise Distrusted("it has no receipt")
    yield from walk(entries)


def _statement(store: Store, manifest: Manifest) -> bytes:
    layers = read_layers(manifest)
    if len(layers) != 1 or layers[0].media_type != receipts.MEDIA_TYPE or layers[0].size > MOST_RECEIPT:
        raise Distrusted("its first part is no receipt")
    return _read(store, layers[0])


def _read(store: Store, blob: Descriptor) -> bytes:
    with store.open_blob(blob.digest) as stream:
        raw = stream.read(blob.size + 1)
    if len(raw) != blob.size:
        raise Distrusted(f"{blob.digest} has another size than it is said to have")
    return raw


def _receipt(raw: bytes, step: str, key: str) -> Receipt:
    try:
        receipt = Receipt.from_bytes(raw)
        receipt.to_bytes()
        of = (receipt.step, receipt.key)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Distrusted(f"its receipt cannot be read: {type(error).__name__}: {error}") from error
    if of != (step, key):
        raise Distrusted(f"its receipt is of {of[0]} with the key {str(of[1])[:12]}")
    if receipt.verdict not in ("pass", "fail"):
        raise Distrusted(f"its verdict is {str(receipt.verdict)[:20]!r}")
    return receipt


def _signer(store: Store, index: Manifest, receipt: Receipt, trusted: signing.Trusted) -> str:
    """Who of those that are trusted signed this result; raises Distrusted when nobody did."""
    why = "nobody signed it"
    for listed in store.referrers(index.digest, signing.BUNDLE)[:_MOST_SIGNATURES]:
        try:
            layers = read_layers(store.get_manifest(listed.digest))
            if len(layers) != 1 or layers[0].size > MOST_RECEIPT:
                continue
            found = signing.verified(_read(store, layers[0]), index.digest, trusted)
        except (signing.Refused, Distrusted, NotFound, CorruptBlob) as error:
            why = error.message
            continue
        if found.payload == _about(receipt, index.digest):
            return found.signer
        why = f"{found.signer} signed something else about it"
    raise Distrusted(f"it is not signed by {' or '.join(trusted.signers)}: {why}")
