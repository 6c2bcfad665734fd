"""A canary from its first share of the traffic to the verdict: look, decide, do the one next thing."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlci.deploy import alarm, analysis, detached, envoy, health, progress
from mlci.deploy.analysis import Counts, Plan, Tally
from mlci.deploy.envoy import Reading
from mlci.deploy.envoy_config import Endpoint, Wiring, latency_bounds
from mlci.deploy.lifeline import Lifeline, fired
from mlci.deploy.outcome import Diary
from mlci.deploy.site import Site, route, wiring
from mlci.deploy.sources import Source
from mlci.errors import Interrupted

POLL = 0.25
"""Seconds between two looks."""
PULSE, MISSED = 2.0, 3
"""Seconds between two looks at the canary's ready path, and how many of them in a row it may not answer."""
BOUNDS = tuple(bound / 1000 for bound in latency_bounds())


@dataclass(frozen=True)
class Verdict:
    """Did it pass, and why; `gone` says that it answers nothing any more."""

    good: bool
    reason: str
    gone: bool = False


def watch(
    site: Site,
    plan: Plan,
    diary: Diary,
    stop: threading.Event,
    line: Lifeline,
    begun: analysis.State | None = None,
    *,
    limit: float = 1.0,
    sources: Sequence[Source] = (),
) -> Verdict:
    """Give the journal's canary more and more of the traffic, until it is good or bad; the caller acts on it.

    `begun` is the evidence of an earlier run to go on from; where both versions fail `limit` of their requests nothing
    goes on. `sources` are started already, and add to what the proxy counts. Raises Interrupted when `stop` is set.
    """
    state = begun or analysis.begin(plan)
    line.start(Wiring(site.state.revisions[site.state.stable or 0].endpoint))
    _raise_share(site, plan, state.step, diary)
    before, then = envoy.read(site.proxy), time.monotonic()
    pulses, ramp = (_Pulse("canary"), _Pulse("stable")), _Ramp(limit)
    since: dict[str, Any] | None = None
    told: dict[str, str] = {}
    while True:
        if stop.wait(POLL):
            raise Interrupted("the deployment was stopped; the canary is taken back")
        line.beat()
        if fired(site.proxy):
            diary.tell("canary", "mlci stood still, so its guard gave everything to the stable version")
            _raise_share(site, plan, state.step, diary)
            before, then = envoy.read(site.proxy), time.monotonic()  # a poll has one weight from end to end
            continue
        reading, now = envoy.read(site.proxy), time.monotonic()
        counts = compare(before, reading, wiring(site.state), now - then)
        for source in sources:
            counts = source.add(counts, wiring(site.state))
        told = _silence(told, counts.silent, diary)
        state = analysis.observe(state, counts, plan)
        before, then = reading or before, now
        frozen = ramp.frozen(counts, diary)
        decision = analysis.decide(state, plan)
        point = diary.watch(site.state.weight, state, decision, plan)
        since = since or point
        _note(site, plan, state, point, since)
        if verdict := _lost(site, pulses) or _judged(decision, state, plan, frozen=frozen):
            return verdict
        if decision.action == "advance" and not frozen:
            diary.tell("canary", decision.reason)
            state, since = analysis.advance(state), None
            _raise_share(site, plan, state.step, diary)


def _judged(decision: analysis.Decision, state: analysis.State, plan: Plan, *, frozen: bool) -> Verdict | None:
    if decision.action == "rollback":
        return Verdict(False, decision.reason)
    if frozen and state.elapsed >= plan.timeout:
        return Verdict(False, f"both versions failed until the end of {plan.timeout:g} s")
    if decision.action == "promote" and not frozen:
        return Verdict(True, decision.reason)
    return None


def _note(site: Site, plan: Plan, state: analysis.State, point: dict[str, Any], since: dict[str, Any]) -> None:
    now = progress.Progress(site.state.canary or 0, progress.plain(plan), state.to_json(), point, since)
    progress.save(site.folder, now)


def compare(before: Reading | None, after: Reading | None, wiring: Wiring, seconds: float) -> Counts:
    """What both versions did between two readings; nothing where one is missing, or the counters began anew."""
    assert wiring.canary is not None
    if before is None or after is None:
        return Counts(seconds, None, None)
    stable = _tally(before, after, wiring.stable.name, wiring.stable)
    canary = _tally(before, after, wiring.canary_name, wiring.canary)
    return Counts(seconds, stable, canary, BOUNDS) if stable and canary else Counts(seconds, None, None)


