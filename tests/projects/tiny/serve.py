"""Serve the model: /healthz and /predict. TINY_FAULT=errors or slow breaks it on purpose."""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scoring import load, score

FAULT = os.environ.get("TINY_FAULT")
RATES = load(os.environ["MLCI_MODEL"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer(200, {"status": "ok"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if FAULT == "slow":
            time.sleep(0.05)
        if FAULT == "errors" and body["instances"][0]["id"] % 3 == 0:
            self.answer(500, {"error": "on purpose"})
        else:
            self.answer(200, {"predictions": [score(RATES, row["x"]) for row in body["instances"]]})

    def answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
