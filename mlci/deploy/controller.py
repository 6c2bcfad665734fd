"""A deployment from beginning to end, under the environment's lock.

First whatever an earlier one left is settled. Then the new version is started beside the stable one, must get ready
and answer its warm-up, and takes over by the strategy: at once (blue-green), after the old one ended (recreate), or by
shares while it is watched (canary). At any trouble the journal drops it and the environment is settled on the stable
version again; the same happens at the next deployment when this one is killed. What the strategies differ in beyond
that is in `strategies`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from mlci.config.model import Deploy
from mlci.deploy import analysis, canary, drivers, envoy, health, keep, progress, state, strategies
from mlci.deploy.canary import Verdict
from mlci.deploy.envoy_config import Front
from mlci.deploy.lifeline import Lifeline, fired, lifeline
from mlci.deploy.outcome import Diary, Event, Outcome, Request
from mlci.deploy.replay import Replay, Sent, bodies
from mlci.deploy.site import Site, StableLost, divert, launch, settle
from mlci.deploy.state import Revision, State
from mlci.errors import MlciError, WorldError

WAIT = 30.0
"""Seconds to wait for another deployment of the environment."""
READY = "dev.mlci.ready"
"""The image's label with the path that answers 200 when it can take traffic."""


@dataclass(frozen=True)
class Status:
    """Who serves an environment now.

    `pids` by role, proxy, stable, canary, kept: the first server's process, None where it has none on this machine.
    `servers` says how many run, `2 of 3`; `whole` that none of the stable version's is missing.
    """

    environment: str
    digest: str
    number: int
    endpoint: str
    healthy: bool
    canary: str | None
    weight: float
    pids: dict[str, int | None]
    servers: dict[str, str]
    whole: bool


def deploy(
    request: Request, *, folder: Path, report: Callable[[Event], None], stop: threading.Event, wait: float = WAIT
) -> Outcome:
    """Bring the request's version to its environment, and say how it ended.

    `folder` holds the environment's journal and logs. Raises UsageError, WorldError (the world is broken, or another
    deployment runs for longer than `wait` seconds) and Interrupted (`stop` was set); after each of them the stable
    version has the traffic.
    """
    folder = folder.resolve()
    strategies.check(request.deploy)
    drivers.driver(request.deploy.driver)
    with state.locked(folder, request.environment, wait=wait) as lock:
        now = state.load(folder) or State(request.environment)
        current = _current(folder, now, request)
        if current is not None:
            return _outcome(request, now, now.serving, "unchanged", "it serves already")
        diary = Diary(report)
        site = Site(folder, now, lambda text: diary.tell("start", text))
        try:
            return _Deployment(request, site, diary, stop, lock).run()
        except OSError as error:
            raise WorldError(f"deploying to {request.environment}: {error}", help="then deploy again") from error


def status(folder: Path) -> Status | None:
    """Who serves, or None where nobody should. Takes no lock and at most a few seconds."""
    folder = folder.resolve()
    now = state.load(folder)
    if now is None or now.serving is None:
        return None
    site, serving = Site(folder, now, lambda _: None), now.serving
    numbers = {"stable": now.stable, "canary": now.canary, "kept": now.kept}
    roles = {role: now.revisions[number] for role, number in numbers.items() if number is not None}
    seen = {role: site.observe(revision) for role, revision in roles.items()}
    running = {role: [one for one in found if one.running] for role, found in seen.items()}
    pids = {role: next((one.pid for one in found), None) for role, found in running.items()}
    pids["proxy"] = envoy.pid(folder / "proxy")
    tls = bool(now.front.certificate)
    up = pids["proxy"] is not None and bool(running["stable"]) and now.port is not None
    return Status(
        environment=now.environment,
        digest=serving.digest,
        number=serving.number,
        endpoint=now.endpoint or "",
        healthy=up and health.ask("127.0.0.1", now.port, serving.ready, timeout=2.0, tls=tls) == 200,
        canary=now.revisions[now.canary].digest if now.canary is not None else None,
        weight=0.0 if fired(folder / "proxy") else now.weight,
        pids=pids,
        servers={role: f"{len(found)} of {roles[role].replicas}" for role, found in running.items()},
        whole=len(running["stable"]) == serving.replicas,
    )


def stop(folder: Path, *, wait: float = WAIT) -> bool:
    """End an environment's proxy and servers; the port is kept for the next time. False where there was nothing."""
    folder = folder.resolve()
    if not (folder / "state.json").exists():
        return False
    with state.locked(folder, folder.name, wait=wait):
        now = state.load(folder)
        if now is None or not now.revisions:
            return False
        keep.stop(folder)
        envoy.stop(folder / "proxy")
        site = Site(folder, now, lambda _: None)
        for revision in now.revisions.values():
            site.stop(revision)
        site.record(State(now.environment, next=now.next, port=now.port))
    return True


