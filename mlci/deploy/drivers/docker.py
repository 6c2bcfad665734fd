"""Versions as containers of a Docker engine on this machine, found again by their labels and by nothing else.

A container is made from an image that was brought by its digest and looked at before (`docker_image`), by the image's
id and never by a name. It has no rights that it did not ask for: no capabilities, no new privileges, a file system that
it cannot write but for `/tmp`, a network with its environment's versions alone, and a port of loopback for the proxy.
The engine starts it again once it is to be kept. What it wrote is copied to the version's folder before it goes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any

from mlci.deploy.drivers import Address, Launch, Replica
from mlci.deploy.drivers.docker_engine import Engine, engine
from mlci.deploy.drivers.docker_image import bring
from mlci.deploy.drivers.process import free_port
from mlci.errors import WorldError
from mlci.files import write_atomic

VERSION, REPLICA, ENVIRONMENT, ASKED = (f"dev.mlci.{word}" for word in ("version", "replica", "environment", "asked"))
"""Labels: the folder of the version, the number, the folder of the environment, and a digest of all that was asked."""
HOST = "127.0.0.1"
PROCESSES = 4096
KEPT_LINES = 10_000
_TAKEN = ("port is already allocated", "address already in use")
_LOG = {"type": "json-file", "config": {"max-size": "20m", "max-file": "3"}}


def observe(folder: Path) -> tuple[Replica, ...]:
    """Containers with this version's label."""
    with engine() as api:
        found = [_replica(container) for container in _containers(api, folder)]
    return tuple(sorted(found, key=lambda replica: replica.number))


def start(launch: Launch) -> tuple[Address, ...]:
    """A container for each replica; one that runs and is what was asked for is left as it is."""
    launch.folder.mkdir(parents=True, exist_ok=True)
    with engine() as api:
        image = bring(api, launch.source)
        network = _network(api, launch)
        asked = _digest({"image": image, "config": launch.image_config, "container": asdict(launch.container)})
        there = {_number(one): one for one in _containers(api, launch.folder)}
        addresses = []
        for number in range(1, launch.replicas + 1):
            found = there.pop(number, None)
            if found and _right(found, image, asked):
                address = _address(found)
            else:
                address = None
                if found:
                    _remove(api, found)
            addresses.append(address or _run(api, launch, number, image, network, asked))
        for left in there.values():
            _remove(api, left)
    return tuple(addresses)


def keep(folder: Path) -> None:
    """By the engine's restart policy."""
    with engine() as api:
        for container in _containers(api, folder):
            api.update_container(container["Id"], restart_policy={"Name": "unless-stopped"})


def stop(folder: Path, grace: float, only: Collection[int] | None = None) -> None:
    """Stop them, all at once, then keep their logs and remove them; the last one takes the network along."""
    with engine() as api:
        found = [one for one in _containers(api, folder) if only is None or _number(one) in only]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: _end(api, folder, one, grace), found))
        if only is None:
            _drop_network(api, folder)


def logs(folder: Path, number: int, *, tail: int, follow: bool = False) -> Iterator[str]:
    """From the engine, or what was kept when the container was removed; why it ended, where the engine knows."""
    with engine() as api:
        since = 0.0
        while container := next((one for one in _containers(api, folder) if _number(one) == number), None):
            begun = time.time()
            yield from _lines(api, container, tail=tail, follow=follow, since=since)
            if not follow:
                return
            time.sleep(0.5)  # it ended: perhaps the engine starts it again
            since, tail = begun, KEPT_LINES
        if not since:
            yield from _kept(folder, number)[-tail:]


def _containers(api: Engine, folder: Path) -> list[dict[str, Any]]:
    listed = api.containers(all=True, filters={"label": f"{VERSION}={folder.resolve()}"})
    found = []
    for one in listed:
        with suppress(api.Gone):
            found.append(api.inspect_container(one["Id"]))
    return found


def _number(container: dict[str, Any]) -> int:
    return int(container["Config"]["Labels"][REPLICA])


def _replica(container: dict[str, Any]) -> Replica:
    now = container["State"]
    running = bool(now["Running"]) and not now["Restarting"]
    pid = now["Pid"] if running and now["Pid"] else None
    return Replica(_number(container), running, _address(container), pid, container["RestartCount"])


def _address(container: dict[str, Any]) -> Address | None:
    bindings = [one for given in (container["HostConfig"]["PortBindings"] or {}).values() for one in given or ()]
    return (HOST, int(bindings[0]["HostPort"])) if bindings else None


def _right(container: dict[str, Any], image: str, asked: str) -> bool:
    """Does it run, from this image, as asked? A label alone is soon written."""
    same = container["Image"] == image and container["Config"]["Labels"].get(ASKED) == asked
    return same and _replica(container).running


