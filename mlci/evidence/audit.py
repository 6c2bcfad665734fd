"""Does an environment's history hold? The log's chain and signatures, the tags, and the records on the images.

Whoever can write to one of the three leaves the other two: a log that was cut off leaves tags above its end, a tag that
was moved differs from its record, and a record that was taken out of the log is still on its image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlci.errors import WorldError
from mlci.evidence import log, promotions
from mlci.evidence.log import Entry, Flaw
from mlci.evidence.receipt import MEDIA_TYPE
from mlci.evidence.signing import Trusted
from mlci.store import Descriptor, FolderStore, Store, blob_of, read_layers
from mlci.store.closure import each

NEWEST = 256
"""So many of the newest records are held against their images, and in a registry against what their tags name."""
_BACKWARDS_S = 300.0
"""How far a record's time may be before that of the one before it: clocks differ."""


@dataclass(frozen=True)
class Audit:
    """The records, oldest first, and what does not hold; how many tags and images were asked for what they are."""

    environment: str
    entries: tuple[Entry, ...]
    flaws: tuple[Flaw, ...]
    tags: int
    images: int

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


def audit(store: Store, environment: str, trusted: Trusted, *, all: bool = False) -> Audit:
    """Check an environment's history. With `all` every tag and image is asked for, however many there are.

    Raises WorldError when the store cannot be read.
    """
    read = log.read(store, environment, trusted)
    entries = read.entries
    tags = {number: promotions.numbered(environment, number) for number in promotions.numbers(store, environment)}
    wanted = [entry for entry in entries if entry.digest and entry.number in tags]
    asked = wanted if all or isinstance(store, FolderStore) else wanted[-NEWEST:]
    resolve = store.tagged().get if isinstance(store, FolderStore) else store.resolve
    named = each(store, lambda entry: resolve(tags[entry.number]), asked)
    about: dict[str, list[Entry]] = {}
    for entry in entries if all else entries[-NEWEST:]:
        about.setdefault(entry.digest or entry.receipt.subjects["image"], []).append(entry)
    flaws = [
        *read.problems,
        *_times(entries),
        *_names(environment, entries, tags),
        *(_moved(tags[e.number], e, found) for e, found in zip(asked, named, strict=True) if found != e.digest),
        *_current(store, environment, entries),
        *_images(store, environment, entries, about),
    ]
    return Audit(environment, entries, tuple(dict.fromkeys(flaws)), len(asked), len(about))


def _times(entries: Sequence[Entry]) -> Iterator[Flaw]:
    for last, entry in pairwise(entries):
        early = (log.moment(last.receipt.finished) - log.moment(entry.receipt.finished)).total_seconds()
        if early > _BACKWARDS_S:
            yield Flaw(f"record {entry.number}", f"it says {entry.receipt.finished}, {early:,.0f} s before the last")


def _names(environment: str, entries: Sequence[Entry], tags: dict[int, str]) -> Iterator[Flaw]:
    """Numbered tags without a record, and records without their tag."""
    known = {entry.number: entry for entry in entries}
    newest = max(known, default=0)
    for number, tag in tags.items():
        if number > newest:
            end = f"the log ends with {newest}" if newest else "there is no record"
            yield Flaw(f"tag {tag}", f"{end}: the log was cut off, or somebody else has set the tag")
        elif number not in known or known[number].digest is None:
            yield Flaw(f"tag {tag}", "no record has this number: it was taken out, or somebody else has set the tag")
    for number, entry in known.items():
        if entry.digest and number not in tags:
            where = promotions.numbered(environment, number)
            why = "a kill may have left it so: the next move sets it" if number == newest else "it was taken away"
            yield Flaw(f"record {number}", f"it has no tag {where}; {why}")


def _moved(tag: str, entry: Entry, found: str | None) -> Flaw:
    return Flaw(f"tag {tag}", f"it is {found or 'gone'}, and its record says {entry.digest}")


def _current(store: Store, environment: str, entries: Sequence[Entry]) -> Iterator[Flaw]:
    """The environment's own tag."""
    found = store.resolve(environment)
    wanted = entries[-1].digest if entries else None
    if found != wanted:
        said = (
            f"record {entries[-1].number} says {wanted or 'that nothing is there'}" if entries else "no record says so"
        )
        yield Flaw(f"tag {environment}", f"it is {found or 'gone'}, and {said}")


def _images(store: Store, environment: str, entries: Sequence[Entry], about: dict[str, list[Entry]]) -> Iterator[Flaw]:
    """Each record is on its image, and no image has one that the log has not."""
    known = {entry.statement for entry in entries}
    listed = each(store, lambda one: _statements(store, environment, *one), list(about.items()))
    for (digest, records), found in zip(about.items(), listed, strict=True):
        if isinstance(found, Flaw):
            yield found
            continue
        missing = (entry for entry in records if entry.statement not in found)
        yield from (Flaw(f"record {entry.number}", f"it is not on its image, {digest}") for entry in missing)
        for statement in sorted(found - known):
            yield Flaw(f"image {digest}", f"it has a record, {statement}, that is not in the log")


def _statements(store: Store, environment: str, digest: str, records: Sequence[Entry]) -> set[str] | Flaw:
    """The records of moves to the environment that are on an image, by the digests of their statements.

    An image that was moved a thousand times has as many: the newest are read, twice as many as are looked for.
    """
    of = (f"promote:{environment}", f"rollback:{environment}")
    try:
        listed = store.referrers(digest, MEDIA_TYPE)
        ours = [one for one in listed if one.annotations.get("dev.mlci.step") in of]
        return {_layer(store, one) for one in ours[-2 * max(len(records), NEWEST) :]}
    except (WorldError, LookupError) as error:
        what = error.message if isinstance(error, WorldError) else "a record on it has no content"
        return Flaw(f"image {digest}", what)


def _layer(store: Store, listed: Descriptor) -> str:
    blob = blob_of(listed)  # the list is its own witness here: who can write another blob there can leave the entry out
    return blob.digest if blob else read_layers(store.get_manifest(listed.digest))[0].digest