@dataclass
class _Deployment:
    """One run of `deploy`."""

    request: Request
    site: Site
    diary: Diary
    stop: threading.Event
    lock: int

    def run(self) -> Outcome:
        request, site = self.request, self.site
        site.record(strategies.asked(site.state, request.deploy))
        begun = self._left() if request.resume else None
        previous = self._heal() if begun is None else site.state.serving
        if previous is not None and _is(previous, request):
            return _outcome(
                request, site.state, previous, "deployed", "it served already, and was brought in order", self.diary
            )
        rows = bodies(request.rows) if request.rows else []
        traffic = strategies.traffic(request.deploy, rows, site.state)
        try:
            with lifeline(site.folder, site.proxy, self.lock) as line:
                verdict = self._introduce(previous, rows) if begun is None else None
                verdict = verdict or self._watch(line, traffic, begun, rows)
                self._switch(verdict)
                line.end(safely=True)
            self._conclude(verdict)
        except BaseException:
            self._give_up()
            raise
        finally:
            sent = traffic.stop() if traffic else Sent()
        word: Literal["deployed", "rolled-back"] = "deployed" if verdict.good else "rolled-back"
        return replace(_outcome(request, site.state, previous, word, verdict.reason, self.diary), traffic=sent)

    def _heal(self) -> Revision | None:
        """Settle what was left and return the stable revision; one beyond repair is given up for the new one."""
        site = self.site
        stable = site.state.serving
        try:
            settle(site, port=self.request.deploy.port, front=_front(self.request.deploy))
        except StableLost as error:
            if stable is None or stable.digest == self.request.digest:
                raise
            self.diary.tell("start", f"{error}; the new version starts without it")
            site.record(replace(site.state, stable=None))
            settle(site)
        return site.state.serving

    def _give_up(self) -> None:
        """Back to the stable version; what cannot be done now is done by the next deployment."""
        self.diary.tell("rollback", "stopped: the stable version takes everything")
        try:
            settle(self.site)
        except (MlciError, OSError) as error:
            self.diary.say(str(error))

    def _left(self) -> analysis.State | None:
        """The evidence of the canary that a killed deployment left, if all of it is as it was."""
        site, request, now = self.site, self.request, self.site.state
        new, stable = now.revisions.get(now.canary or 0), now.serving
        if request.deploy.strategy == "ab":
            self.diary.tell("start", "who came before is not known any more: it starts over")
            return None
        begun = progress.resumed(site.folder, new.number, analysis.plan(request.deploy)) if new else None
        if not new or not stable or not begun or new.digest != request.digest:
            self.diary.tell("start", "no canary of this version and plan was under way: it starts over")
            return None
        up = all(self._answers(revision) for revision in (new, stable))
        same = request.deploy.port in (None, now.port) and _front(request.deploy) == now.front
        if not up or not same or not envoy.healthy(site.proxy):
            self.diary.tell("start", "what was left of the canary does not run as it should: it starts over")
            return None
        self.diary.tell("start", f"r{new.number} goes on, after {begun.elapsed:.0f} s of evidence")
        return begun

    def _watch(
        self, line: Lifeline, traffic: Replay | None, begun: analysis.State | None, rows: list[bytes]
    ) -> Verdict:
        if traffic:
            traffic.start()
        site, config = self.site, self.request.deploy
        plan, limit = analysis.plan(config), config.analysis.errors.alarm
        with strategies.listening(self.request, site, rows, begun) as sources:
            return canary.watch(site, plan, self.diary, self.stop, line, begun, limit=limit, sources=sources)

    def _introduce(self, previous: Revision | None, rows: list[bytes]) -> Verdict | None:
        """Start the new version and look at it; None where a canary's traffic has the last word."""
        site, config = self.site, self.request.deploy
        strategy = config.strategy if site.state.serving else "blue-green"
        if strategy == "recreate" and previous is not None:
            site.stop(previous)
        if strategy == "blue-green" and self._still_runs():
            return Verdict(True, "it still ran")
        new = self._enroll()
        try:
            new = launch(site, new, timeout=config.ready_timeout, stop=self.stop)
            self.diary.tell("warm-up", f"r{new.number} is ready on {_ports(new)}")
            self._warm(new, rows, tolerated=0.5 if strategy in strategies.WATCHED else 0.1)
        except health.Unfit as unfit:
            for line in unfit.log:
                self.diary.say(f"r{new.number}: {line}")
            return Verdict(False, str(unfit))
        return None if strategy in strategies.WATCHED else Verdict(True, "it was ready and answered its warm-up")

    def _still_runs(self) -> bool:
        """The version was kept, and can take traffic: it is the canary now."""
        now = self.site.state
        kept = now.revisions.get(now.kept or 0)
        if kept is None or not _is(kept, self.request) or not self._answers(kept):
            return False
        self.site.record(replace(now, canary=kept.number, kept=None))
        return True

    def _answers(self, revision: Revision) -> bool:
        """Every server of it runs, and is ready."""
        runs = all(one.running for one in self.site.observe(revision))
        return runs and all(health.ready(revision, at, timeout=2.0) for at in revision.addresses)

    def _enroll(self) -> Revision:
        """The new revision in the journal, before anything of it runs."""
        request, now = self.request, self.site.state
        ready = (request.image_config.get("Labels") or {}).get(READY, "/healthz")
        new = Revision(
            number=now.next,
            digest=request.digest,
            root=str(request.root.resolve()) if request.root else None,
            image_config=request.image_config,
            ready=ready,
            source=request.source,
            driver=request.deploy.driver,
            replicas=request.deploy.replicas,
            restart=request.deploy.restart,
            container=asdict(request.deploy.container),
        )
        self.site.record(replace(now.with_revision(new), canary=new.number, next=new.number + 1))
        self.diary.tell("start", f"r{new.number} is {request.digest[:19]}")
        return new

    def _warm(self, new: Revision, rows: list[bytes], *, tolerated: float) -> None:
        """A canary that fails some requests is for the canary's statistics; one that takes over at once must not."""
        replay = self.request.deploy.replay
        found = health.warm_up(new, replay.path if replay else "/", rows if replay else [])
        if found.failed > tolerated * found.sent:
            what = f"{found.failed} of {found.sent} warm-up requests failed ({found.example})"
            raise health.Unfit(what, self.site.last_words(new))
        self.site.record(self.site.state.with_revision(replace(new, slowest=found.slowest)))
        self.diary.tell("warm-up", f"{found.sent} warm-up requests, the slowest {1000 * found.slowest:.0f} ms")

    def _switch(self, verdict: Verdict) -> None:
        """Carry the verdict out: in the journal, and for the traffic."""
        now = self.site.state
        if verdict.good:
            self.diary.tell("switch", f"r{now.canary} takes everything: {verdict.reason}")
            stays = self.request.deploy.keep > 0 and self.request.deploy.strategy != "recreate"
            kept = now.stable if stays else None
            self.site.record(replace(now, stable=now.canary, canary=None, kept=kept, weight=0.0))
        else:
            self.diary.tell("rollback", f"r{now.canary} is taken back: {verdict.reason}")
            self.site.record(replace(now, canary=None, weight=0.0))
        divert(self.site)
        if verdict.gone and now.canary is not None:  # nobody need wait for its answers
            self.site.stop(now.revisions[now.canary], grace=0)

    def _conclude(self, verdict: Verdict) -> None:
        """End what has no part any more, now or when it was kept for long enough."""
        settle(self.site, port=self.request.deploy.port, front=_front(self.request.deploy))
        if verdict.good:
            self._keep()
        serving = self.site.state.serving
        self.diary.tell(
            "done", f"r{serving.number} serves at {self.site.state.endpoint}" if serving else "nothing serves"
        )

    def _keep(self) -> None:
        now, seconds = self.site.state, self.request.deploy.keep
        if now.kept is None:
            keep.stop(self.site.folder)
        else:
            keep.start(self.site.folder, now.kept, seconds)
            self.diary.say(f"r{now.kept} goes on running for {seconds:g} s, to go back to", "done")


