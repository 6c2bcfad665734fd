"""May this digest be promoted to an environment? A pure function from the records on it to every reason at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlci.evidence.receipt import Receipt


@dataclass(frozen=True)
class Reason:
    """One rule of the policy, whether it holds, and what shows it (or what would)."""

    rule: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Rule:
    """What an environment asks for; soak in seconds.

    `steps` says which steps a word of `requires` stands for (`validate` for each dataset's validation, an environment
    for its promotion and deployment), `configs` under which config a step must have passed.
    """

    requires: tuple[str, ...]
    steps: Mapping[str, tuple[str, ...]]
    configs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    soak: float | None = None


def decide(rule: Rule, records: Sequence[Receipt], *, now: str, stands: Mapping[str, str | None]) -> list[Reason]:
    """Judge a digest by the receipts on it. The newest receipt of a step counts.

    `stands` says for each required environment since when the digest has been there without a break, None if it is
    not there now; times are RFC 3339.
    """
    newest: dict[str, Receipt] = {}
    for record in sorted(records, key=lambda r: r.finished):
        newest[record.step] = record
    reasons = [
        _judge(name, rule, newest, "mlci run" + (f" --to {name}" if name in stands else "")) for name in rule.requires
    ]
    if rule.soak is not None:
        reasons.append(_soak(rule.soak, now, stands))
    return reasons


def _judge(name: str, rule: Rule, newest: Mapping[str, Receipt], command: str) -> Reason:
    steps = rule.steps.get(name, (name,))
    if not steps:
        return Reason(name, False, f"nothing in mlci.yaml is a {name}")
    for step in steps:
        if step not in newest:
            return Reason(name, False, f"no receipt of {step} on this digest; `{command}` makes it")
        record = newest[step]
        if record.verdict != "pass":
            return Reason(name, False, f"{step}: {record.verdict}, {record.summary}")
        if any(record.config.get(key) != value for key, value in rule.configs.get(step, {}).items()):
            return Reason(
                name, False, f"{step} passed under other rules than mlci.yaml has now; `{command}` judges again"
            )
    return Reason(name, True, f"{', '.join(steps)} passed at {newest[steps[-1]].finished}")


def _soak(soak: float, now: str, stands: Mapping[str, str | None]) -> Reason:
    absent = [name for name, since in stands.items() if since is None]
    if absent or not stands:
        return Reason("soak", False, f"it is not in {', '.join(absent) or 'any environment before this one'} now")
    waited = (_time(now) - _time(max(since for since in stands.values() if since))).total_seconds()
    return Reason("soak", waited >= soak, f"{waited:,.0f} s of {soak:,.0f} s in {', '.join(stands)}")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
