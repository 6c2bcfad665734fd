"""Why a step would run, or be reused: its inputs of now beside those of its newest receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlci.engine.run import Session
from mlci.evidence import results
from mlci.evidence.receipt import Receipt
from mlci.steps import Context, Inputs, Step


@dataclass(frozen=True)
class Outlook:
    """What would happen to a step: reuse, run, or unknown until the steps before it have run."""

    step: str
    after: tuple[str, ...]
    action: Literal["reuse", "run", "unknown"]
    reasons: tuple[str, ...]


def outlooks(session: Session, steps: Sequence[Step]) -> list[Outlook]:
    """The outlook of each step, in order; nothing is run and nothing written but remembered file digests."""
    store = session.store()
    sharing = session.sharing(store)
    upstream: dict[str, Receipt] = {}
    found: list[Outlook] = []
    for step in steps:
        ctx = session.context(store, upstream)
        waits = [name for name in step.after if name not in upstream]
        try:
            if waits and step.name.startswith(("promote:", "deploy:")):
                raise KeyError(waits[0])
            inputs = step.inputs(ctx)
        except KeyError:  # it reads what a step before it has yet to make
            found.append(Outlook(step.name, step.after, "unknown", (f"depends on what {', '.join(waits)} will give",)))
            continue
        receipt, place = step.done(ctx, inputs), ""
        if receipt is None and (there := sharing.look(step, inputs)):
            receipt, place = there.receipt, f", from {there.place}, {there.said}".rstrip(", ")
        if receipt is None:
            found.append(Outlook(step.name, step.after, "run", tuple(_changes(ctx, step, inputs))))
        else:
            said = f"{receipt.verdict} at {receipt.finished}: {receipt.summary}{place}"
            found.append(Outlook(step.name, step.after, "reuse", (said,)))
            if receipt.verdict == "pass":
                upstream[step.name] = receipt
    return found


def _changes(ctx: Context, step: Step, inputs: Inputs) -> Iterator[str]:
    """What differs from the newest receipt of the step."""
    before = results.last(ctx.store, step.name)
    if before is None:
        yield "it never ran"
        return
    if before.key == inputs.key(step.name):
        yield "it is not in the state that its last run left"
        return
    yield from _fields(before.config, inputs.config, step.name.partition(":")[0])
    then = {m.name: m for m in before.materials}
    now = {m.name: m for m in inputs.materials}
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            yield f"{name} is no longer read"
        elif name not in then:
            yield f"{name} is new ({now[name].via})"
        elif then[name].digest != now[name].digest:
            yield f"{name} changed ({now[name].via})"


def _fields(then: Any, now: Any, path: str) -> Iterator[str]:
    """Differences of two config trees, each named by its path."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _fields(then.get(key), now.get(key), f"{path}.{key}")
    elif json.dumps(then) != json.dumps(now):  # 20 and 20.0 are equal to Python, not to a command
        yield f"{path}: {then!r} → {now!r}"
