"""May this digest be promoted to an environment? A pure function from what is said of it to every reason at once.

What nobody trusted says does not count, and does not block. Of what counts, the newest word of a step decides, so one
more piece of evidence turns yes into no in three cases only: a revocation, a later failure of a step, and a rollback by
a person. Time does so too: a freeze, and evidence that grows old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlci.config.permission import Freeze
from mlci.config.times import is_within, weekly
from mlci.evidence.receipt import Receipt

APPROVE, REVOKE = "approve", "revoke"
"""The steps of a person's receipts: `approve:ENV` and `revoke`."""


@dataclass(frozen=True)
class Evidence:
    """A receipt on the digest, and who of those that are trusted signed it (None: nobody).

    What two have signed is two of these. `digest` is that of the statement as it is signed.
    """

    receipt: Receipt
    signer: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Stay:
    """A digest was in an environment without a break; RFC 3339, `until` is None while it is there.

    `ended` is the kind of the record that ended it: `rollback` is a person's.
    """

    environment: str
    digest: str
    since: str
    until: str | None = None
    ended: str = ""


@dataclass(frozen=True)
class Reason:
    """One rule of the policy, whether it holds, what shows it (or what would), and the evidence that counted."""

    rule: str
    ok: bool
    detail: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """What an environment asks for. Durations are seconds, moments RFC 3339, signers the names of `signing.signers`.

    `steps` says which steps a word of `requires` stands for (`validate` for each dataset's validation), `configs` under
    which config a step must have passed. A word in `environments` is one: the value says whether it deploys. Who
    may revoke: `revokers`, None for everybody. An empty `signed_by` is everybody as well. `otherwise` is the way out of
    a verdict under other rules.
    """

    environment: str
    requires: tuple[str, ...] = ()
    steps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    environments: Mapping[str, bool] = field(default_factory=dict)
    soak: float | None = None
    served: int | None = None
    signed_by: tuple[str, ...] = ()
    approvals: int = 0
    approvers: tuple[str, ...] = ()
    revokers: tuple[str, ...] | None = None
    max_age: float | None = None
    not_before: str | None = None
    freeze: tuple[Freeze, ...] = ()
    otherwise: str = "`mlci run` judges again"


def stays(environment: str, moves: Iterable[tuple[str | None, Receipt]]) -> list[Stay]:
    """What was in an environment from when to when; `moves` are its records, oldest first: the digest, None for none.

    A record that puts there what is there already is no break.
    """
    found: list[Stay] = []
    for digest, record in moves:
        last = found[-1] if found and found[-1].until is None else None
        if last and last.digest == digest:
            continue
        if last:
            kind = str(record.facts.get("kind", ""))
            found[-1] = Stay(environment, last.digest, last.since, record.finished, kind)
        if digest is not None:
            found.append(Stay(environment, digest, record.finished))
    return found


def decide(
    rule: Rule, evidence: Sequence[Evidence], moves: Sequence[Stay], now: str, *, digest: str, again: bool = False
) -> list[Reason]:
    """Judge a digest by the evidence on it and by where it was; `now` is RFC 3339.

    Of what is in the environment already, evidence may be as old as it was when it came, and windows do not matter: a
    server that starts again in a freeze is nothing new. `again` allows what a person has rolled back there.
    """
    own = tuple(one for one in moves if one.digest == digest)
    there = [one for one in own if one.environment == rule.environment and one.until is None]
    asked = _Question(rule, digest, _time(now), _time(there[-1].since if there else now), own)
    counted = [one for one in evidence if not rule.signed_by or one.signer in rule.signed_by]
    reasons = [
        asked.place(word, counted) if word in rule.environments else asked.word(word, counted) for word in rule.requires
    ]
    reasons += [asked.soak()] if rule.soak is not None else []
    reasons += [asked.served(counted)] if rule.served is not None else []
    reasons += [asked.approvals(evidence)] if rule.approvals else []
    reasons += [asked.not_before(rule.not_before)] if rule.not_before and not there else []
    reasons += [asked.freeze()] if rule.freeze and not there else []
    reasons += asked.revocations(evidence)
    reasons += [] if again else asked.rolled_back(rule.environment)
    return reasons