def _run(api: Engine, launch: Launch, number: int, image: str, network: str, asked: str) -> Address:
    """Make the container on its port of before, or a free one, and start it.

    What cannot be started is left as it is: the engine says in it why.
    """
    port = launch.port(number) or free_port()
    for _ in range(10):
        made = api.create_container(**_options(api, launch, number, image, network, asked, port))
        try:
            api.start(made["Id"])
            return HOST, port
        except api.Refused as refused:
            if any(words in str(refused) for words in _TAKEN):
                api.remove_container(made["Id"], force=True)
                port = free_port()
            elif "device driver" in str(refused) or "nvidia" in str(refused).lower():
                api.remove_container(made["Id"], force=True)
                raise WorldError(
                    f"the Docker engine cannot give a container {launch.container.gpus} GPUs: {refused}",
                    help="install the NVIDIA Container Toolkit where the engine runs, or leave out container.gpus",
                ) from refused
            else:
                return HOST, port
    raise WorldError(f"the Docker engine finds no free port of {HOST} for {launch.name}", help="then deploy again")


def _options(
    api: Engine, launch: Launch, number: int, image: str, network: str, asked: str, port: int
) -> dict[str, Any]:
    limits, inside = launch.container, _port(launch.image_config)
    rights = {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "read_only": not limits.writable,
        "tmpfs": {"/tmp": "mode=1777"},  # noqa: S108 - the container's own
        "pids_limit": PROCESSES,
    }
    if limits.memory:
        rights |= {"mem_limit": limits.memory, "memswap_limit": limits.memory}
    if limits.cpus:
        rights["nano_cpus"] = round(limits.cpus * 1e9)
    if limits.gpus:
        rights["device_requests"] = [api.gpus(limits.gpus)]
    labels = {
        VERSION: str(launch.folder.resolve()),
        REPLICA: str(number),
        ENVIRONMENT: _environment(launch.folder),
        ASKED: asked,
    }
    host = api.create_host_config(port_bindings={inside: (HOST, port)}, network_mode=network, log_config=_LOG, **rights)
    name = f"mlci-{launch.name}-{number}-{_digest(labels[VERSION])[:8]}"
    env = {"PORT": str(inside), "HOST": "0.0.0.0"}  # noqa: S104 - of the container
    return {
        "image": image, "name": name, "labels": labels, "environment": env, "ports": [inside], "host_config": host
    }  # fmt: skip


def _port(image_config: dict[str, Any]) -> int:
    """Where the image's server listens in a container."""
    env = dict(entry.partition("=")[::2] for entry in image_config.get("Env") or ())
    return int(env.get("PORT") or 8080)


def _environment(folder: Path) -> str:
    return str(folder.resolve().parent.parent)


def _network(api: Engine, launch: Launch) -> str:
    """The environment's network, in which no container sees another; made where there is none."""
    where = _environment(launch.folder)
    name = f"mlci-{Path(where).name}-{_digest(where)[:8]}"
    with suppress(api.Gone):
        return str(api.inspect_network(name)["Id"])
    alone = {"com.docker.network.bridge.enable_icc": "false"}
    made = api.create_network(name, driver="bridge", options=alone, labels={ENVIRONMENT: where}, check_duplicate=True)
    return str(made["Id"])


def _drop_network(api: Engine, folder: Path) -> None:
    where = f"{ENVIRONMENT}={_environment(folder)}"
    if not api.containers(all=True, filters={"label": where}):
        for network in api.networks(filters={"label": where}):
            with suppress(api.Gone, api.Refused):
                api.remove_network(network["Id"])


def _end(api: Engine, folder: Path, container: dict[str, Any], grace: float) -> None:
    with suppress(api.Gone):
        api.stop(container["Id"], timeout=ceil(grace))
        again = api.inspect_container(container["Id"])
        kept = list(_lines(api, again, tail=KEPT_LINES, follow=False, since=0.0))
        write_atomic(_log(folder, _number(container)), "".join(f"{line}\n" for line in kept))
        _remove(api, container)


def _remove(api: Engine, container: dict[str, Any]) -> None:
    with suppress(api.Gone):
        api.remove_container(container["Id"], force=True, v=True)


def _lines(api: Engine, container: dict[str, Any], *, tail: int, follow: bool, since: float) -> Iterator[str]:
    """What it wrote, and the engine's word on why it does not run."""
    rest = b""
    with suppress(api.Gone):
        for chunk in api.logs(
            container["Id"], stream=True, follow=follow, tail=tail, since=since or None, stdout=True, stderr=True
        ):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")
        now = api.inspect_container(container["Id"])["State"]
        if now["OOMKilled"]:
            yield "mlci: killed, for it needed more memory than container.memory allows"
        if now["Error"]:
            yield f"mlci: {now['Error']}"


def _log(folder: Path, number: int) -> Path:
    return folder / str(number) / "log"


def _kept(folder: Path, number: int) -> list[str]:
    try:
        return _log(folder, number).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
