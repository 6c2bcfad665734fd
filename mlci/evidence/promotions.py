"""What was promoted to an environment, and when: the tag `ENV` moves, the tags `ENV-000001` never do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.store import Store


@dataclass(frozen=True)
class Promotion:
    """One entry of an environment's history: the number, the digest and the receipt that says why."""

    number: int
    digest: str
    receipt: Receipt | None


def numbered(environment: str, number: int) -> str:
    """The tag of one promotion."""
    return f"{environment}-{number:06d}"


def numbers(store: Store, environment: str) -> list[int]:
    """The numbers given so far, rising."""
    pattern = re.compile(re.escape(environment) + r"-(\d{6,})")
    return sorted(int(m[1]) for tag in store.tags(f"{environment}-") if (m := pattern.fullmatch(tag)))


def next_number(store: Store, environment: str) -> int:
    """The number of the next promotion."""
    return max(numbers(store, environment), default=0) + 1


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
        if digest is None:
            continue
        receipt = next((r for r in results.on(store, digest) if _is(r, environment, number)), None)
        found.append(Promotion(number, digest, receipt))
    return found


def before(store: Store, environment: str) -> Promotion | None:
    """What a rollback goes back to: the newest earlier digest that was not itself taken back.

    A promotion that restored an earlier one stands at that one's place, so a second rollback goes further back.
    """
    past = {promotion.number: promotion for promotion in history(store, environment)}
    current = past.get(max(past, default=0))
    place = current
    while place and place.receipt and (restored := past.get(place.receipt.facts.get("restores", 0))):
        place = restored
    if current is None or place is None:
        return None
    earlier = (p for n, p in sorted(past.items(), reverse=True) if n < place.number and p.digest != current.digest)
    return next((p for p in earlier if not was_taken_back(store, environment, p.digest)), None)


def place_of(store: Store, environment: str, digest: str) -> int:
    """The newest number under which a digest was promoted to the environment; 0 when it never was."""
    numbered_so = (n for n in numbers(store, environment) if store.resolve(numbered(environment, n)) == digest)
    return max(numbered_so, default=0)


def was_taken_back(store: Store, environment: str, digest: str) -> bool:
    """Whether the digest's newest deployment to the environment was taken back."""
    deployments = [r for r in results.on(store, digest) if r.step == f"deploy:{environment}"]
    return bool(deployments) and deployments[-1].verdict == "rolled-back"


def _is(receipt: Receipt, environment: str, number: int) -> bool:
    return receipt.facts.get("environment") == environment and receipt.facts.get("number") == number
