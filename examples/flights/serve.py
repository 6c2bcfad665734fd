"""The server: the model behind HTTP, on numpy and the standard library.

POST /predict   {"instances": [flight, …]}  →  {"predictions": [probability, …]}, or 422 and what is wrong with them
GET  /healthz   200 once the model is loaded
GET  /metrics   counts for Prometheus

MLCI_MODEL is the model's folder, PORT and HOST (127.0.0.1) where to listen. On SIGTERM it takes no more connections,
finishes the requests that it has, and exits 0.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# One row is too little work to share: a thread pool of BLAS would only cost memory.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import faults
import features
import jsonschema_rs
import model
from metrics import Metrics

MAX_BODY = 16 * 2**20
SAID = 5
DRAIN_SECONDS = 20.0
# The contract that the training data kept, for one flight: made by `mlci contract export` (README.md says how).
FLIGHT = jsonschema_rs.Draft202012Validator(json.loads(Path(__file__).with_name("request.json").read_bytes()))


class Refused(Exception):
    """A request that cannot be answered: the status, and what to do about it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def parse(body: bytes) -> dict[str, list[Any]]:
    """The columns of the flights in a request body."""
    try:
        rows = json.loads(body, parse_int=float, parse_constant=no_number)["instances"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(400, 'the body must be JSON: {"instances": [flight, ...]}') from None
    if not isinstance(rows, list) or not rows:
        raise Refused(400, "instances must be a list of at least one flight")
    wrong = [f"instances[{i}]{said}" for i, row in enumerate(rows) for said in map(worded, FLIGHT.iter_errors(row))]
    if wrong:
        raise Refused(422, "; ".join(wrong[:SAID] + ["…"] * (len(wrong) > SAID)))
    return {name: [row.get(name) for row in rows] for name in features.COLUMNS}


def worded(error: jsonschema_rs.ValidationError) -> str:
    """`.hour: 25 is greater than the maximum of 23`."""
    return f"{''.join(f'.{name}' for name in error.instance_path)}: {error.message[:200]}"


def no_number(word: str) -> None:
    """NaN and the infinities are not JSON."""
    raise ValueError(word)


class Server(ThreadingHTTPServer):
    """One thread a connection, and a count of the predictions that are being made."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], predictor: model.Model) -> None:
        self.predictor = predictor
        self.metrics = Metrics()
        self.stopping = False
        self._busy = 0
        self._changed = threading.Condition()
        super().__init__(address, Handler)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While a request is being answered."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of the server; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Take no more connections; returns at once, as a signal handler must."""
        self.stopping = True
        threading.Thread(target=self.shutdown).start()

    def drain(self) -> bool:
        """Wait until every request is answered; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, timeout=DRAIN_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.send_json(200, {"status": "ok"})
        elif self.path == "/metrics":
            self.send(200, "text/plain; version=0.0.4", self.server.metrics.text().encode())
        else:
            self.send_json(404, {"error": f"there is no {self.path}"})

    def do_POST(self) -> None:
        with self.server.busy():
            start = time.perf_counter()
            predictions: list[float] = []
            try:
                predictions = self.predict()
                status, answer = 200, {"predictions": predictions}
            except Refused as refused:
                status, answer = refused.status, {"error": str(refused)}
            except Exception as error:
                status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
            self.server.metrics.record(status, time.perf_counter() - start, predictions)
            self.send_json(status, answer)

    def predict(self) -> list[float]:
        """Read the request and predict each of its flights."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True  # what is not read must not be taken for the next request
            raise Refused(413 if length.isdecimal() else 411, f"send a Content-Length of at most {MAX_BODY}")
        body = self.rfile.read(int(length))
        if self.path != "/predict":
            raise Refused(404, f"there is no {self.path}")
        faults.strike()
        return self.server.predictor.predict(parse(body)).tolist()

    def send_json(self, status: int, answer: dict[str, Any]) -> None:
        self.send(status, "application/json", json.dumps(answer).encode())

    def send(self, status: int, content_type: str, body: bytes) -> None:
        """Write the answer out; a server that stops asks the client to come back on another connection."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.stopping or self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the requests are counted in /metrics."""


def main() -> None:
    predictor = model.load(Path(os.environ["MLCI_MODEL"]))
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    with Server(address, predictor) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        print(f"serving on http://{address[0]}:{server.server_port}", flush=True)
        server.serve_forever(poll_interval=0.05)
        server.socket.close()
        if not server.drain():
            sys.exit("serve.py: stopped with requests unanswered")


if __name__ == "__main__":
    main()
