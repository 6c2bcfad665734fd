"""A number that matters (`analysis.metrics`), read for both versions: from Prometheus, from JSON, from a command."""

from __future__ import annotations

import json
import math
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from mlci import process
from mlci.config.watching import LiveMetric
from mlci.deploy.analysis import Counts
from mlci.deploy.envoy_config import Wiring
from mlci.deploy.sources import Asked, Unreadable, get, silent
from mlci.errors import WorldError

COMMAND = 30.0
"""Seconds that a command may take."""


class Live:
    """One metric; `digests` are those of the canary and of the stable version, `cwd` is for its command."""

    def __init__(self, name: str, metric: LiveMetric, digests: tuple[str, str], cwd: Path) -> None:
        self._name, self._metric, self._cwd = name, metric, cwd
        self._words = [{"version": v, "digest": d} for v, d in zip(("canary", "stable"), digests, strict=True)]
        self._asked = Asked(name, metric.every, self._ask)
        self.start, self.stop = self._asked.start, self._asked.stop

    def add(self, counts: Counts, wiring: Wiring) -> Counts:
        """Each answer is a number of the canary and one of the stable version."""
        answers, why = self._asked.take()
        if answers:
            both = tuple(canary for canary, _ in answers), tuple(stable for _, stable in answers)
            counts = replace(counts, values={**counts.values, self._name: both})
        return silent(counts, self._name, why)

    def _ask(self, stop: threading.Event) -> tuple[float, float]:
        canary, stable = (self._one(words, stop) for words in self._words)
        return canary, stable

    def _one(self, words: dict[str, str], stop: threading.Event) -> float:
        metric = self._metric
        try:
            if metric.prometheus and metric.query:
                query = urlencode({"query": filled(metric.query, words)})
                found = of_prometheus(get(f"{filled(metric.prometheus, words).rstrip('/')}/api/v1/query?{query}"))
            elif metric.url and metric.json:
                safe = {name: quote(word, safe="") for name, word in words.items()}
                found = at(json.loads(get(filled(metric.url, safe))), filled(metric.json, words))
            else:
                found = _printed([filled(part, words) for part in metric.command or ()], self._cwd, stop)
            return checked(found, metric.low, metric.high)
        except (Unreadable, ValueError, RecursionError) as error:
            raise Unreadable(f"{words['version']}: {error}") from None


def filled(text: str, words: dict[str, str]) -> str:
    """The text with each `{name}` replaced; other braces are left, for queries have their own."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def of_prometheus(body: bytes) -> Any:
    """The one number of an answer to an instant query (Prometheus HTTP API); raises Unreadable."""
    found = json.loads(body)
    data = found.get("data") if isinstance(found, dict) and found.get("status") == "success" else None
    if not isinstance(data, dict):
        raise Unreadable("Prometheus gave no result")
    result = data.get("result")
    if data.get("resultType") == "scalar":
        result = [{"value": result}]
    if not isinstance(result, list) or len(result) != 1:
        raise Unreadable(f"the query gives {len(result) if isinstance(result, list) else 'no'} numbers, not one")
    value = result[0].get("value") if isinstance(result[0], dict) else None
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], str)):
        raise Unreadable("the query does not give a number")
    return float(value[1])


def at(found: Any, path: str) -> Any:
    """What stands at `orders.0.value` in JSON; raises Unreadable."""
    for step in path.split("."):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise Unreadable(f"the JSON has no {path}")
    return found


def checked(found: Any, low: float, high: float) -> float:
    """A finite number within its bounds; one that is not is no number of this metric. Raises Unreadable."""
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Unreadable(f"a {type(found).__name__} is not a number")
    if not math.isfinite(found) or not low <= found <= high:
        raise Unreadable(f"{found:g} is not between {low:g} and {high:g}")
    return float(found)


def _printed(argv: list[str], cwd: Path, stop: threading.Event) -> float:
    """The last line of a command's output, as a number."""
    lines: list[str] = []

    def heard(line: str) -> None:
        lines[:] = [line] if line.strip() else lines

    command = process.Command(argv, cwd, process.base_environment({}), timeout=COMMAND)
    try:
        process.run(command, log=Path(os.devnull), say=heard, stop=stop)
    except WorldError as error:
        raise Unreadable(error.message.splitlines()[0]) from None
    if not lines:
        raise Unreadable("the command printed nothing")
    try:
        return float(lines[0])
    except ValueError:
        raise Unreadable(f"the command printed {lines[0][:80]!r}") from None
