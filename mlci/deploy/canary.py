"""A canary from its first share of the traffic to the verdict: look, decide, do the one next thing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from mlci.deploy import analysis, detached, envoy
from mlci.deploy.analysis import Counts, Plan, Tally
from mlci.deploy.envoy import Reading
from mlci.deploy.envoy_config import Wiring, latency_bounds
from mlci.deploy.outcome import Diary
from mlci.deploy.site import Site, route, wiring
from mlci.errors import Interrupted

POLL = 0.25
"""Seconds between two looks."""
BOUNDS = tuple(bound / 1000 for bound in latency_bounds())


@dataclass(frozen=True)
class Verdict:
    """Did it pass, and why."""

    good: bool
    reason: str


def watch(site: Site, plan: Plan, diary: Diary, stop: threading.Event) -> Verdict:
    """Give the journal's canary more and more of the traffic, until it is good or bad; the caller acts on it.

    Raises Interrupted when `stop` is set.
    """
    state = analysis.begin(plan)
    _raise_share(site, plan.steps[0], diary)
    before, then = envoy.read(site.proxy), time.monotonic()
    while True:
        if stop.wait(POLL):
            raise Interrupted("the deployment was stopped; the canary is taken back")
        reading, now = envoy.read(site.proxy), time.monotonic()
        state = analysis.observe(state, compare(before, reading, wiring(site.state), now - then), plan)
        before, then = reading or before, now
        decision = analysis.decide(state, plan)
        diary.watch(site.state.weight, state, decision, plan)
        if died := _died(site):
            return Verdict(False, died)
        if decision.action == "rollback":
            return Verdict(False, decision.reason)
        if decision.action == "promote":
            return Verdict(True, decision.reason)
        if decision.action == "advance":
            diary.tell("canary", decision.reason)
            state = analysis.advance(state)
            _raise_share(site, plan.steps[state.step], diary)


def compare(before: Reading | None, after: Reading | None, wiring: Wiring, seconds: float) -> Counts:
    """What both versions did between two readings; nothing where one is missing, or the counters began anew."""
    assert wiring.canary is not None
    if before is None or after is None:
        return Counts(seconds, None, None)
    stable = _tally(before, after, wiring.stable.name, wiring.stable.port)
    canary = _tally(before, after, wiring.canary_name, wiring.canary.port)
    return Counts(seconds, stable, canary, BOUNDS) if stable and canary else Counts(seconds, None, None)


def _tally(before: Reading, after: Reading, cluster: str, port: int) -> Tally | None:
    new = after.hosts.get((cluster, port))
    if new is None:
        return None
    old = before.hosts.get((cluster, port), envoy.Seen())
    nothing = (0,) * len(BOUNDS)
    now, was = after.latency.get(cluster, nothing), before.latency.get(cluster, nothing)
    latency = tuple(a - b for a, b in zip(now, was, strict=True))
    tally = Tally(new.requests - old.requests, new.errors - old.errors, latency)
    return tally if min(tally.requests, tally.errors, *latency) >= 0 else None


def _raise_share(site: Site, share: float, diary: Diary) -> None:
    route(site, share)
    diary.tell("canary", f"the canary takes {100 * share:g} % of the traffic")


def _died(site: Site) -> str | None:
    """What no statistics need to tell."""
    now = site.state
    if not site.driver.alive(site.place(now.revisions[now.canary or 0])):
        last = site.driver.tail(site.place(now.revisions[now.canary or 0]))
        return "the canary died" + (f": {last[-1]}" if last else "")
    if not site.driver.alive(site.place(now.revisions[now.stable or 0])):
        return "the stable version died, so there is nothing to compare with"
    if not detached.alive(envoy.lease(site.proxy)):
        return "the proxy died"
    return None
