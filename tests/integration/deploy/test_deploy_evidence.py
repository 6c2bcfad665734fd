"""What a new version is judged by beside the proxy's counts: its predictions, and numbers that matter."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mlci.config.watching import LiveMetric, PredictionWatch
from mlci.deploy.sources import PATIENCE
from tests.integration.deploy.deploykit import MANY, Site, canary, watching


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_a_canary_whose_predictions_shift_is_taken_back(site: Site, shift: float) -> None:
    site.rows = MANY
    site.deploy("one", SHIFT=0)
    watch = PredictionWatch(histogram="mlci_prediction", max_change=0.2)
    outcome = site.deploy("two", watching(canary(margin=0.05), predictions=watch), SHIFT=shift)
    assert outcome.outcome == ("rolled-back" if shift else "deployed")
    if shift:
        assert outcome.reason.startswith("predictions: the share of a bin changed by ")


def test_a_histogram_that_goes_missing_is_no_good_news(site: Site) -> None:
    site.rows = MANY
    site.deploy("one", SHIFT=0)
    watch = PredictionWatch(histogram="mlci_prediction", max_change=0.3)
    config = watching(canary(margin=0.05, timeout=2.0), predictions=watch)
    outcome = site.deploy("two", config, SHIFT=0, ABSENT=1)
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("not enough evidence in 2 s")
    assert outcome.reason.endswith("no numbers for predictions: canary: there is no histogram mlci_prediction")
    assert any("no numbers for predictions, so nothing goes on" in event for event in site.events)


@dataclass
class Numbers:
    """A server with a number for each version."""

    url: str
    canary: Any = 0.5
    stable: Any = 0.5


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = made.canary if "canary" in self.path else made.stable
            body = json.dumps({"orders": [{"value": value}]}).encode()
            self.send_response(503 if value is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Numbers(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def number(numbers: Numbers) -> dict[str, LiveMetric]:
    url, where = f"{numbers.url}/{{version}}", "orders.0.value"
    return {"value": LiveMetric(better="higher", low=0, high=1, margin=0.4, every=0.02, url=url, json=where)}


def test_a_number_that_matters_carries_the_decision(site: Site, numbers: Numbers) -> None:
    site.deploy("one")
    config = watching(canary(margin=0.05), metrics=number(numbers))
    assert site.deploy("two", config).outcome == "deployed"
    numbers.canary, numbers.stable = 0.1, 0.9
    outcome = site.deploy("one", config)
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.startswith("value: worse by 0.8 on average")


def test_a_source_that_is_down_is_no_good_news(site: Site, numbers: Numbers) -> None:
    site.deploy("one")
    numbers.canary = None
    config = watching(canary(margin=0.05, timeout=1.5), metrics=number(numbers))
    outcome = site.deploy("two", config)
    assert outcome.outcome == "rolled-back"
    assert outcome.reason.endswith("no numbers for value: canary: HTTP 503")


def test_a_source_that_hangs_holds_up_no_look_and_no_way_back(site: Site) -> None:
    site.deploy("one")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = Numbers(f"http://127.0.0.1:{silent.getsockname()[1]}")
        outcome = site.deploy("two", watching(canary(), metrics=number(hanging)), BAD=0.3)
    assert (outcome.outcome, outcome.reason.partition(":")[0]) == ("rolled-back", "errors")
    back = next(point["t"] for point in outcome.timeline if point["phase"] == "rollback")
    last = max(point["t"] for point in outcome.timeline if point["phase"] == "canary")
    assert back - last < PATIENCE  # the question is still open


def test_thresholds_on_a_number_that_was_never_read_let_nothing_go_on(site: Site, numbers: Numbers) -> None:
    site.deploy("one")
    numbers.stable = None
    config = watching(canary(margin=0.05, timeout=1.5), metrics=number(numbers), always_valid=False, step_requests=20)
    assert site.deploy("two", config).outcome == "rolled-back"
