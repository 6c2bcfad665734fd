"""May this digest be promoted to an environment? A pure function from the records on it to every reason at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlci.evidence.receipt import Receipt


@dataclass(frozen=True)
class Reason:
    """One rule of the policy, whether it holds, and what shows it (or what would)."""

    rule: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Rule:
    """What an environment asks for. `deployed` names the required environments that also deploy; soak in seconds."""

    requires: tuple[str, ...]
    environments: tuple[str, ...]
    deployed: frozenset[str]
    soak: float | None = None


def decide(rule: Rule, records: Sequence[Receipt], now: str) -> list[Reason]:
    """Judge a digest by the receipts on it (`now` in RFC 3339). The newest receipt of a step counts."""
    newest: dict[str, Receipt] = {}
    for record in sorted(records, key=lambda r: r.finished):
        newest[record.step] = record
    reasons = [_judge(name, rule, newest) for name in rule.requires]
    if rule.soak is not None:
        reasons.append(_soak(rule, newest, now))
    return reasons


def _judge(name: str, rule: Rule, newest: dict[str, Receipt]) -> Reason:
    if name in rule.environments:
        steps = [f"promote:{name}", *([f"deploy:{name}"] if name in rule.deployed else [])]
        command = f"mlci run --to {name}"
    elif name == "validate":
        steps = sorted(s for s in newest if s.startswith("validate:")) or ["validate"]
        command = "mlci run"
    else:
        steps, command = [name], "mlci run"
    for step in steps:
        if step not in newest:
            return Reason(name, False, f"no receipt of {step} on this digest; `{command}` makes it")
        if newest[step].verdict != "pass":
            return Reason(name, False, f"{step}: {newest[step].verdict}, {newest[step].summary}")
    return Reason(name, True, f"{steps[-1]} passed at {newest[steps[-1]].finished}")


def _soak(rule: Rule, newest: dict[str, Receipt], now: str) -> Reason:
    waits = [newest[f"promote:{name}"].finished for name in rule.environments if f"promote:{name}" in newest]
    if not waits:
        return Reason("soak", False, "it has not been in any environment before")
    waited = (_time(now) - _time(max(waits))).total_seconds()
    needed = rule.soak or 0.0
    return Reason("soak", waited >= needed, f"{waited:,.0f} s of {needed:,.0f} s in {', '.join(rule.environments)}")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
