"""What was promoted to an environment, and when: the tag `ENV` moves, the tags `ENV-000001` never do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlci.errors import WorldError
from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.store import NotFound, Store
from mlci.store.closure import each

_TWO = "somebody else promotes there at the same time: look at `mlci history`, and run it again"


@dataclass(frozen=True)
class Promotion:
    """One entry of an environment's history: the number, the digest and the receipt that says why."""

    number: int
    digest: str
    receipt: Receipt | None

    @property
    def facts(self) -> dict[str, Any]:
        """What its receipt says; empty when a kill came between the tag and the receipt."""
        return self.receipt.facts if self.receipt else {}


def numbered(environment: str, number: int) -> str:
    """The tag of one promotion."""
    return f"{environment}-{number:06d}"


def numbers(store: Store, environment: str) -> list[int]:
    """The numbers given so far, rising."""
    pattern = re.compile(re.escape(environment) + r"-(\d{6,})")
    return sorted(int(m[1]) for tag in store.tags(f"{environment}-") if (m := pattern.fullmatch(tag)))


def number_for(store: Store, environment: str, digest: str) -> int:
    """The number of the next promotion; the last one again if that is what was promoted last."""
    last = max(numbers(store, environment), default=0)
    return last if last and store.resolve(numbered(environment, last)) == digest else last + 1


def record(store: Store, environment: str, receipt: Receipt) -> None:
    """Carry out a promotion that its receipt describes: attach the receipt, then the numbered tag, then `ENV`.

    A second time changes nothing; after a kill in between, doing it again completes it. No registry compares before it
    sets a tag, so each is looked at before and after: raises WorldError when somebody else had the number.
    """
    manifest = store.get_manifest(receipt.subjects["image"])
    tag = numbered(environment, receipt.facts["number"])
    _expect(store, tag, (None, manifest.digest))
    results.attach(store, receipt, manifest.descriptor)
    for name in (tag, environment):
        if store.resolve(name) != manifest.digest:
            store.put_manifest(manifest.raw, manifest.media_type, tag=name)
            _expect(store, tag, (manifest.digest,))
    if (found := store.resolve(environment)) != manifest.digest:
        raise WorldError(f"{environment} was set to {manifest.digest} and is {found}", help=_TWO)


def _expect(store: Store, tag: str, allowed: tuple[str | None, ...]) -> None:
    """Look at what a numbered tag is now, not at what it was a moment ago."""
    try:
        found: str | None = store.get_manifest(tag).digest
    except NotFound:
        found = None
    if found not in allowed:
        raise WorldError(f"the number {tag} is taken: it is {found}", help=_TWO)


def history(store: Store, environment: str) -> list[Promotion]:
    """Every promotion to the environment, oldest first."""
    known = numbers(store, environment)
    each(store, lambda number: store.resolve(numbered(environment, number)), known)  # a registry's store remembers them
    return [found for number in known if (found := _promotion(store, environment, number))]


def _promotion(store: Store, environment: str, number: int) -> Promotion | None:
    digest = store.resolve(numbered(environment, number)) if number else None
    if digest is None:
        return None
    mine = (r for r in reversed(results.on(store, digest)) if _is_of(r, environment) and r.facts["number"] == number)
    return Promotion(number, digest, next(mine, None))


def serving(store: Store, environment: str, *, deploys: bool) -> str | None:
    """The digest that serves in the environment: the newest promoted one that was also deployed well, if it deploys."""
    current = store.resolve(environment)
    if not deploys or (current and deployed_well(store, environment, current)):
        return current
    past = reversed(numbers(store, environment))
    digests = (store.resolve(numbered(environment, number)) for number in past)
    return next((digest for digest in digests if digest and deployed_well(store, environment, digest)), None)


def before(store: Store, environment: str, *, deploys: bool) -> Promotion | None:
    """What a rollback goes back to: the newest earlier digest that served well.

    A promotion that restored an earlier one stands at that one's place, so a second rollback goes further back.
    """
    past = {promotion.number: promotion for promotion in history(store, environment)}
    current = past.get(max(past, default=0))
    place = current
    while place and (restored := past.get(place.facts.get("restores", 0))):
        place = restored
    if current is None or place is None:
        return None
    earlier = (p for n, p in sorted(past.items(), reverse=True) if n < place.number and p.digest != current.digest)
    return next((p for p in earlier if not deploys or deployed_well(store, environment, p.digest)), None)


def place_of(store: Store, environment: str, digest: str) -> int:
    """The newest number under which a digest was promoted to the environment; 0 when it never was.

    Its receipts know the numbers, so however long the history is, only those tags are asked for.
    """
    said = {r.facts["number"] for r in results.on(store, digest) if _is_of(r, environment)}
    mine = (n for n in sorted(said, reverse=True) if store.resolve(numbered(environment, n)) == digest)
    return next(mine, 0)


def deployed_well(store: Store, environment: str, digest: str) -> bool:
    """Whether the digest's newest deployment to the environment was a success."""
    deployments = [r for r in results.on(store, digest) if r.step == f"deploy:{environment}"]
    return bool(deployments) and deployments[-1].verdict == "pass"


def rolled_back_by(store: Store, environment: str, digest: str) -> Receipt | None:
    """The receipt of the person's rollback that ended the digest's last stay, if that is how it ended."""
    last = place_of(store, environment, digest)
    after = _promotion(store, environment, last + 1) if last else None
    return after.receipt if after and after.facts.get("kind") == "rollback" else None


def stands_since(store: Store, environment: str, digest: str) -> str | None:
    """Since when (RFC 3339) the digest has been in the environment without a break; None when it is not there now."""
    if store.resolve(environment) != digest:
        return None
    last = _promotion(store, environment, max(numbers(store, environment), default=0))
    return last.receipt.finished if last and last.digest == digest and last.receipt else None


def carried_out(store: Store, receipt: Receipt) -> bool:
    """Whether a promotion's receipt was followed by its numbered tag; True for other receipts."""
    if not receipt.step.startswith("promote:"):
        return True
    tag = numbered(receipt.facts["environment"], receipt.facts.get("number", 0))
    return receipt.verdict != "pass" or store.resolve(tag) == receipt.subjects["image"]


def _is_of(receipt: Receipt, environment: str) -> bool:
    """Whether it gave a number to a digest."""
    return (
        receipt.step in (f"promote:{environment}", f"rollback:{environment}")
        and receipt.facts.get("environment") == environment
        and isinstance(receipt.facts.get("number"), int)
    )
