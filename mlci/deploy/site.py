"""An environment on this machine, and `settle`: make it what its journal says.

Each step looks before it acts and may be repeated, so whatever was killed in between, settling once more ends in the
same place: the stable version alone, healthy, behind the proxy, and nothing else running.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlci.config.model import Container
from mlci.deploy import envoy, health, progress, state
from mlci.deploy.drivers import Address, Launch, Replica, driver, last_words
from mlci.deploy.drivers.process import free_port
from mlci.deploy.envoy_config import Front, Wiring
from mlci.deploy.state import Revision, State
from mlci.errors import WorldError

DRAIN = 65.0
"""Seconds that requests in flight may take before their version is stopped (the proxy ends them after 60)."""
GRACE = 5.0
"""Seconds between asking a version to end and killing it."""
RESTART = 120.0
"""Seconds that the stable version may take to get ready again."""
LOGS = 5
"""How many revisions' logs are kept."""


class StableLost(WorldError):
    """The stable version is down and does not start again."""


@dataclass
class Site:
    """An environment's folder, its journal as last written, and whom to tell."""

    folder: Path
    state: State
    tell: Callable[[str], None]

    @property
    def proxy(self) -> Path:
        return self.folder / "proxy"

    def place(self, revision: Revision) -> Path:
        """The folder of a revision."""
        return self.folder / "revisions" / str(revision.number)

    def observe(self, revision: Revision) -> tuple[Replica, ...]:
        """What there is of a revision."""
        return driver(revision.driver).observe(self.place(revision))

    def last_words(self, revision: Revision) -> list[str]:
        """The end of its log."""
        return last_words(driver(revision.driver), self.place(revision))

    def stop(self, revision: Revision, *, grace: float = GRACE) -> None:
        """End a revision's servers."""
        driver(revision.driver).stop(self.place(revision), grace)

    def record(self, new: State) -> None:
        """Write the journal; from now on this is what should be."""
        state.save(self.folder, new)
        self.state = new


def launch(site: Site, revision: Revision, *, timeout: float, stop: threading.Event) -> Revision:
    """Start what does not run of a revision and wait until it is ready; once more on other ports when its own were
    taken meanwhile.

    Raises health.Unfit, WorldError, Interrupted.
    """
    place, runs = site.place(revision), driver(revision.driver)
    for attempt in (1, 2):
        revision = replace(revision, addresses=runs.start(_asked(site, revision)))
        site.record(site.state.with_revision(revision))
        try:
            health.wait_ready(revision, runs, place, timeout=timeout, stop=stop)
            break
        except health.Unfit as unfit:
            if attempt == 2 or not any("address already in use" in line.lower() for line in unfit.log):
                raise
            runs.stop(place, 0, [one.number for one in site.observe(revision) if not one.running])
            revision = replace(revision, addresses=())
    return revision


def _asked(site: Site, revision: Revision) -> Launch:
    return Launch(
        folder=site.place(revision),
        name=f"{site.state.environment}-r{revision.number}",
        image_config=revision.image_config,
        root=Path(revision.root) if revision.root else None,
        source=revision.source,
        replicas=revision.replicas,
        addresses=revision.addresses,
        container=Container(**revision.container),
    )


def route(site: Site, weight: float) -> None:
    """Give the canary this share of the traffic, and return when the proxy has it."""
    site.record(replace(site.state, weight=weight))
    envoy.apply(site.proxy, wiring(site.state))


def wiring(now: State) -> Wiring:
    """What the proxy should do. A canary's answer may take ten times as long as stable's slowest, and at least 1 s."""
    stable = now.revisions[now.stable or 0]
    if now.canary is None:
        return Wiring(stable.endpoint)
    canary = now.revisions[now.canary]
    patience = max(1.0, 10 * stable.slowest)
    return Wiring(stable.endpoint, canary.endpoint, now.weight, patience, now.repeatable, now.mirror, now.sticky)


def divert(site: Site) -> None:
    """Send the traffic where the journal says; the versions that have none now stay until `settle`."""
    if site.state.serving is not None and envoy.healthy(site.proxy):
        envoy.apply(site.proxy, wiring(site.state))


def settle(site: Site, *, port: int | None = None, front: Front | None = None) -> None:
    """Only the stable version serves, from the proxy on `port` with this `front` (None: as it was, or a free one).

    Traffic goes first: to stable, acknowledged, then what the others still answer is waited for, then they end. Raises
    StableLost when the stable version cannot be brought back; the journal still names it.
    """
    site.record(replace(site.state, canary=None, weight=0.0))
    progress.forget(site.folder)
    stable = site.state.serving
    if stable is None:
        envoy.stop(site.proxy)
    else:
        _keep_stable(site, stable)
        _keep_proxy(site, port or site.state.port, front or site.state.front)
        envoy.apply(site.proxy, wiring(site.state))
        if not envoy.drain(site.proxy, wiring(site.state), seconds=DRAIN):
            site.tell(f"some requests took longer than {DRAIN:g} s and are cut off")
        envoy.prune(site.proxy, wiring(site.state))
    for revision in site.state.leaving:
        site.stop(revision)
        site.record(site.state.without_revision(revision.number))
    _forget_logs(site)


def _keep_stable(site: Site, stable: Revision) -> None:
    """Every server of the stable version runs and answers, and is started again from now on when it ends."""
    place, runs = site.place(stable), driver(stable.driver)
    running = {one.number for one in site.observe(stable) if one.running}
    answering = {n for n, at in enumerate(stable.addresses, 1) if n in running and _answers(stable, at)}
    down = set(range(1, stable.replicas + 1)) - answering
    if down:
        which = f" ({len(down)} of {stable.replicas} servers)" if stable.replicas > 1 else ""
        site.tell(f"r{stable.number} is down{which}: starting it again")
        runs.stop(place, GRACE, down if answering else None)
        try:
            launch(site, stable, timeout=RESTART, stop=threading.Event())
        except (health.Unfit, WorldError) as error:
            what = f"r{stable.number} ({stable.digest[:19]}) was down and does not start again: {error}"
            if not answering:
                raise StableLost(what, help=f"its log: {place}/*/log") from error
            site.tell(f"{what}; the other servers go on")
    if stable.restart:
        runs.keep(place)


def _answers(stable: Revision, at: Address) -> bool:
    return any(health.ready(stable, at, timeout=5.0) for _ in range(3))


def _keep_proxy(site: Site, port: int | None, front: Front) -> None:
    """The one that serves is only stopped for another one when that one's port and configuration are good."""
    port = port or free_port()
    name = site.state.environment
    same = envoy.runs_with(site.proxy, envoy.bootstrap(site.proxy, port=port, name=name, front=front))
    if same and envoy.healthy(site.proxy):
        return
    if port != site.state.port:
        envoy.check_port(port)
    envoy.validate(site.proxy, wiring(site.state), port=port, name=name, front=front)
    envoy.stop(site.proxy)
    envoy.start(site.proxy, wiring(site.state), port=port, name=name, front=front)
    site.record(replace(site.state, port=port, front=front))


def _forget_logs(site: Site) -> None:
    folders = sorted((site.folder / "revisions").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in folders[:-LOGS]:
        if int(path.name) not in site.state.revisions:
            shutil.rmtree(path, ignore_errors=True)
