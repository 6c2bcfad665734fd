"""The plan of a promotion: the digest, what goes along with it, and every request that will write something.

The plan is a pure function of what was found (`World`), so it can be read before it happens, kept as a file, and held
against the world of later: it is carried out only where the same digest would replace the same digest under the same
number, and all that it names is still there. What was attached since is not in the plan, so it stays behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from mlci.errors import UsageError
from mlci.evidence.policy import Reason
from mlci.store import Descriptor

FORMAT = 1
MOST_BYTES = 16 << 20
_STALE = "look at what has changed, and make a new plan"


@dataclass(frozen=True)
class Parcel:
    """What one place has of the digest, from the inside out.

    `repository` is the one that blobs are mounted from; None where they are sent. `there` are blobs that need no
    sending.
    """

    place: str
    manifests: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...] = ()
    repository: str | None = None
    there: frozenset[str] = frozenset()


@dataclass(frozen=True)
class World:
    """What was found: `previous` is what the environment's tag is on, `number` the one that a promotion gets now.

    Without parcels all is in the target's place. `path` is what its requests begin with (`/v2/REPOSITORY`), empty for
    a folder. `evidence` are the manifests that refer to the digest, or to what it is made of; `again` allows what a
    person has rolled back.
    """

    environment: str
    root: Descriptor
    target: str
    path: str
    previous: str | None
    number: int
    tags: tuple[str, ...]
    reasons: tuple[Reason, ...]
    evidence: tuple[str, ...]
    parcels: tuple[Parcel, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Request:
    """One request that writes: the bytes of its body, None where nobody knows them before."""

    method: str
    path: str
    size: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a promotion will do. `places` are where it takes from; `moved` are bytes of blobs that pass through here."""

    environment: str
    digest: str
    media_type: str
    places: tuple[str, ...]
    target: str
    previous: str | None
    number: int
    reasons: tuple[Reason, ...]
    manifests: tuple[str, ...]
    evidence: tuple[str, ...]
    moved: int
    requests: tuple[Request, ...]
    again: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the policy lets it happen."""
        return all(reason.ok for reason in self.reasons)

    @property
    def nothing(self) -> bool:
        """Whether the environment has the digest already."""
        return self.previous == self.digest

    def to_json(self) -> dict[str, Any]:
        """The plan as a file has it."""
        return {"version": FORMAT, "allowed": self.allowed, **asdict(self)}


def plan(world: World) -> Plan:
    """The plan for a world; without requests where the policy says no, or where nothing is left to do."""
    allowed = all(reason.ok for reason in world.reasons) and world.previous != world.root.digest
    sent = [blob for parcel in world.parcels for blob in parcel.blobs if not _mounts(parcel, blob)]
    manifests = [manifest.digest for parcel in world.parcels for manifest in parcel.manifests]
    return Plan(
        environment=world.environment,
        digest=world.root.digest,
        media_type=world.root.media_type,
        places=tuple(parcel.place for parcel in world.parcels) or (world.target,),
        target=world.target,
        previous=world.previous,
        number=world.number,
        reasons=world.reasons,
        manifests=tuple(dict.fromkeys([*manifests, world.root.digest])),
        evidence=world.evidence,
        moved=sum(blob.size for blob in sent) if allowed else 0,
        requests=tuple(_requests(world)) if allowed else (),
        again=world.again,
    )


def differences(then: Plan, now: Plan) -> list[str]:
    """How the world differs from what a plan was made for; empty where the plan may be carried out."""
    found = [
        f"{name} was {before or 'nothing'} and is {after or 'nothing'} now"
        for name, before, after in (
            ("the environment", then.environment, now.environment),
            ("the digest", then.digest, now.digest),
            ("where it is promoted to", then.target, now.target),
            ("what it replaces", then.previous, now.previous),
            ("the number", then.number, now.number),
        )
        if before != after
    ]
    there = {*now.manifests, *now.evidence}
    gone = [digest for digest in (*then.manifests, *then.evidence) if digest not in there]
    return found + [f"{digest} is not there any more" for digest in gone]


def hold(then: Plan, now: Plan) -> None:
    """Raise UsageError unless a plan may be carried out now."""
    if wrong := differences(then, now):
        raise UsageError(f"the plan for {then.environment} is of another world: {'; '.join(wrong)}", help=_STALE)


def read(raw: bytes) -> Plan:
    """A plan from its file; raises UsageError when it is none."""
    try:
        document = json.loads(raw)
        if document.pop("version") != FORMAT:
            raise ValueError("it is of another version")
        document.pop("allowed")
        document["reasons"] = tuple(
            Reason(**{**reason, "evidence": _texts(reason["evidence"])}) for reason in document["reasons"]
        )
        document["requests"] = tuple(Request(**request) for request in document["requests"])
        for name in ("places", "manifests", "evidence"):
            document[name] = _texts(document[name])
        found = Plan(**document)
        _texts([found.environment, found.digest, found.media_type, found.target, found.previous or ""])
        if not isinstance(found.number, int):
            raise TypeError("its number is none")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        help = "`mlci promote ENV --plan FILE` writes one"
        raise UsageError(f"this is no plan of a promotion: {type(error).__name__}: {error}", help=help) from error
    return found


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("a text was expected")
    return tuple(value)


def _mounts(parcel: Parcel, blob: Descriptor) -> bool:
    return parcel.repository is not None or blob.digest in parcel.there


def _requests(world: World) -> Iterator[Request]:
    """Blobs, then manifests from the inside out, then the environment's log, which is the moment of the promotion, and
    the tags that follow it: the numbered one first. How long the record is depends on its time and signature.
    """
    seen: set[str] = set()
    for parcel in world.parcels:
        for blob in _new(parcel.blobs, seen):
            if parcel.repository is not None:
                query = f"mount={quote(blob.digest, safe='')}&from={quote(parcel.repository, safe='')}"
                yield Request("POST", f"{world.path}/blobs/uploads/?{query}", 0)
            elif blob.digest not in parcel.there:
                yield Request("PUT", f"{world.path}/blobs/{blob.digest}", blob.size)
        for manifest in _new(parcel.manifests, seen):
            yield Request("PUT", f"{world.path}/manifests/{manifest.digest}", manifest.size)
    yield Request("PUT", f"{world.path}/manifests/{world.environment}.log")
    for tag in world.tags:
        yield Request("PUT", f"{world.path}/manifests/{tag}", world.root.size)


def _new(entries: Sequence[Descriptor], seen: set[str]) -> Iterator[Descriptor]:
    for entry in entries:
        if entry.digest not in seen:
            seen.add(entry.digest)
            yield entry
