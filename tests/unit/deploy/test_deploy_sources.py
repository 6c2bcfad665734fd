"""What sources bring, and what they bring that cannot be."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config.watching import LiveMetric
from mlci.deploy import histogram, live
from mlci.deploy.analysis import Counts, Tally
from mlci.deploy.envoy_config import Endpoint, Wiring
from mlci.deploy.histogram import Histogram
from mlci.deploy.live import Live
from mlci.deploy.pairs import Pairs, same
from mlci.deploy.sources import Asked, Unreadable
from mlci.deploy.visitors import SETTLED, Visitors

STABLE, CANARY = Endpoint(1, (("127.0.0.1", 8001),)), Endpoint(2, (("127.0.0.1", 8002),))
WIRING = Wiring(STABLE, CANARY, 0.5)
NOTHING = Counts(0.25, Tally(), Tally())


class Server:
    """Answers what it was told to, the same to every request; another `text` is answered from the next one on."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                self.asked += 1
                body = self.text.encode()
                handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = ("127.0.0.1", self._server.server_port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    both = Server(""), Server("")
    yield both
    for one in both:
        one.stop()


def buckets(*totals: Any) -> str:
    bounds = ("0.5", "1", "+Inf")
    lines = [f'p_bucket{{model="a}} b",le="{le}"}} {n}' for le, n in zip(bounds, totals, strict=True)]
    return "\n".join(["# TYPE p histogram", *lines, f"p_count {totals[-1]}", ""])


def until(source: Any, condition: Any) -> Counts:
    """Look until this holds, for as long as that may take a busy machine."""
    deadline, counts = time.monotonic() + 20, NOTHING
    while True:
        counts = source.add(NOTHING, WIRING)
        if condition(counts):
            return counts
        assert time.monotonic() < deadline, counts
        time.sleep(0.01)


def test_a_histogram_is_read_whatever_its_other_labels_are() -> None:
    found = histogram.parse(buckets(1, 4, 4) + 'p_bucket{le="0.5",model="b"} 2.0 17000\nother_bucket{le="1"} 9\n', "p")
    assert found == histogram.Bins((0.5, 1.0, float("inf")), (3, 1, 0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p 3\n",
        buckets(1, "NaN", 3),
        buckets(3, 2, 4),
        buckets(-1, 2, 3),
        'p_bucket{le="1"} 3\n',
        'p_bucket{a="1"} 3\n',
    ],
)
def test_what_is_no_histogram_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(Unreadable):
        histogram.parse(text, "p")


def test_only_what_was_counted_since_the_last_round_counts_and_a_restart_counts_nothing(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histogram, "EVERY", 0.02)
    canary, stable = servers
    canary.text, stable.text = buckets(100, 100, 100), buckets(7, 8, 9)
    source = Histogram("p", ((canary.address,), (stable.address,)))
    source.start()
    until(source, lambda counts: stable.asked > 1)
    canary.text = buckets(102, 103, 103)
    counts = until(source, lambda counts: counts.canary.predictions and sum(counts.canary.predictions))
    assert counts.canary is not None
    assert counts.canary.predictions == (2, 1, 0)
    canary.text = buckets(1, 1, 1)
    counts = until(source, lambda counts: counts.silent)
    assert counts.silent == {"predictions": "the counters began anew"}
    until(source, lambda counts: not counts.silent)
    canary.text = 'p_bucket{le="+Inf"} 5'
    assert "other buckets" in until(source, lambda counts: counts.silent).silent["predictions"]
    source.stop()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": [{"b": 7}]}', "7 is not between 0 and 1"),
        ('{"a": [{"b": NaN}]}', "nan is not between 0 and 1"),
        ('{"a": [{"b": "0.5"}]}', "a str is not a number"),
        ('{"a": [{"b": true}]}', "a bool is not a number"),
        ('{"a": []}', "the JSON has no a.0.b"),
        ("<html>", "Expecting value"),
    ],
)
def test_a_number_that_cannot_be_is_no_number(servers: tuple[Server, Server], text: str, why: str) -> None:
    server, _ = servers
    metric = LiveMetric(better="lower", low=0, high=1, margin=0.1, url=server.url, json="a.0.b", every=0.02)
    source = Live("value", metric, ("sha256:two", "sha256:one"), Path("/"))
    server.text = text
    source.start()
    assert why in until(source, lambda counts: counts.silent).silent["value"]
    server.text = '{"a": [{"b": 0.25}]}'
    counts = until(source, lambda counts: counts.values)
    assert counts.values["value"][0][0] == counts.values["value"][1][0] == 0.25
    source.stop()


def test_a_command_that_fails_or_prints_no_number_is_silent(tmp_path: Path) -> None:
    for script, why in (("raise SystemExit(3)", "exit code 3"), ("print('high')", "'high'"), ("pass", "nothing")):
        metric = LiveMetric(better="lower", low=0, high=1, margin=0.1, command=("python", "-c", script), every=0.02)
        source = Live("value", metric, ("sha256:two", "sha256:one"), tmp_path)
        source.start()
        assert why in until(source, lambda counts: counts.silent).silent["value"]
        source.stop()


