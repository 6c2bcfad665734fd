"""What was promoted to an environment, and when: the tag `ENV` moves, the tags `ENV-000001` never do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.store import Store


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

    A second time changes nothing; after a kill in between, doing it again completes it.
    """
    manifest = store.get_manifest(receipt.subjects["image"])
    results.attach(store, receipt, manifest.descriptor)
    store.put_manifest(manifest.raw, manifest.media_type, tag=numbered(environment, receipt.facts["number"]))
    store.put_manifest(manifest.raw, manifest.media_type, tag=environment)


def history(store: Store, environment: str) -> list[Promotion]:
    """Every promotion to the environment, oldest first."""
    found = []
    for number in numbers(store, environment):
        digest = store.resolve(numbered(environment, number))
        if digest is not None:
            receipt = next((r for r in reversed(results.on(store, digest)) if _is(r, environment, number)), None)
            found.append(Promotion(number, digest, receipt))
    return found


def serving(store: Store, environment: str, *, deploys: bool) -> str | None:
    """The digest that serves in the environment: the newest promoted one that was also deployed well, if it deploys."""
    if not deploys:
        return store.resolve(environment)
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
    """The newest number under which a digest was promoted to the environment; 0 when it never was."""
    numbered_so = (n for n in numbers(store, environment) if store.resolve(numbered(environment, n)) == digest)
    return max(numbered_so, default=0)


def deployed_well(store: Store, environment: str, digest: str) -> bool:
    """Whether the digest's newest deployment to the environment was a success."""
    deployments = [r for r in results.on(store, digest) if r.step == f"deploy:{environment}"]
    return bool(deployments) and deployments[-1].verdict == "pass"


def rolled_back_by(store: Store, environment: str, digest: str) -> Receipt | None:
    """The receipt of the person's rollback that ended the digest's last stay, if that is how it ended."""
    past = history(store, environment)
    stays = [i for i, promotion in enumerate(past) if promotion.digest == digest]
    after = past[stays[-1] + 1] if stays and stays[-1] + 1 < len(past) else None
    return after.receipt if after and after.facts.get("kind") == "rollback" else None


def stands_since(store: Store, environment: str, digest: str) -> str | None:
    """Since when (RFC 3339) the digest has been in the environment without a break; None when it is not there now."""
    past = history(store, environment)
    if not past or past[-1].digest != digest or past[-1].receipt is None or store.resolve(environment) != digest:
        return None
    return past[-1].receipt.finished


def carried_out(store: Store, receipt: Receipt) -> bool:
    """Whether a promotion's receipt was followed by its numbered tag; True for other receipts."""
    if not receipt.step.startswith("promote:"):
        return True
    tag = numbered(receipt.facts["environment"], receipt.facts.get("number", 0))
    return receipt.verdict != "pass" or store.resolve(tag) == receipt.subjects["image"]


def _is(receipt: Receipt, environment: str, number: int) -> bool:
    return (
        receipt.step in (f"promote:{environment}", f"rollback:{environment}")
        and receipt.facts.get("environment") == environment
        and receipt.facts.get("number") == number
    )