@dataclass(frozen=True)
class _Question:
    """A rule, asked of a digest at a moment; `came` is when it came, or would come."""

    rule: Rule
    digest: str
    now: datetime
    came: datetime
    moves: tuple[Stay, ...]

    def word(self, name: str, counted: Sequence[Evidence]) -> Reason:
        """A word that stands for steps: the newest receipt of each, under the rules of now and young enough."""
        steps = self.rule.steps.get(name, (name,))
        shown = []
        for step in steps:
            of_step = [one for one in counted if one.receipt.step == step]
            if not of_step:
                return Reason(name, False, f"no receipt of {step}{self._by()} on this digest; `mlci run` makes it")
            judged = [one for one in of_step if self._judged_so(one.receipt)]
            if not judged:
                detail = f"{step} was judged under other rules than the policy has; {self.rule.otherwise}"
                return Reason(name, False, detail)
            newest = _newest(judged)
            if newest.receipt.verdict != "pass":
                return Reason(name, False, f"{step}: {newest.receipt.verdict}, {newest.receipt.summary}")
            if not self._is_young(newest.receipt):
                detail = f"{step} passed at {newest.receipt.finished}, more than {_span(self.rule.max_age)} ago"
                return Reason(name, False, f"{detail}; `mlci run --force` makes a new one")
            shown.append(newest)
        if not shown:
            return Reason(name, False, f"nothing in mlci.yaml is a {name}")
        return _yes(name, f"{', '.join(steps)} passed at {shown[-1].receipt.finished}", shown)

    def place(self, name: str, counted: Sequence[Evidence]) -> Reason:
        """An environment: it was there, the deployment went well, and nobody has rolled it back."""
        if not any(one.environment == name for one in self.moves):
            detail = f"no record{self._by()} says that it was in {name}; `mlci run --to {name}` brings it there"
            return Reason(name, False, detail)
        if back := self.rolled_back(name):
            return Reason(name, False, back[0].detail)
        if not self.rule.environments[name]:
            return Reason(name, True, f"it was there from {self._stays(name)[-1].since}")
        deployed = [one for one in counted if one.receipt.step == f"deploy:{name}"]
        if not deployed:
            detail = f"no receipt of deploy:{name}{self._by()} on this digest; `mlci run --to {name}` makes it"
            return Reason(name, False, detail)
        newest = _newest(deployed)
        if newest.receipt.verdict != "pass":
            return Reason(name, False, f"deploy:{name}: {newest.receipt.verdict}, {newest.receipt.summary}")
        return _yes(name, f"deployed there at {newest.receipt.finished}", [newest])

    def soak(self) -> Reason:
        """The longest stay in each environment that is required; whether it has ended does not matter."""
        assert self.rule.soak is not None
        waited = {name: self._longest(name) for name in self.rule.environments}
        if not waited:
            return Reason("soak", False, "no environment is required before this one")
        short = {name: time for name, time in waited.items() if time < self.rule.soak}
        if short:
            said = ", ".join(f"{_span(time)} in {name}" for name, time in short.items())
            left = _span(self.rule.soak - min(short.values()))
            return Reason("soak", False, f"{said} of {_span(self.rule.soak)} without a break; {left} are missing")
        return Reason("soak", True, ", ".join(f"{_span(time)} in {name}" for name, time in waited.items()))

    def served(self, counted: Sequence[Evidence]) -> Reason:
        """Requests that it answered as a canary, in deployments that passed, each counted once."""
        assert self.rule.served is not None
        seen, short, shown = [], [], []
        for name in (name for name, deploys in self.rule.environments.items() if deploys):
            passed = [one for one in counted if one.receipt.step == f"deploy:{name}" and one.receipt.verdict == "pass"]
            once = {(one.digest or id(one)): one for one in passed}
            shown += list(once.values())
            answered = sum(_answered(one.receipt) for one in once.values())
            seen.append(f"{answered:,} of {self.rule.served:,} in {name}")
            short += [name] if answered < self.rule.served else []
        if short or not seen:
            more = f"; `mlci deploy {short[0]}` with more traffic" if short else "no environment before deploys"
            return Reason("served", False, f"{', '.join(seen)}{more}")
        return _yes("served", ", ".join(seen), shown)

    def approvals(self, evidence: Sequence[Evidence]) -> Reason:
        """So many people, each with a signature of their own; however often one says it, it is one."""
        rule, step = self.rule, f"{APPROVE}:{self.rule.environment}"
        said = [one for one in evidence if one.receipt.step == step and one.receipt.verdict == "pass"]
        young = [one for one in said if one.signer in rule.approvers and self._is_young(one.receipt)]
        shown = {one.signer or "": one for one in sorted(young, key=lambda one: one.receipt.finished)}
        names = sorted(shown)
        if len(names) >= rule.approvals:
            return _yes("approvals", f"by {', '.join(names)}", [shown[name] for name in names])
        missing = " or ".join(name for name in sorted(rule.approvers) if name not in shown)
        have = f"{len(names)} of {rule.approvals}" + (f" ({', '.join(names)})" if names else "")
        command = f"`mlci approve {rule.environment} {self.digest[:19]}`"
        return Reason("approvals", False, f"{have}; {command}, signed by {missing or 'more signers than there are'}")

    def not_before(self, moment: str) -> Reason:
        """A day that was set."""
        return Reason("not_before", self.now >= _time(moment), f"{moment}")

    def freeze(self) -> Reason:
        """Windows in which nothing new comes."""
        for window in self.rule.freeze:
            if _is_in(window, self.now):
                when = f"{window.weekly} ({window.zone})" if window.weekly else f"until {window.end}"
                return Reason("freeze", False, f"{when}{f': {window.why}' if window.why else ''}")
        return Reason("freeze", True, "no window is open")

    def revocations(self, evidence: Sequence[Evidence]) -> list[Reason]:
        """One reason where somebody who may has revoked it."""
        may = [one for one in evidence if self.rule.revokers is None or one.signer in self.rule.revokers]
        said = sorted((one for one in may if one.receipt.step == REVOKE), key=_order)
        if not said:
            return []
        first = said[0].receipt
        by = f" by {said[0].signer}" if said[0].signer else ""
        detail = f"at {first.finished}{by}: {first.summary}; a revocation is final, build another"
        return [Reason("revoked", False, detail, tuple(one.digest for one in said if one.digest))]

    def rolled_back(self, name: str) -> list[Reason]:
        """One reason where a person ended its last stay in an environment."""
        there = self._stays(name)
        if not there or there[-1].ended != "rollback":
            return []
        help = f"`mlci promote {name} --from {self.digest[:19]}` allows it again"
        return [Reason("rolled back", False, f"a person rolled it back in {name} at {there[-1].until}; {help}")]

    def _stays(self, name: str) -> list[Stay]:
        return sorted((one for one in self.moves if one.environment == name), key=lambda one: one.since)

    def _longest(self, name: str) -> float:
        ends = ((one, min(_time(one.until), self.now) if one.until else self.now) for one in self._stays(name))
        return max(((end - _time(one.since)).total_seconds() for one, end in ends), default=0.0)

    def _judged_so(self, receipt: Receipt) -> bool:
        wanted = self.rule.configs.get(receipt.step, {})
        return all(receipt.config.get(key) == value for key, value in wanted.items())

    def _is_young(self, receipt: Receipt) -> bool:
        age = (self.came - _time(receipt.finished)).total_seconds()
        return self.rule.max_age is None or age <= self.rule.max_age

    def _by(self) -> str:
        return f" signed by {' or '.join(self.rule.signed_by)}" if self.rule.signed_by else ""


