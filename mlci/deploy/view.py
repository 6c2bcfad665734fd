"""A canary as it is now, in a few lines of text: who has which share, what was counted, how far the evidence is."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from mlci.deploy import progress

if TYPE_CHECKING:
    from mlci.deploy.controller import Status
    from mlci.deploy.progress import Progress

_BAR = 24


def lines(status: Status | None, now: Progress | None, controller: int | None) -> list[str]:
    """What `mlci status ENV --watch` shows; `controller` is the process that deploys now."""
    if status is None:
        return ["nothing serves" + (f"; a deployment is under way (pid {controller})" if controller else "")]
    health = "healthy" if status.healthy else "NOT healthy"
    doing = f"a deployment is under way (pid {controller})" if controller else "no deployment is under way"
    found = [f"{status.environment}  {status.endpoint}  {health}  {doing}", ""]
    share = 1 - status.weight if status.canary else 1.0
    under_way = now if status.canary else None
    found.append(_version("stable", status.digest, share, under_way))
    if status.canary:
        found.append(_version("canary", status.canary, status.weight, under_way))
    if under_way is not None:
        found += ["", *_evidence(under_way), "", _forecast(under_way, status.weight, controller)]
    return found


def _version(role: str, digest: str, share: float, now: Progress | None) -> str:
    line = f"  {role}  {digest[:19]}  {share:6.1%}"
    if now is None:
        return line
    seen = now.point[role]
    failed = f" ({seen['errors'] / seen['requests']:.2%})" if seen["requests"] else ""
    return f"{line}  {seen['requests']:>9,} requests  {seen['errors']:>6,} failed{failed}"


def _evidence(now: Progress) -> list[str]:
    """Two bars for each metric, by the logarithm of the evidence, which grows as the requests do."""
    found = []
    for name, against in now.point["evidence"].items():
        threshold, needed = now.point["threshold"], now.point["needed"]
        found.append(f"  {name:<12} worse      {_bar(against, threshold)}  {against:.3g} of {threshold:g}")
        clear = now.point["clear"].get(name, 1.0)
        found.append(f"  {'':<12} no worse   {_bar(clear, needed)}  {clear:.3g} of {needed:g}")
    return found


def _bar(value: float, goal: float) -> str:
    full = max(0.0, min(1.0, log(max(value, exp(-700))) / log(goal)))
    return "█" * round(full * _BAR) + "░" * (_BAR - round(full * _BAR))


def _forecast(now: Progress, weight: float, controller: int | None) -> str:
    if controller is None or not (weight or progress.rate(now)):
        return "  the canary has no traffic: `mlci deploy --resume` goes on, `mlci deploy` starts over"
    speed = f"  {progress.rate(now):.0f} requests/s"
    left = progress.seconds_to_go(now)
    if left is None:
        return f"{speed}: the evidence to go on does not grow at this rate"
    return f"{speed}: about {left:.0f} s to the next decision at this rate"
