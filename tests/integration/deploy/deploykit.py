"""Small real servers as unpacked images, and one environment to deploy them to."""

from __future__ import annotations

import ssl
import subprocess
import threading
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlci import deploy as delivery
from mlci.config.model import Deploy, Replay
from mlci.config.watching import Analysis, ErrorBudget, LatencyBudget
from mlci.deploy.replay import Replay as Sender
from mlci.deploy.replay import bodies

SERVER = """
import asyncio, json, os, random, signal, sys, time, zlib

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
            size = [int(line.split(":")[1]) for line in head.split("\\r\\n") if line.startswith("content-length:")]
            asked = await reader.readexactly(size[0] if size else 0)
            status, wait, die = 200, float(os.environ.get("SLOW", 0)), os.environ.get("DIE")
            if head.startswith("post"):
                serve.count += 1
                if random.random() < float(os.environ.get("BAD", 0)) and serve.count > 20:
                    status = 500
                if os.environ.get("HANG") and serve.count > 20:
                    time.sleep(3600)
                if os.environ.get("BROKEN"):
                    status = 500
                if die and serve.count > int(die):
                    os._exit(9)
                await asyncio.sleep(wait)
                for user in (line[8:] for line in head.split("\\r\\n") if line.startswith("x-user: ")):
                    if zlib.crc32(user.encode()) % 1000 < 1000 * float(os.environ.get("BAD_USERS", 0)):
                        status = 500
            body = os.environ["NAME"].encode()
            if head.startswith("post") and "SHIFT" in os.environ:
                x = json.loads(asked)["instances"][0].get("x", 0)
                score = min(1.0, (x * 0.37 + 0.001) % 1 + float(os.environ["SHIFT"]))
                serve.bins[sum(score > bound for bound in (0.25, 0.5, 0.75))] += 1
                body = json.dumps({"model": os.environ["NAME"], "predictions": [score]}).encode()
            if head.startswith("get /metrics"):
                body = metrics()
            writer.write(b"HTTP/1.1 %d X\\r\\ncontent-length: %d\\r\\n\\r\\n%s" % (status, len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

def metrics():
    if os.environ.get("ABSENT"):
        return b"up 1\\n"
    lines, total = [], 0
    for le, count in zip(("0.25", "0.5", "0.75", "+Inf"), serve.bins):
        total += count
        lines.append('mlci_prediction_bucket{model="m{1}",le="%s"} %s' % (le, total))
    return ("# TYPE mlci_prediction histogram\\n" + "\\n".join(lines) + "\\n").encode()

async def main():
    serve.count, serve.bins = 0, [0] * 4
    if os.environ.get("NEVER"):
        print("cannot find the model", flush=True)
        await asyncio.sleep(3600)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    server = await asyncio.start_server(serve, os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]))
    await server.serve_forever()

asyncio.run(main())
"""

ROWS = [{"x": n, "name": f"row {n}"} for n in range(50)]
MANY = [{"x": n} for n in range(2000)]


@dataclass
class Site:
    """One environment, and what happened in it."""

    folder: Path
    images: Path
    events: list[str] = field(default_factory=list)
    stopper: threading.Event = field(default_factory=threading.Event)
    rows: list[dict[str, Any]] = field(default_factory=lambda: ROWS)

    def image(self, name: str, **env: Any) -> tuple[Path, dict[str, Any]]:
        """The root and config of an image whose server answers its name."""
        root = self.images / name
        (root / "app").mkdir(parents=True, exist_ok=True)
        (root / "app" / "serve.py").write_text(SERVER)
        variables = [f"{key}={value}" for key, value in {"NAME": name, **env}.items()]
        config = {
            "Cmd": ["python", "/app/serve.py"],
            "Env": ["PYTHONPATH=/deps:/app", *variables],
            "WorkingDir": "/app",
            "Labels": {"dev.mlci.ready": "/healthz"},
        }
        return root, config

    def request(self, name: str, config: Deploy | None = None, *, resume: bool = False, **env: Any) -> delivery.Request:
        root, image_config = self.image(name, **env)
        rows = (lambda: self.rows) if config and config.replay else None
        return delivery.Request(
            "production", f"sha256:{name}", root, image_config, config or at_once(), rows, resume=resume
        )

    def deploy(self, name: str, config: Deploy | None = None, **env: Any) -> delivery.Outcome:
        request = self.request(name, config, **env)
        return delivery.deploy(
            request, folder=self.folder, report=lambda e: self.events.append(str(e)), stop=self.stopper, wait=1.0
        )

    def status(self) -> delivery.Status:
        found = delivery.status(self.folder)
        assert found is not None
        return found

    def processes(self) -> list[str]:
        """Command lines of the servers and the proxy."""
        return [line for line in self.everything() if "/bin/sh -c" not in line]

    def everything(self) -> list[str]:
        """The same, and the shells that wait for the servers."""
        listing = subprocess.run(["ps", "-ewwo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
        return [line for line in listing.splitlines() if str(self.folder) in line and " Z" not in line]


def at_once(**more: Any) -> Deploy:
    return Deploy(strategy="blue-green", ready_timeout=10.0, **more)


def canary(*, rate: float = 800.0, latency: bool = False, margin: float = 0.03, timeout: float = 30.0) -> Deploy:
    budget = LatencyBudget(quantiles=("p90",), margin=0.5) if latency else None
    analysis = Analysis(errors=ErrorBudget(margin=margin), latency=budget, timeout=timeout)
    return Deploy(
        steps=(0.2, 0.5), replay=Replay(data="rows", rate=rate), analysis=analysis, repeatable=True, ready_timeout=10.0
    )


def watching(config: Deploy, **more: Any) -> Deploy:
    """The same with other keys of its analysis."""
    return replace(config, analysis=replace(config.analysis, **more))


def replay_rate(config: Deploy, rate: float) -> Deploy:
    """The same with requests at another rate."""
    return replace(config, replay=Replay(data="rows", rate=rate))


class Load:
    """Requests to the proxy from the outside, for as long as the block lasts."""

    def __init__(self, site: Site, rate: float = 300.0) -> None:
        port = int(site.status().endpoint.rsplit(":", 1)[1])
        self._sender = Sender(bodies(lambda: ROWS), host="127.0.0.1", port=port, path="/predict", rate=rate)

    def __enter__(self) -> Load:
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.counts = self._sender.stop()


def answer(site: Site) -> str:
    """Who answers a prediction now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url, data = f"{site.status().endpoint}/predict", b'{"instances": [{}]}'
    with urllib.request.urlopen(url, data=data, timeout=10, context=context) as reply:
        return str(reply.read().decode())