def _newest(evidence: Iterable[Evidence]) -> Evidence:
    return max(evidence, key=_order)


def _order(one: Evidence) -> tuple[datetime, bool, str, str]:
    """By time; of two at one moment the failure is the later one."""
    return _time(one.receipt.finished), one.receipt.verdict != "pass", one.digest, one.signer or ""


def _yes(rule: str, detail: str, shown: Iterable[Evidence]) -> Reason:
    return Reason(rule, True, detail, tuple(sorted({one.digest for one in shown if one.digest})))


def _answered(deployment: Receipt) -> int:
    """The requests that a deployment's own version answered well, by the last point of its timeline."""
    points = deployment.facts.get("timeline")
    last = points[-1] if isinstance(points, list) and points else None
    canary = last.get("canary") if isinstance(last, dict) else None
    requests, errors = (canary.get("requests"), canary.get("errors")) if isinstance(canary, dict) else (0, 0)
    return max(0, requests - errors) if isinstance(requests, int) and isinstance(errors, int) else 0


def _is_in(window: Freeze, now: datetime) -> bool:
    if window.weekly:
        from zoneinfo import ZoneInfo

        return is_within(weekly(window.weekly), now.astimezone(ZoneInfo(window.zone)))
    return bool(window.start and window.end) and _time(str(window.start)) <= now < _time(str(window.end))


def _span(seconds: float | None) -> str:
    """A duration for people: `3 d 4 h`, `12 min 30 s`."""
    left, parts = round(seconds or 0), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2]) or "0 s"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
