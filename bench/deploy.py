"""Deployments: what callers lose while versions change and things die, how fast one is back, what it costs.

Real Envoy and small real servers on loopback, the caller in a process of its own.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Options, say, table
from mlci import deploy as delivery
from mlci.deploy import detached, envoy
from mlci.deploy.drivers import Launch, process
from mlci.deploy.envoy_config import Endpoint, Wiring
from mlci.deploy.health import ask
from tests.integration.deploy.deploykit import Site, at_once

CONTROLLER = """
import sys, threading
from pathlib import Path
from tests.integration.deploy import deploykit
from mlci import deploy
site = deploykit.Site(Path(sys.argv[1]), Path(sys.argv[2]))
config = deploykit.canary(rate=20, margin=0.0005, timeout=600)
report = lambda event: print(event, flush=True)
deploy.deploy(site.request("two", config), folder=site.folder, report=report, stop=threading.Event())
"""


@dataclass(frozen=True)
class Plan:
    """How often, at how many requests a second, and how many requests while a canary fails."""

    changes: int
    switches: int
    kills: int
    rate: float
    requests: int
    seconds: float


def measure(options: Options) -> str:
    """The section of docs/benchmarks.md."""
    quick, whole = Plan(10, 2, 1, 200, 6_000, 5), Plan(100, 20, 10, 500, 200_000, 60)
    return section(quick if options.quick else whole)


def section(plan: Plan) -> str:
    """All of it."""
    with tempfile.TemporaryDirectory() as work:
        lost, latency = _changes(Path(work), plan)
        faults = [_fault(Path(work), plan, name) for name in ("killed", "stopped", "answers 500")]
        path = _path(Path(work), plan)
        cost = _cost(Path(work), plan)
    return "\n\n".join(
        [
            f"Callers at {plan.rate:g} requests/s; what failed is an answer of 5xx, or none.",
            table(["while", "requests", "failed"], lost),
            f"A canary with 20 % of the traffic that fails, {plan.requests:,} requests as fast as they are answered.",
            table(["the canary", "requests", "failed", "failed at the canary"], faults),
            table(["back to the version before", "runs", "median", "slowest"], latency),
            table(["", "requests/s", "p50", "p99"], path),
            table(["", "memory", "of a core"], cost),
        ]
    )


def _changes(work: Path, plan: Plan) -> tuple[list[list[str]], list[list[str]]]:
    site = Site(work / "home" / "production", work / "images")
    kept: list[float] = []
    fresh: list[float] = []
    try:
        site.deploy("one")
        port = int(site.status().endpoint.rpartition(":")[2])
        rows = []
        for name, times, action in (
            ("switches (blue-green)", plan.switches, lambda n: site.deploy(("two", "one")[n % 2], at_once())),
            ("rollbacks, kept", plan.switches, lambda n: _timed(kept, site, ("two", "one")[n % 2], 600)),
            ("rollbacks, started again", plan.switches, lambda n: _timed(fresh, site, ("two", "one")[n % 2], 0)),
            ("kills of mlci in a canary", plan.kills, lambda _: _kill(site)),
        ):
            say(f"{times} {name}")
            with _calling(port, rate=plan.rate) as found:
                for n in range(times):
                    action(n)
            rows.append([f"{times} {name}", f"{found['requests']:,}", str(found["failed"])])
    finally:
        delivery.stop(site.folder)
    with _rig(work / "weights", {}) as rig:
        say(f"{plan.changes} changes of the weights")
        with _calling(rig.port, rate=plan.rate) as found:
            for n in range(plan.changes):
                rig.weigh(n % 20 / 20)
                time.sleep(0.05)
    rows.insert(0, [f"{plan.changes} changes of the weights", f"{found['requests']:,}", str(found["failed"])])
    return rows, [_latency("it still runs", kept[1:]), _latency("from its image", fresh)]


def _timed(into: list[float], site: Site, name: str, keep: float) -> None:
    begun = time.perf_counter()
    site.deploy(name, at_once(keep=keep))
    into.append(time.perf_counter() - begun)


def _latency(name: str, seconds: list[float]) -> list[str]:
    return [name, str(len(seconds)), f"{statistics.median(seconds):.2f} s", f"{max(seconds):.2f} s"]


def _kill(site: Site) -> None:
    """Kill a controller in the middle of its canary, and bring the environment in order."""
    with _controller(site) as child:
        time.sleep(0.5)
        child.kill()
        child.wait()
    site.deploy("one")


@contextmanager
def _controller(site: Site) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(site.folder), str(site.images)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    try:
        while "takes 20 %" not in child.stdout.readline():
            if child.poll() is not None:
                raise SystemExit("the controller ended")
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@dataclass
class _Rig:
    """Two versions behind a proxy, without mlci."""

    proxy: Path
    stable: Endpoint
    canary: Endpoint
    port: int

    def weigh(self, weight: float) -> None:
        envoy.apply(self.proxy, Wiring(self.stable, self.canary, weight, 0.25, repeatable=True))


@contextmanager
def _rig(folder: Path, failing: dict[str, Any]) -> Iterator[_Rig]:
    site, ends = Site(folder, folder / "images"), []
    for number, (name, env) in enumerate((("one", {}), ("two", failing)), 1):
        root, config = site.image(name, **env)
        addresses = process.start(Launch(folder / name, name, config, root))
        while ask(*addresses[0], "/healthz", timeout=1) != 200:
            time.sleep(0.01)
        ends.append(Endpoint(number, addresses))
    proxy, port = folder / "proxy", process.free_port()
    envoy.start(proxy, Wiring(ends[0]), port=port, name="bench")
    try:
        yield _Rig(proxy, ends[0], ends[1], port)
    finally:
        detached.stop(envoy.lease(proxy), grace=1)
        for name in ("one", "two"):
            process.stop(folder / name, 0)


def _fault(work: Path, plan: Plan, name: str) -> list[str]:
    say(f"a canary that is {name}")
    with _rig(work / name.replace(" ", "-"), {"BAD": 1} if name == "answers 500" else {}) as rig:
        rig.weigh(0.2)
        number = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}.get(name)
        pid = process.observe(rig.proxy.parent / "two")[0].pid or 0
        timer = threading.Timer(1.0, lambda: number and os.kill(pid, number))
        timer.start()
        with _calling(rig.port, count=plan.requests) as found:
            pass
        timer.join()
        hosts = envoy.read_hosts(rig.proxy) or {}
        errors = sum(seen.errors for (_, port), seen in hosts.items() if port == rig.canary.addresses[0][1])
    return [name, f"{found['requests']:,}", str(found["failed"]), str(errors)]


def _path(work: Path, plan: Plan) -> list[list[str]]:
    """The proxy before a server that costs next to nothing: another Envoy that answers by itself."""
    say("the path through the proxy")
    folder, port = work / "direct", process.free_port()
    folder.mkdir()
    (folder / "direct.json").write_text(json.dumps(_answering(port)))
    argv = [envoy.binary(), "-c", "direct.json", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
    env = {"PATH": os.environ["PATH"]}
    detached.start(argv, cwd=folder, env=env, log=folder / "log", lease=folder / "lease")
    proxy, front = folder / "proxy", process.free_port()
    try:
        while ask("127.0.0.1", port, "/", timeout=1) != 200:
            time.sleep(0.01)
        envoy.start(proxy, Wiring(Endpoint(1, (("127.0.0.1", port),))), port=front, name="bench")
        rows = []
        for name, where in (("direct", port), ("through the proxy", front)):
            with _calling(where, count=plan.requests, get=True) as most:
                pass
            with _calling(where, rate=plan.rate, get=True) as paced:
                time.sleep(plan.seconds / 4)
            p50, p99 = paced["ms"]
            rows.append([name, f"{most['requests'] / most['seconds']:,.0f}", f"{p50:.2f} ms", f"{p99:.2f} ms"])
    finally:
        detached.stop(envoy.lease(proxy), grace=1)
        detached.stop(folder / "lease", grace=1)
    return rows


def _answering(port: int) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters"
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "one"}}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [route]}]
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "direct",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    listener = {"name": "main", "address": address, "filter_chains": [{"filters": filters}]}
    return {"static_resources": {"listeners": [listener]}}


def _cost(work: Path, plan: Plan) -> list[list[str]]:
    """The controller and its guard during a canary; the controller sends 20 replayed requests a second as well."""
    say("the controller")
    site = Site(work / "cost" / "production", work / "cost" / "images")
    try:
        site.deploy("one")
        with _controller(site) as child:
            (guard,) = (int(line.split()[0]) for line in site.processes() if "deadman.py" in line)
            begun, before = time.perf_counter(), [_cpu(child.pid), _cpu(guard)]
            time.sleep(plan.seconds)
            seconds = time.perf_counter() - begun
            return [
                [name, f"{_peak(pid):.0f} MiB", f"{(_cpu(pid) - cpu) / seconds:.1%}"]
                for name, pid, cpu in zip(("controller", "guard"), (child.pid, guard), before, strict=True)
            ]
    finally:
        delivery.stop(site.folder)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


@contextmanager
def _calling(port: int, *, rate: float = 0.0, count: int = 1 << 60, get: bool = False) -> Iterator[dict[str, Any]]:
    """Requests until the end of the block, or to their count; then the dictionary says what became of them."""
    argv = [sys.executable, "-m", "bench.deploy_load", str(port), "--rate", str(rate), "--count", str(count)]
    argv += ["--get"] if get else []
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    found: dict[str, Any] = {}
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        time.sleep(0.5)
        yield found
        if count == 1 << 60:
            child.stdin.close()
        found |= json.loads(child.stdout.read())
    finally:
        child.kill()
        child.wait()
