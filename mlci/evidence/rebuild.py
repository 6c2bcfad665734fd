"""A log that somebody removed, put together again from the records on the images.

Every record travels with its image, signed as it is in the log. It is written again only where nothing is there, and
only if what is found is the whole chain: from the first record to the number of the newest tag.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlci.errors import UsageError, WorldError
from mlci.evidence import log, promotions
from mlci.evidence.log import COUNT, LOG, MOST_BYTES, SEGMENT, Entry
from mlci.evidence.signing import Trusted
from mlci.store import Descriptor, Store, put_artifact
from mlci.store.closure import each

_TOGETHER = 256


def rebuild(store: Store, environment: str, trusted: Trusted) -> int:
    """Write the log again; returns how many records it has.

    Raises UsageError where there is a log, WorldError for records that are not the whole chain, or that nobody trusted
    has signed where signers are known.
    """
    if store.resolve(log.tag(environment)):
        raise UsageError(f"there is a {log.tag(environment)}", help=f"`mlci audit {environment}` says what is in it")
    numbers = promotions.numbers(store, environment)
    tagged = each(store, store.resolve, [promotions.numbered(environment, number) for number in numbers])
    digests = list(dict.fromkeys(digest for digest in tagged if digest))
    found = [
        one for records in each(store, lambda d: promotions.on_image(store, environment, d), digests) for one in records
    ]
    read = [log.parse(line, environment, trusted) for line in dict.fromkeys(entry.line for entry in found)]
    read.sort(key=lambda one: one[0].number)
    entries = [entry for entry, _ in read]
    wrong = [f"record {entry.number}: {problem}" for entry, problem in read if problem]
    wrong += [f"{flaw.where}: {flaw.what}" for flaw in log.chained(entries)]
    if not entries or (numbers and entries[-1].number < numbers[-1]):
        wrong.append(f"the records on the images end with {entries[-1].number if entries else 0}")
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise WorldError(
            f"the log of {environment} cannot be put together again: {'; '.join(wrong[:3])}{more}",
            help="nothing was changed; an export of `mlci audit --jsonl` says what there was",
        )
    segments = [_segment(store, part) for part in _parts(entries)]
    put_artifact(store, LOG, segments, annotations={"dev.mlci.environment": environment}, tag=log.tag(environment))
    return len(entries)


def _parts(entries: list[Entry]) -> Iterator[list[bytes]]:
    """Lines as they go into a segment each."""
    part: list[bytes] = []
    for entry in entries:
        if len(part) == _TOGETHER or sum(map(len, part)) + len(entry.line) >= MOST_BYTES:
            yield part
            part = []
        part.append(entry.line)
    yield part


def _segment(store: Store, lines: list[bytes]) -> Descriptor:
    digest, size = store.put_blob(iter([b"".join(line + b"\n" for line in lines)]))
    return Descriptor(SEGMENT, digest, size, annotations={COUNT: str(len(lines))})
