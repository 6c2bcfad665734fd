"""Replayed traffic is counted honestly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlci.deploy.replay import Replay, bodies
from mlci.errors import UsageError

Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server(ThreadingHTTPServer):
    daemon_threads = False
    answer: Answer
    seen: list[bytes]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.server.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.answer(self, len(self.server.seen))


def reply(handler: BaseHTTPRequestHandler, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"{}")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.seen = []
    made.answer = lambda handler, number: reply(handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def sender(port: int, rate: float = 200.0) -> Replay:
    return Replay(bodies(lambda: [{"x": 1}, {"x": 2}]), host="127.0.0.1", port=port, path="/predict", rate=rate)


def send_until(replay: Replay, sent: int):
    replay.start()
    deadline = time.monotonic() + 20
    while replay.counts().sent < sent:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return replay.stop()


def test_every_request_is_answered_once_and_the_rows_come_round_again(server: Server) -> None:
    found = send_until(sender(server.server_port), 30)
    assert found.sent == found.answered == len(server.seen)
    assert (found.errors, found.lost, found.resent) == (0, 0, 0)
    assert {json.dumps(json.loads(body)) for body in server.seen} == {
        '{"instances": [{"x": 1}]}',
        '{"instances": [{"x": 2}]}',
    }


def test_errors_are_answers(server: Server) -> None:
    server.answer = lambda handler, number: reply(handler, 500 if number % 2 else 404)
    found = send_until(sender(server.server_port), 20)
    assert found.answered == found.sent
    assert found.errors == (len(server.seen) + 1) // 2


def test_a_request_without_an_answer_is_lost(server: Server) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        found = send_until(sender(nobody.getsockname()[1]), 10)
    assert found.lost == found.sent
    assert found.answered == 0


def test_a_connection_that_was_closed_while_idle_costs_a_second_try_not_a_request(server: Server) -> None:
    def and_close(handler: BaseHTTPRequestHandler, number: int) -> None:
        reply(handler)
        handler.close_connection = True  # without telling the client

    server.answer = and_close
    found = send_until(sender(server.server_port, rate=20), 10)
    assert found.lost == 0
    assert found.answered == found.sent
    assert found.resent > 0


def test_nothing_to_replay_is_a_mistake_of_the_config() -> None:
    with pytest.raises(UsageError, match="no rows"):
        bodies(lambda: [])