def _tally(before: Reading, after: Reading, cluster: str, endpoint: Endpoint) -> Tally | None:
    """The sum over the servers of a version."""
    hosts = [(cluster, port) for _, port in endpoint.addresses]
    if not all(host in after.hosts for host in hosts):
        return None
    new, old = _together(after, hosts), _together(before, hosts)
    nothing = (0,) * len(BOUNDS)
    now, was = after.latency.get(cluster, nothing), before.latency.get(cluster, nothing)
    latency = tuple(a - b for a, b in zip(now, was, strict=True))
    tally = Tally(new.requests - old.requests, new.errors - old.errors, latency)
    return tally if min(tally.requests, tally.errors, *latency) >= 0 else None


def _together(reading: Reading, hosts: Sequence[tuple[str, int]]) -> envoy.Seen:
    seen = [reading.hosts.get(host, envoy.Seen()) for host in hosts]
    return envoy.Seen(sum(one.requests for one in seen), sum(one.errors for one in seen))


def _raise_share(site: Site, plan: Plan, step: int, diary: Diary) -> None:
    share = 0.0 if plan.mirrored else plan.steps[step]
    route(site, share)
    of = "users" if plan.unit == "user" else "traffic"
    what = "gets a copy of each request" if plan.mirrored else f"takes {100 * share:g} % of the {of}"
    diary.tell("canary", f"the canary {what}")


def _silence(told: dict[str, str], now: dict[str, str], diary: Diary) -> dict[str, str]:
    """Tell which metric cannot be read any more, and which can again."""
    for name in now.keys() - told.keys():
        diary.tell("canary", f"no numbers for {name}, so nothing goes on: {now[name]}")
    for name in told.keys() - now.keys():
        diary.tell("canary", f"there are numbers for {name} again")
    return now


@dataclass
class _Ramp:
    """Whether more traffic may go to the canary at all; the alarm is told when it begins and when it ends."""

    limit: float
    polls: deque[Counts] = field(default_factory=lambda: deque(maxlen=alarm.POLLS))
    on: bool = False

    def frozen(self, counts: Counts, diary: Diary) -> bool:
        self.polls.append(counts)
        found = alarm.both_failing(list(self.polls), self.limit)
        if bool(found) != self.on:
            self.on = bool(found)
            diary.tell("canary", f"ALARM: {found}" if found else "the alarm is over: not both versions fail any more")
        return self.on


@dataclass
class _Pulse:
    """A version's ready path, asked now and then: what hangs makes no errors as long as nobody gives up on it."""

    role: Literal["canary", "stable"]
    asked: float = 0.0
    missed: int = 0

    def lost(self, site: Site) -> Verdict | None:
        if time.monotonic() - self.asked < PULSE:
            return None
        revision = site.state.revisions[getattr(site.state, self.role) or 0]
        answering = [health.ready(revision, at, timeout=1.0) for at in revision.addresses]
        well = all(answering) if self.role == "canary" else any(answering)
        self.missed, self.asked = 0 if well else self.missed + 1, time.monotonic()
        if self.missed < MISSED:
            return None
        if self.role == "canary":
            return Verdict(False, f"the canary does not answer {revision.ready} any more", gone=True)
        return Verdict(False, "the stable version does not answer any more, so there is nothing to compare with")


def _lost(site: Site, pulses: Sequence[_Pulse]) -> Verdict | None:
    """What no statistics need to tell."""
    return next(filter(None, (_died(site), *(pulse.lost(site) for pulse in pulses))), None)


def _died(site: Site) -> Verdict | None:
    canary, stable = (site.state.revisions[number or 0] for number in (site.state.canary, site.state.stable))
    if not all(one.running for one in site.observe(canary)):
        last = site.last_words(canary)
        return Verdict(False, "the canary died" + (f": {last[-1]}" if last else ""))
    if not stable.restart and not any(one.running for one in site.observe(stable)):
        return Verdict(False, "the stable version died, so there is nothing to compare with")
    if not detached.alive(envoy.lease(site.proxy)):
        return Verdict(False, "the proxy died")
    return None