def test_only_one_number_of_prometheus_is_one() -> None:
    def said(kind: str, result: Any) -> bytes:
        return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()

    assert live.of_prometheus(said("vector", [{"metric": {}, "value": [1, "0.5"]}])) == 0.5
    assert live.of_prometheus(said("scalar", [1, "2"])) == 2
    for bad in (said("vector", []), said("vector", [1, 2]), said("matrix", [{"values": []}]), b"[]", b'{"status": 1}'):
        with pytest.raises(Unreadable):
            live.of_prometheus(bad)


def test_a_number_of_prometheus_and_one_of_a_command_are_read(servers: tuple[Server, Server], tmp_path: Path) -> None:
    server, _ = servers
    server.text = '{"status": "success", "data": {"resultType": "vector", "result": [{"value": [0, "0.5"]}]}}'
    script = "import sys; print('asked'); print({'canary': 0.5, 'stable': 0.25}[sys.argv[1]])"
    bounds: dict[str, Any] = {"better": "lower", "low": 0, "high": 1, "margin": 0.1}
    for metric, stable in (
        (LiveMetric(prometheus=server.url, query='avg(v{version="{version}"})', **bounds), 0.5),
        (LiveMetric(command=("python", "-c", script, "{version}"), **bounds), 0.25),
    ):
        source = Live("value", metric, ("sha256:two", "sha256:one"), tmp_path)
        source.start()
        assert until(source, lambda counts: counts.values).values == {"value": ((0.5,), (stable,))}
        source.stop()


def test_words_are_filled_in_and_other_braces_stay() -> None:
    assert live.filled('x{v="{version}"}', {"version": "canary", "digest": "d"}) == 'x{v="canary"}'


def test_a_question_that_takes_long_holds_up_nobody_and_a_bug_in_it_is_silence() -> None:
    release = threading.Event()
    slow = Asked("slow", 0.01, lambda stop: release.wait(20))
    slow.start()
    assert slow.take() == ([], None)
    release.set()
    slow.stop()
    broken = Asked("broken", 0.01, lambda stop: 1 / 0)
    broken.start()
    while broken.take()[1] is None:
        time.sleep(0.01)
    assert "ZeroDivisionError" in (broken.take()[1] or "")
    broken.stop()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ('{"predictions": [1.0, "a"], "id": 1}', '{"id": 2, "predictions": [1.05, "a"]}', True),
        ('{"predictions": [1.0]}', '{"predictions": [1.2]}', False),
        ('{"predictions": [1.0]}', '{"predictions": [1.0, 1.0]}', False),
        ("[true]", "[1]", False),
        ("[NaN]", "[NaN]", True),
        ('{"a": 1}', '{"b": 1}', False),
        ("one", "two", False),
        ("[" * 100_000, "[" * 99_999, False),
    ],
)
def test_answers_are_the_same_within_the_difference(one: str, other: str, equal: bool) -> None:
    assert same(one.encode(), other.encode(), 0.1) is equal


def test_each_row_is_compared_once_from_where_it_was_left(servers: tuple[Server, Server]) -> None:
    canary, stable = servers
    canary.text, stable.text = "[1]", "[1]"
    rows = [f"{n}".encode() for n in range(10)]
    source = Pairs(rows, ((canary.address,), (stable.address,)), path="/", skip=4)
    source.start()
    found = [0]
    until(source, lambda counts: found.append(found[-1] + counts.pairs[0]) or found[-1] == 6)
    time.sleep(0.1)
    assert source.add(NOTHING, WIRING).pairs == (0, 0)
    assert (canary.asked, stable.asked) == (6, 6)
    source.stop()


def line(user: str, status: int = 200, *, canary: bool = False, tries: int = 1, port: int = 0, at: float = 9e9) -> str:
    cluster, home = (WIRING.canary_name, 8002) if canary else (STABLE.name, 8001)
    return f"{at:.3f} {status} {tries} {cluster} 127.0.0.1:{port or home} {user}\n"


def test_each_user_counts_once_at_the_first_request_and_at_the_first_error(tmp_path: Path) -> None:
    log = tmp_path / "users.log"
    log.write_text(line("of before"))
    source = Visitors(log)
    source.start()
    with log.open("a") as file:
        file.write(line("a") + line("a", 500) + line("a", 500) + line("b c", 503) + line("d", canary=True))
        file.write(line("e", canary=True, tries=2, port=8001))  # the canary failed, stable answered
        file.write(line("f", canary=True, port=8001))  # the canary was out
        file.write(line("g", 500, at=time.time() - SETTLED - 9))  # came at another share
        file.write("9000000000.0 200 1 " + STABLE.name)  # not written to its end yet
    counts = source.add(NOTHING, WIRING)
    assert counts.share == 0.5
    assert counts.stable == Tally(failed_users=2, users=2, greeted_badly=1)
    assert counts.canary == Tally(failed_users=2, users=3, greeted_badly=2)
    with log.open("a") as file:
        file.write(" 127.0.0.1:8001 h\n" + line("a") + line("g", 500))
    counts = source.add(NOTHING, WIRING)
    assert counts.stable == Tally(users=1)
    source.stop()
    assert log.read_bytes() == b""


@given(st.binary())
def test_a_line_that_is_none_is_passed_over(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    log = tmp_path_factory.mktemp("log") / "users.log"
    source = Visitors(log)
    source.start()
    log.write_bytes(junk + b"\n" + line("a").encode())
    assert source.add(NOTHING, WIRING).stable == Tally(users=1)
