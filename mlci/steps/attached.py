"""What travels with an image: the receipts, what is in it (SBOM), where it came from (provenance), and who says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlci.config import Project
from mlci.errors import ConfigError, WorldError
from mlci.evidence import promotions, results, signing
from mlci.evidence import statement as statements
from mlci.evidence.receipt import Receipt
from mlci.steps.policy import known
from mlci.steps.protocol import Context
from mlci.store import Descriptor, Document, Store, read_layers, sha256
from mlci.store import attach as attach_documents
from mlci.store.index import children, parse_manifest

if TYPE_CHECKING:
    from mlci.image.sbom import Contents

PREDICATE = "in-toto.io/predicate-type"
TITLE = "org.opencontainers.image.title"


def attach(ctx: Context, image: Descriptor, build: Receipt) -> None:
    """Attach all of it to a built image, and sign it where `signing.key` can; safe to repeat."""
    from mlci.evidence import slsa
    from mlci.image import sbom

    receipts = [*ctx.upstream.values(), build]
    provenance = slsa.provenance(build, [ctx.upstream["train"]] if "train" in ctx.upstream else [])
    signer = signing.signer(ctx.project, ctx.say)
    bom = _sbom(ctx, image, build, signer)
    documents = [
        *(results.document(receipt) for receipt in receipts),
        Document(statements.MEDIA_TYPE, provenance, {PREDICATE: slsa.PREDICATE_TYPE}),
        *(Document(sbom.MEDIA_TYPE, one, {TITLE: "sbom.cdx.json"}) for one in bom),
    ]
    attach_documents(ctx.images, documents, image)
    if signer:
        said = [results.signable(receipt, image.digest) for receipt in receipts]
        boms = [statements.statement(sbom.PREDICATE_TYPE, json.loads(one), {"image": image.digest}) for one in bom]
        count = signing.attach(ctx.images, [*said, provenance, *boms], image, signer)
        if count:
            ctx.say(f"signed {count} statements")


def sign(ctx: Context, receipt: Receipt, digest: str, place: Store) -> None:
    """Sign one more receipt on an image in a store, where `signing.key` can; safe to repeat.

    Call it when the step's effect is there: a key that fails must not keep anybody from a rollback.
    """
    signer = signing.signer(ctx.project, ctx.say)
    if signer:
        image = place.get_manifest(digest).descriptor
        signing.attach(place, [results.signable(receipt, digest)], image, signer)


def move(ctx: Context, environment: str, receipt: Receipt, *, back: bool = False) -> None:
    """Commit a promotion to the environment's log and carry it out, signed where `signing.key` can; safe to repeat.

    A key that fails stops it before anything is changed. The way `back` is not stopped: it is gone unsigned, and said.
    """

    def unsigned(problem: str) -> None:
        ctx.say(f"this is not signed, for nothing stops a way back: {problem}")

    signer, store = None, ctx.place(environment)
    try:
        signer = signing.signer(ctx.project, ctx.say)
    except WorldError as error:
        if not back:
            raise
        unsigned(error.message)
    with known(ctx.project, ctx.say if back else None) as trusted:
        promotions.record(store, environment, receipt, signer, trusted=trusted, unsigned=unsigned if back else None)


def keep_out(project: Project, files: Sequence[Path]) -> None:
    """Raise ConfigError when the key that signs is among the files of an image."""
    key = project.config.signing.key
    if key and (project.root / key).resolve() in {path.resolve() for path in files}:
        help = "keep it outside of the project, or what `image.copy` names narrower; for a Dockerfile, .dockerignore"
        raise ConfigError([project.problem(("signing", "key"), "the private key would go into the image", help)])


def _sbom(ctx: Context, image: Descriptor, build: Receipt, signer: signing.Signer | None) -> list[bytes]:
    """The SBOM to attach and sign, unless it is there; with a signer: unless the signer has signed one.

    It reads the layers, so it is not made again where it is there. One that is there and not signed is not signed
    unseen: it is made again.
    """
    from mlci.image import sbom

    if signer:
        bundles = ctx.images.referrers(image.digest, signing.BUNDLE)
        there = any(signing.is_signed(found, sbom.PREDICATE_TYPE, signer) for found in bundles)
    else:
        there = bool(ctx.images.referrers(image.digest, sbom.MEDIA_TYPE))
    if there:
        return []
    return [sbom.sbom(ctx.store, _contents(ctx, build), _lock(ctx.project, build))]


def _contents(ctx: Context, build: Receipt) -> Contents:
    from mlci.image.sbom import Contents

    model = ctx.upstream["train"].subjects.get("model") if "train" in ctx.upstream else None
    files = {}
    if model:
        layers = read_layers(ctx.store.get_manifest(model))
        files = {layer.annotations.get(TITLE, layer.digest): layer.digest for layer in layers}
    image, known = build.subjects["image"], {layer["digest"]: layer for layer in build.facts.get("layers", ())}
    unknown = {"role": "image", "name": "of another builder"}
    parts = [known.get(digest, {**unknown, "digest": digest}) for digest in _layers(ctx.images, image)]
    return Contents(ctx.project.config.project, image, parts, model, files)


def _layers(store: Store, digest: str) -> list[str]:
    """The layers of an image, or of all images of an index, by digest."""
    manifest = store.get_manifest(digest)
    inside, _ = children(parse_manifest(manifest.raw))
    if inside:
        return [layer for child in inside for layer in _layers(store, child.digest)]
    return [layer.digest for layer in read_layers(manifest)]


def _lock(project: Project, build: Receipt) -> str:
    """The requirements that the image was built from, for their hashes; empty when the file is another one now."""
    image = project.config.image
    if image is None or image.requirements is None:
        return ""
    try:
        raw = (project.root / image.requirements).read_bytes()
    except OSError:
        return ""
    return raw.decode() if any(m.digest == sha256(raw) for m in build.materials) else ""
