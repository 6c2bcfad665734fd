"""The cost rules of `mlci.yaml`: what is asked of each measurement, and what is refused before anything runs.

Names end in the unit, as they stand in the receipt, the report and the tracker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mlci.gate import words
from mlci.gate.check import Mistake
from mlci.gate.cost.costs import QUANTILES, Asked, fewest_requests

if TYPE_CHECKING:
    from mlci.config.judging import Gate
    from mlci.config.model import Config

SERVED = ("latency", "load", "memory")
"""The keys that are about the server of the image."""
MEASURED = (*SERVED, "batch")
ALL = (*MEASURED, "requirements", "size")


def asked_for(gate: Gate) -> list[str]:
    """The cost rules that a gate has, `size` aside: its own rule needs no more than the model."""
    return [key for key in ALL if key != "size" and getattr(gate, key) is not None]


def without_costs(gate: Gate) -> Gate:
    """The rules on what the model says alone."""
    return replace(gate, latency=None, load=None, memory=None, batch=None, requirements=None, size=None)


def needs_image(gate: Gate) -> bool:
    """Whether a rule is about what the image makes of the model: then its code and requirements are inputs."""
    return bool(asked_for(gate))


def needs_server(gate: Gate) -> bool:
    """Whether a rule is about the server of the image."""
    return any(getattr(gate, key) is not None for key in SERVED)


def quantiles(gate: Gate) -> dict[str, float]:
    """The quantiles of the latency that are measured, by name."""
    rule = gate.latency
    assert rule is not None
    named = {name: share for name, share in QUANTILES.items() if getattr(rule, name) is not None}
    return named or {name: QUANTILES[name] for name in ("p50", "p95")}


def of_latency(gate: Gate, requests: int) -> tuple[Asked, ...]:
    """What is asked of rounds of so many requests to each model."""
    rule = gate.latency
    assert rule is not None
    return tuple(
        Asked(f"latency_{name}_ms", _times(getattr(rule, name), 1e3), rule.margin, _untold(name, share, requests))
        for name, share in quantiles(gate).items()
    )


def _untold(name: str, share: float, requests: int) -> str:
    needed = fewest_requests(share)
    if requests >= needed:
        return ""
    return (
        f"the {name} of {words.many(requests, 'request')} cannot be told: a round needs {needed}, "
        "and gate.latency.time has no room for rounds that long"
    )


def of_server(gate: Gate) -> tuple[Asked, ...]:
    """What is asked of starts of the server."""
    out = []
    if gate.load is not None:
        out.append(Asked("load_time_s", gate.load.max, gate.load.margin))
    if gate.memory is not None:
        out.append(Asked("memory_mb", _times(gate.memory.max, 1e-6), gate.memory.margin))
    return tuple(out)


def of_batch(gate: Gate) -> tuple[Asked, ...]:
    """What is asked of runs of `predict`."""
    rule = gate.batch
    assert rule is not None
    margin = rule.margin if rule.memory is not None else None
    return (
        Asked("batch_time_s", rule.max, rule.margin),
        Asked("batch_memory_mb", _times(rule.memory, 1e-6), margin),
    )


def of_requirements(gate: Gate) -> Asked:
    """What is asked of the number of packages."""
    assert gate.requirements is not None
    return Asked("requirements", gate.requirements.max)


def mistakes(config: Config) -> tuple[Mistake, ...]:
    """What the cost rules of a project ask for that it cannot be asked."""
    return tuple(_mistakes(config))


def _mistakes(config: Config) -> Iterator[Mistake]:
    gate, image = config.gate, config.image
    for key in asked_for(gate) if gate else ():
        path = f"$.gate.{key}"
        if image is None:
            yield Mistake(path, f"`{key}` is a cost of the image, and there is none", "Add `image`, or take it out.")
        elif key in SERVED and image.serve is None:
            yield Mistake(path, f"`{key}` is a cost of the server, and there is none", "Add `image.serve`.")
        elif image.dockerfile is not None or image.base != "scratch":
            yield Mistake(path, "this version measures images from scratch only", "Take it out to run without it.")


def _times(number: float | None, by: float) -> float | None:
    return None if number is None else float(f"{number * by:.12g}")
