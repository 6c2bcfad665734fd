"""What the server counts, as Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
PROBABILITY = tuple(step / 20 for step in range(1, 21))


class Histogram:
    """How many values fell at or under each bound."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...]) -> None:
        self.name, self.text, self.bounds = name, text, bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, values: Iterable[float]) -> None:
        for value in values:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.sum += value

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} histogram"
        total = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}'
        yield f"{self.name}_sum {self.sum}"
        yield f"{self.name}_count {total}"


class Metrics:
    """The counts of one server, whichever thread they come from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[int] = Counter()
        self._latency = Histogram("flights_request_seconds", "Time to answer POST /predict.", LATENCY)
        self._predictions = Histogram("mlci_prediction", "Predicted probability of a late arrival.", PROBABILITY)

    def record(self, status: int, seconds: float, predictions: Iterable[float]) -> None:
        """Count one answered POST /predict."""
        with self._lock:
            self._requests[status] += 1
            self._latency.add([seconds])
            self._predictions.add(predictions)

    def text(self) -> str:
        """All counts, for GET /metrics."""
        with self._lock:
            lines = [
                "# HELP flights_requests_total Answers to POST /predict by status.",
                "# TYPE flights_requests_total counter",
                *(f'flights_requests_total{{code="{code}"}} {count}' for code, count in sorted(self._requests.items())),
                *self._latency.lines(),
                *self._predictions.lines(),
            ]
        return "\n".join(lines) + "\n"
