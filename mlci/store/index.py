"""The two indexes of a store as values: the tags of `index.json`, and the referrers of one manifest.

OCI image layout 1.1 (image-layout.md) and the referrers tag schema of the distribution spec 1.1.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlci.errors import UsageError, WorldError
from mlci.store.digest import is_digest
from mlci.store.protocol import INDEX, MANIFEST, Descriptor

REF_NAME = "org.opencontainers.image.ref.name"
MOST_BYTES = 4 << 20
"""The largest manifest that registries must take (distribution spec, "Pushing Manifests")."""
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


@dataclass(frozen=True)
class Tags:
    """What `index.json` says: its descriptors in order, and those that have a name by their name."""

    entries: tuple[dict[str, Any], ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Tags:
        """Read `index.json`; raises ValueError when it is not an image index."""
        document = json.loads(raw)
        if not isinstance(document, dict) or not isinstance(document.get("manifests"), list):
            raise ValueError("it is not an OCI image index")
        for entry in document["manifests"]:
            if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
                raise ValueError("an entry has no digest")
        return cls(tuple(document["manifests"]))

    def to_bytes(self) -> bytes:
        """The `index.json` that says so."""
        return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(self.entries)})

    @cached_property
    def named(self) -> dict[str, dict[str, Any]]:
        """Each tag's descriptor."""
        named = ((_name(entry), entry) for entry in self.entries)
        return {name: entry for name, entry in named if name is not None}

    def with_tag(self, tag: str, target: Descriptor) -> Tags:
        """The same with one tag set."""
        entry = Descriptor(target.media_type, target.digest, target.size, annotations={REF_NAME: tag}).to_json()
        return Tags((*self.without_tag(tag).entries, entry))

    def without_tag(self, tag: str) -> Tags:
        """The same with one tag removed."""
        return Tags(tuple(entry for entry in self.entries if _name(entry) != tag))


def canonical(document: dict[str, Any]) -> bytes:
    """JSON whose bytes are a function of its content: sorted keys, no white space."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def check_tag(tag: str) -> None:
    """Raise UsageError unless the name can be a tag in every registry."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            f"{tag!r} cannot be a tag",
            help="a tag has up to 128 letters, digits, `.`, `_` or `-`, and no `.` or `-` first",
        )


def parse_manifest(raw: bytes, media_type: str | None = None) -> dict[str, Any]:
    """A manifest or index as JSON, with its media type filled in; raises WorldError when it is neither."""
    if len(raw) > MOST_BYTES:
        raise WorldError(
            f"a manifest of {len(raw):,} bytes is larger than any registry takes ({MOST_BYTES:,})",
            help="put many small files into one archive",
        )
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WorldError(f"this is not a manifest: {error}") from error
    if not isinstance(document, dict) or not ("manifests" in document or "config" in document):
        raise WorldError("this is not a manifest: it has neither `manifests` nor `config`")
    written = document.setdefault("mediaType", media_type or (INDEX if "manifests" in document else MANIFEST))
    if media_type not in (None, written):
        raise WorldError(f"a manifest of type {written} was given as {media_type}")
    try:
        children(document)
        subject = subject_of(document)
        Descriptor.from_json({**document, "digest": "", "size": 0})
    except (KeyError, TypeError, AttributeError) as error:
        raise WorldError("this is not a manifest: one of its descriptors is not complete") from error
    if subject is not None and not is_digest(subject):  # else it could name any tag as the one of its referrers
        raise WorldError(f"this is not a manifest that is used here: its subject {subject[:80]!r} is no SHA-256 digest")
    return document


def children(document: dict[str, Any]) -> tuple[list[Descriptor], list[Descriptor]]:
    """What a parsed manifest is made of: (manifests, blobs)."""
    manifests = [Descriptor.from_json(entry) for entry in document.get("manifests", ())]
    blobs = [document["config"], *document.get("layers", ())] if "config" in document else []
    return manifests, [Descriptor.from_json(entry) for entry in blobs]


def subject_of(document: dict[str, Any]) -> str | None:
    """The digest that a parsed manifest refers to, if it does."""
    subject = document.get("subject")
    return Descriptor.from_json(subject).digest if subject else None


def referrers_tag(digest: str) -> str:
    """The tag of the index that lists a manifest's referrers."""
    return digest.replace(":", "-")


def as_referrer(document: dict[str, Any], target: Descriptor) -> Descriptor:
    """A referrer's entry in that index: with its artifact type and annotations, as the spec asks."""
    artifact_type = document.get("artifactType") or document.get("config", {}).get("mediaType")
    return Descriptor(target.media_type, target.digest, target.size, artifact_type, document.get("annotations", {}))


def referrers_index(entries: list[Descriptor]) -> bytes:
    """That index."""
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry.to_json() for entry in entries]})


def _name(entry: dict[str, Any]) -> str | None:
    name = entry.get("annotations", {}).get(REF_NAME)
    return name if isinstance(name, str) else None
