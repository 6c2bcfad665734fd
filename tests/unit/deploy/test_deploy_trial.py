"""A server on trial: it is asked and measured, named when it is at fault, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from mlci.deploy.trial import Served, Trial, serving
from mlci.errors import Interrupted, WorldError

SERVER = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
FAULT = os.environ.get("FAULT", "")
if FAULT == "ends": sys.exit("no model here")
if FAULT == "never": time.sleep(60)
class Handler(BaseHTTPRequestHandler):
    protocol_version = os.environ.get("PROTOCOL", "HTTP/1.1")
    disable_nagle_algorithm = True
    def do_GET(self):
        self.answer(200 if self.path == "/ready" else 404, b"{}")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if FAULT == "hangs": time.sleep(60)
        if FAULT == "dies": os._exit(1)
        if FAULT == "slow": time.sleep(0.02)
        self.answer(int(FAULT) if FAULT.isdigit() else 200, body)
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def image(tmp_path: Path):
    """An unpacked image with a server in it, at fault as asked."""
    app = tmp_path / "root" / "app"
    app.mkdir(parents=True)
    (app / "serve.py").write_text(SERVER)

    def made(fault: str = "", **more) -> Served:
        more = {"timeout": 20.0, "patience": 20.0, **more}
        protocol = more.pop("protocol", "HTTP/1.1")
        config = {
            "Cmd": ["python", "serve.py"],
            "WorkingDir": "/app",
            "Env": [f"FAULT={fault}", f"PIDS={tmp_path / 'pids'}", f"PROTOCOL={protocol}"],
            "Labels": {"dev.mlci.ready": "/ready"},
        }
        return Served("the server", tmp_path / "root", config, tmp_path / "own", tmp_path / "log", **more)

    yield made
    for pid in started(tmp_path):
        assert not alive(pid), "a server was left behind"


def started(tmp_path: Path) -> list[int]:
    file = tmp_path / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    said = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(said.strip()) and not said.startswith("Z")


def asked(served: Served, requests: int = 5, stop: threading.Event | None = None) -> tuple[list[float], Trial]:
    with serving(served, stop or threading.Event()) as trial:
        return trial.ask("/predict", [b"{}"] * requests), trial


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/1.0"])
def test_requests_are_timed_and_the_server_is_gone_afterwards(image, protocol: str) -> None:
    with serving(image("slow", protocol=protocol), threading.Event()) as trial:
        times = trial.ask("/predict", [b"{}"] * 5)
        assert trial.memory() > 4 << 20
    assert len(times) == 5
    assert min(times) >= 0.02
    assert trial.seconds > 0


@pytest.mark.parametrize(
    ("fault", "more", "said"),
    [
        ("ends", {}, "the server ended before it was ready: .*no model here"),
        ("never", {"timeout": 0.3}, r"the server was not ready within 0.3 s \(/ready\)"),
        ("500", {}, "the server answered 500 to {}"),
        ("422", {}, "the server answered 422 to {}"),
        ("hangs", {"patience": 0.3}, "the server did not answer /predict within 0.3 s"),
        ("dies", {}, r"the server did not answer /predict \("),
    ],
)
def test_a_server_at_fault_is_an_error_with_its_name(image, fault: str, more: dict, said: str) -> None:
    with pytest.raises(WorldError, match=f"(?s){said}"):
        asked(image(fault, **more))


def test_what_to_do_next_is_the_callers_word_or_where_the_output_is(image, tmp_path: Path) -> None:
    with pytest.raises(WorldError) as error:
        asked(image("500"))
    assert error.value.help == f"its output: {tmp_path / 'log'}"
    with pytest.raises(WorldError) as error:
        asked(image("500", help="put another back"))
    assert error.value.help == "put another back"


def test_stopping_ends_a_request_that_hangs(image) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        asked(image("hangs", patience=60.0), stop=stop)
    assert time.monotonic() - begun < 30


def test_stopping_ends_a_server_that_is_not_ready(image) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Interrupted):
        asked(image("never"), stop=stop)


def test_an_error_of_the_body_ends_the_server_too(image) -> None:
    with pytest.raises(KeyboardInterrupt), serving(image(), threading.Event()):
        raise KeyboardInterrupt


def test_a_kill_of_mlci_ends_the_server(image, tmp_path: Path) -> None:
    served = image()
    program = f"""
    import threading, time
    from pathlib import Path
    from mlci.deploy.trial import Served, serving
    served = Served("s", Path({str(served.root)!r}), {served.config!r}, Path({str(served.folder)!r}), Path("log"))
    with serving(served, threading.Event()):
        print("up", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as mlci:
        assert mlci.stdout is not None
        assert mlci.stdout.readline() == "up\n"
        (pid,) = started(tmp_path)
        assert alive(pid)
        os.kill(mlci.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
