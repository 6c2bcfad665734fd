"""What goes into a deployment and what comes out of it: the request, the events on the way, the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any, Literal

from mlci.config.model import Deploy
from mlci.deploy import analysis
from mlci.deploy.replay import Sent

Phase = Literal["start", "warm-up", "canary", "switch", "rollback", "done"]
POINTS = 400
"""The most points of a timeline that are kept."""
QUIET = 5.0
"""Seconds between two reports of a canary that only waits."""


@dataclass(frozen=True)
class Request:
    """Deploy this digest to this environment.

    The image is unpacked at `root`, or in the store that `source` names, whichever the driver needs. `rows` makes the
    rows to replay, each a JSON-ready object. With `resume` a canary of the same digest that a killed deployment left
    goes on with the evidence it has. `project` is where the commands of metrics run.
    """

    environment: str
    digest: str
    root: Path | None
    image_config: dict[str, Any]
    deploy: Deploy
    rows: Callable[[], Iterable[dict[str, Any]]] | None = None
    source: str = ""
    resume: bool = False
    project: Path | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened, `t` seconds after the start."""

    t: float
    phase: Phase
    text: str

    def __str__(self) -> str:
        return f"{self.t:6.1f} s  {self.text}"


@dataclass(frozen=True)
class Outcome:
    """How it ended: who serves now is `digest` unless it was taken back, then `previous` (None: nobody)."""

    environment: str
    strategy: str
    driver: str
    digest: str
    previous: str | None
    endpoint: str | None
    outcome: Literal["deployed", "rolled-back", "unchanged"]
    reason: str
    traffic: Sent = field(default_factory=Sent)
    timeline: tuple[dict[str, Any], ...] = ()

    def facts(self) -> dict[str, Any]:
        """The facts of the deployment's receipt, as plain JSON."""
        sent = self.traffic
        traffic = {
            "sent": sent.sent,
            "answered": sent.answered,
            "errors": sent.errors,
            "lost": sent.lost,
            "resent": sent.resent,
        }
        names = ("environment", "strategy", "driver", "digest", "previous", "endpoint", "outcome", "reason")
        return {name: getattr(self, name) for name in names} | {"traffic": traffic, "timeline": list(self.timeline)}


class Diary:
    """The timeline while it grows: every poll is a point, what happened is told as well."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._begun = time.monotonic()
        self._told = 0.0
        self._points: list[dict[str, Any]] = []

    def tell(self, phase: Phase, text: str) -> None:
        """Something happened: repeats the numbers of the last point."""
        numbers = self._points[-1] if self._points else _NOTHING
        self._points.append({**numbers, "t": self._now(), "phase": phase, "event": text})
        self.say(text, phase)

    def say(self, text: str, phase: Phase = "start") -> None:
        """Something worth telling that is no point of the timeline."""
        self._told = self._now()
        self._report(Event(self._told, phase, text))

    def watch(
        self, weight: float, state: analysis.State, decision: analysis.Decision, plan: analysis.Plan
    ) -> dict[str, Any]:
        """One poll of a canary, as a point of the timeline."""
        seen = state.seen
        point: dict[str, Any] = {
            "t": self._now(),
            "phase": "canary",
            "weight": weight,
            "stable": {"requests": seen.stable, "errors": seen.stable_failed},
            "canary": {"requests": seen.canary, "errors": seen.canary_failed},
            "evidence": {name: round(numbers["against"], 6) for name, numbers in decision.evidence.items()},
            "threshold": plan.threshold,
            "clear": {name: round(numbers["for"], 6) for name, numbers in decision.evidence.items()},
            "needed": plan.needed,
            "event": None,
        }
        self._points.append(point)
        if self._now() - self._told >= QUIET:
            self.say(_progress(weight, seen, decision, plan), "canary")
        return point

    def timeline(self) -> tuple[dict[str, Any], ...]:
        """The points, thinned evenly to `POINTS`; those that tell of something stay."""
        rest = [i for i, point in enumerate(self._points) if point["event"] is None]
        room = POINTS - (len(self._points) - len(rest))
        if len(rest) > room:
            rest = [rest[i * len(rest) // room] for i in range(room)]
        kept = set(rest)
        return tuple(point for i, point in enumerate(self._points) if i in kept or point["event"] is not None)

    def _now(self) -> float:
        return round(time.monotonic() - self._begun, 3)


_NOTHING: dict[str, Any] = {
    "weight": 0.0,
    "stable": {"requests": 0, "errors": 0},
    "canary": {"requests": 0, "errors": 0},
    "evidence": {},
    "threshold": None,
    "clear": {},
    "needed": None,
}


def _progress(weight: float, seen: Any, decision: analysis.Decision, plan: analysis.Plan) -> str:
    way = min(max(0.0, log(max(numbers["for"], 1e-9)) / log(plan.needed)) for numbers in decision.evidence.values())
    counts = f"canary {seen.canary_failed} of {seen.canary} failed, stable {seen.stable_failed} of {seen.stable}"
    return f"canary at {weight:.0%}: {counts}; {way:.0%} of the evidence to go on"
