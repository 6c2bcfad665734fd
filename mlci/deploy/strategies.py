"""What the strategies differ in: what each needs of the config, what its traffic is made of, what else is looked at.

| strategy | new version beside the old | who has the traffic meanwhile | the last word |
|---|---|---|---|
| canary | yes | shares of the requests | `canary.watch` |
| ab | yes | shares of the users | `canary.watch`, by users |
| shadow | yes | the old one; the new one gets a copy | `canary.watch` |
| blue-green | yes | the old one | ready, and the warm-up |
| recreate | no | nobody | ready, and the warm-up |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from mlci.config.model import Deploy
from mlci.deploy import analysis
from mlci.deploy.envoy_config import USERS
from mlci.deploy.histogram import Histogram
from mlci.deploy.live import Live
from mlci.deploy.outcome import Request
from mlci.deploy.pairs import Pairs
from mlci.deploy.replay import Replay
from mlci.deploy.site import Site
from mlci.deploy.sources import Source
from mlci.deploy.state import State
from mlci.deploy.visitors import Visitors
from mlci.errors import UsageError

WATCHED = ("canary", "shadow", "ab")
"""Those that are decided by evidence."""


def check(config: Deploy) -> None:
    """Raises UsageError where a strategy cannot work by this config."""
    if config.strategy not in WATCHED:
        return
    plan = analysis.plan(config)
    if not plan.steps or list(plan.steps) != sorted(set(plan.steps)) or plan.steps[0] <= 0:
        raise UsageError(
            "the steps of a canary must rise, with at least one between 0 and 100 %",
            help="such as steps: [5%, 25%, 50%]",
        )
    if plan.margin <= 0 and plan.always_valid:
        raise UsageError("no amount of traffic proves a margin of zero", help="raise analysis.errors.margin")
    if config.strategy == "shadow" and not config.repeatable:
        raise UsageError(
            "strategy `shadow` sends each request to both versions, and it is not said that they may be repeated",
            help="add `repeatable: true` if a request only asks and changes nothing",
        )
    if config.strategy == "ab" and not (config.sticky and (config.sticky.header or config.sticky.cookie)):
        raise UsageError("strategy `ab` needs to know users apart", help="such as sticky: {header: x-user}")
    if plan.predictions and plan.predictions.kind == "pairs" and config.replay is None:
        raise UsageError(
            "there are no rows that both versions could answer for analysis.predictions",
            help="add `replay`, or for a canary `histogram`",
        )


def asked(now: State, config: Deploy) -> State:
    """The journal with how requests are dealt to versions from now on."""
    sticky = config.sticky if config.strategy == "ab" else None
    return replace(now, repeatable=config.repeatable, mirror=config.strategy == "shadow", sticky=sticky)


def traffic(config: Deploy, rows: list[bytes], now: State) -> Replay | None:
    """The requests that are made where there are none of their own; for `ab` each row is a user."""
    if not (config.replay and rows and now.port and config.strategy in WATCHED):
        return None
    where, tls = config.replay.path, bool(now.front.certificate)

    def user(row: int) -> dict[str, str]:
        if now.sticky is None:
            return {}
        name = f"replay-{row}"
        return {now.sticky.header: name} if now.sticky.header else {"Cookie": f"{now.sticky.cookie}={name}"}

    return Replay(rows, host="127.0.0.1", port=now.port, path=where, rate=config.replay.rate, tls=tls, user=user)


@contextmanager
def listening(request: Request, site: Site, rows: list[bytes], begun: analysis.State | None) -> Iterator[list[Source]]:
    """The sources of the evidence that the proxy does not count itself, running while the block does."""
    with ExitStack() as stack:
        sources = list(_sources(request, site, rows, begun))
        for source in sources:
            stack.callback(source.stop)
            source.start()
        yield sources


def _sources(request: Request, site: Site, rows: list[bytes], begun: analysis.State | None) -> Iterator[Source]:
    config, now = request.deploy, site.state
    canary, stable = (now.revisions[number or 0] for number in (now.canary, now.stable))
    watch, plan = config.analysis.predictions, analysis.plan(config)
    servers = canary.addresses, stable.addresses
    if watch and plan.predictions and plan.predictions.kind == "pairs" and config.replay:
        skip = begun.metrics["predictions"].compared if begun else 0
        path, rate = config.replay.path, config.replay.rate
        yield Pairs(rows, servers, path=path, rate=rate, difference=watch.difference, skip=skip)
    elif watch and watch.histogram and plan.predictions:
        yield Histogram(watch.histogram, servers)
    for name, metric in config.analysis.metrics.items():
        yield Live(name, metric, (canary.digest, stable.digest), request.project or Path.cwd())
    if config.strategy == "ab":
        yield Visitors(site.proxy / USERS)