def _ports(revision: Revision) -> str:
    ports = [str(port) for _, port in revision.addresses]
    return ("port " if len(ports) == 1 else "ports ") + ", ".join(ports)


def _is(revision: Revision, request: Request) -> bool:
    """Is this revision what is asked for: the same image, run in the same way?"""
    asked = request.deploy
    same = (revision.driver, revision.replicas, revision.restart) == (asked.driver, asked.replicas, asked.restart)
    return same and revision.digest == request.digest and revision.container == asdict(asked.container)


def _current(folder: Path, now: State, request: Request) -> Status | None:
    """The status when there is nothing to do: the digest serves where it should, healthy, and nothing is left over."""
    serving, port = now.serving, request.deploy.port
    same = port in (None, now.port) and _front(request.deploy) == now.front
    if not same or serving is None or not _is(serving, request) or now.canary is not None or now.leaving:
        return None
    found = status(folder)
    return found if found and found.healthy and found.whole else None


def _front(config: Deploy) -> Front:
    tls = config.tls
    return Front(tls.certificate if tls else None, tls.key if tls else None, config.access_log)


def _outcome(
    request: Request,
    now: State,
    previous: Revision | None,
    outcome: Literal["deployed", "rolled-back", "unchanged"],
    reason: str,
    diary: Diary | None = None,
) -> Outcome:
    return Outcome(
        environment=request.environment,
        strategy=request.deploy.strategy,
        driver=request.deploy.driver,
        digest=request.digest,
        previous=previous.digest if previous else None,
        endpoint=now.endpoint,
        outcome=outcome,
        reason=reason,
        timeline=diary.timeline() if diary else (),
    )
