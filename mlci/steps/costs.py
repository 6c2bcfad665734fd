"""The costs of the gate: challenger and champion started, asked and run in turn on this machine.

Both are measured as they are shipped: the challenger's image is made first, the same digest that `build` makes, and
unpacked like the champion's. Each measurement yields rounds (`mlci/gate/costs.py` says what is made of them) until
they decide or its time is over. The order in a round is drawn by the seed; what comes first, cold, is not counted.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci import gate as judging
from mlci import image, memory, process
from mlci.config.costs import Latency
from mlci.config.judging import Gate as Config
from mlci.deploy import replay
from mlci.deploy.drivers.process import prepare
from mlci.deploy.trial import Served, Trial, serving
from mlci.errors import WorldError
from mlci.evidence.receipt import Material
from mlci.gate.cost import cost_rules as rules
from mlci.gate.cost.costs import Cost, Round, exact, quantile, requests_a_round
from mlci.steps.bases import base_materials
from mlci.steps.image import declared, files, spec
from mlci.steps.models import unpacked
from mlci.steps.protocol import Context
from mlci.steps.requests import rows

WARM = 20
"""Requests that a server answers before any is timed, and before its memory is looked at."""
ROWS = 500
"""Rows of the holdout that are sent again and again."""


@dataclass(frozen=True)
class Costs:
    """What was measured, and how, for the receipt."""

    costs: tuple[Cost, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One model: the command that predicts, and its image as it is served."""

    predict: tuple[str, ...]
    served: Served


@dataclass(frozen=True)
class Sides:
    """The models in turn: the challenger, and the champion where there is one."""

    challenger: Side
    champion: Side | None
    seed: int

    @property
    def all(self) -> tuple[Side, ...]:
        return (self.challenger, self.champion) if self.champion else (self.challenger,)


def reads(ctx: Context) -> tuple[list[tuple[Path, str]], tuple[Material, ...]]:
    """What costs depend on beside the model: the image's files, and how it is made; nothing without a rule."""
    if not rules.needs_image(_gate(ctx)):
        return [], ()
    raw = json.dumps(declared(ctx), sort_keys=True, default=str)
    made_as = Material("image", f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}", "its config")
    return files(ctx), (made_as, *base_materials(ctx))


def measure(
    ctx: Context, champion: tuple[str, Sequence[str]] | None, holdout: Sequence[Path], work: Path, seed: int
) -> Costs:
    """Measure what the gate has rules for; `champion` is its digest and the command with which it predicts.

    Raises WorldError, naming whose, when a server or a command fails, hangs or refuses a row.
    """
    gate = _gate(ctx)
    if not rules.needs_image(gate):
        return Costs()
    made = spec(ctx)
    place = ctx.images if made.base else ctx.store  # what it stands on is not downloaded, and nothing else is sent
    built = image.build(ctx.store, made, target=place, log=ctx.say, stop=ctx.stop).descriptor.digest
    mine = _side(ctx, "the challenger", unpacked(place, built, ctx.home), gate.predict, work)
    theirs = None
    if champion:
        theirs = _side(ctx, "the champion", unpacked(ctx.having(champion[0]), champion[0], ctx.home), champion[1], work)
    sides = Sides(mine, theirs, seed)
    found: list[Cost] = []
    facts: dict[str, Any] = {}
    if gate.latency is not None:
        ctx.say("measuring the latency of the server")
        _add(found, facts, "latency", _latency(ctx, sides, _bodies(holdout)))
    if gate.load is not None or gate.memory is not None:
        ctx.say("measuring starts of the server")
        _add(found, facts, "server", _server(ctx, sides, _bodies(holdout) if gate.memory else []))
    if gate.batch is not None:
        ctx.say("measuring predict as a whole")
        _add(found, facts, "batch", _batch(ctx, sides, work))
    if gate.requirements is not None:
        counts = [_packages(side.served.root) for side in sides.all]
        found.append(exact(rules.of_requirements(gate), *counts, *([None] if champion is None else [])))
    return Costs(tuple(found), facts)


def _add(found: list[Cost], facts: dict[str, Any], name: str, settled: tuple[judging.Settled, dict[str, Any]]) -> None:
    found += settled[0].costs
    facts[name] = {**settled[0].facts(), **settled[1]}


def _side(ctx: Context, name: str, there: image.Unpacked, predict: Sequence[str], work: Path) -> Side:
    without = "put back one that works (`mlci rollback`), or judge without it: --set gate.champion=null"
    if rules.needs_server(_gate(ctx)) and not there.config.get("Cmd"):
        digest = f"sha256:{there.root.name[:12]}"
        raise WorldError(f"{name} {digest} was built without a server: none can be measured", help=without)
    waits = [one.deploy.ready_timeout for one in ctx.project.config.environments.values() if one.deploy]
    served = Served(
        f"{name}'s server",
        there.root,
        there.config,
        work / name.replace(" ", "-"),
        ctx.log("gate"),
        timeout=max(waits, default=60.0),
        help=without if name == "the champion" else None,
        lock=ctx.lock,
    )
    return Side(tuple(predict), served)


def _bodies(holdout: Sequence[Path]) -> list[bytes]:
    return replay.bodies(lambda: rows(holdout), ROWS)


def _latency(ctx: Context, sides: Sides, bodies: list[bytes]) -> tuple[judging.Settled, dict[str, Any]]:
    """Requests in blocks, ABBA or BAAB: each round gives each model's quantiles of its blocks together."""
    gate = _gate(ctx)
    rule = gate.latency
    assert rule is not None
    shares = rules.quantiles(gate)
    with ExitStack() as stack:
        trials = [stack.enter_context(serving(side.served, ctx.stop)) for side in sides.all]
        source = itertools.cycle(bodies)
        warm = list(itertools.islice(source, WARM))
        typical = sum(quantile(trial.ask(rule.path, warm), 0.5) for trial in trials)
        requests = requests_a_round(typical, rule.time, max(shares.values()))

        def rounds() -> Iterator[Round]:
            chance = random.Random(sides.seed)  # noqa: S311 - an order, no secret
            for _ in _until(rule.time):
                seen = _in_blocks(trials, rule.path, source, requests // 2, chance)
                yield {
                    f"latency_{name}_ms": _both([1e3 * quantile(one, share) for one in seen])
                    for name, share in shares.items()
                }

        begun = time.monotonic()
        settled = judging.settle(rounds(), rules.of_latency(gate, requests), gate.confidence)
    return settled, {"requests_a_round": requests, "seconds": round(time.monotonic() - begun, 1)}


def _in_blocks(
    trials: Sequence[Trial], path: str, source: Iterator[bytes], block: int, chance: random.Random
) -> list[list[float]]:
    """The seconds of each model's requests in one round: two blocks of each, the same rows for both."""
    first, second = (list(itertools.islice(source, block)) for _ in range(2))
    order = [*range(len(trials))]
    chance.shuffle(order)
    seen: list[list[float]] = [[] for _ in trials]
    for rows_, turn in ((first, order), (second, order[::-1])):
        for which in turn:
            seen[which] += trials[which].ask(path, rows_)
    return seen


def _server(ctx: Context, sides: Sides, bodies: list[bytes]) -> tuple[judging.Settled, dict[str, Any]]:
    """Each round starts each server once: the time until it is ready, its peak of memory after some requests."""
    gate = _gate(ctx)
    path = (gate.latency or Latency()).path
    time_ = max(rule.time for rule in (gate.load, gate.memory) if rule is not None)

    def once(side: Side) -> tuple[float, float]:
        with serving(side.served, ctx.stop) as trial:
            if bodies:
                trial.ask(path, (bodies * WARM)[:WARM])
            return trial.seconds, trial.memory() / 1e6

    names = ("load_time_s", "memory_mb")
    return judging.settle(_in_turn(sides, names, once, time_), rules.of_server(gate), gate.confidence), {}


def _batch(ctx: Context, sides: Sides, work: Path) -> tuple[judging.Settled, dict[str, Any]]:
    """Each round runs each model's predict once, whole: its time, and its peak of memory."""
    gate = _gate(ctx)
    assert gate.batch is not None
    data = str(ctx.project.root / ctx.project.config.data[gate.data].path)

    def once(side: Side) -> tuple[float, float]:
        table = work / "measured.parquet"
        table.unlink(missing_ok=True)
        made = prepare(side.served.folder, side.served.root, side.served.config, command=side.predict)
        env = {**made.env, "MLCI_DATA": data, "MLCI_PREDICTIONS": str(table)}
        command = process.Command(made.argv, made.cwd, env, gate.timeout, ctx.lock)
        guards: list[int] = []
        with memory.watched(guards) as seen:
            begun = time.perf_counter()
            process.run(command, log=side.served.log, say=lambda _: None, stop=ctx.stop, started=guards.append)
            took = time.perf_counter() - begun
        if not table.is_file():
            raise WorldError(
                f"`{' '.join(side.predict)}` ended well but wrote no predictions", help=side.served.help or ""
            )
        return took, sum(seen.values()) / 1e6

    names = ("batch_time_s", "batch_memory_mb")
    return judging.settle(_in_turn(sides, names, once, gate.batch.time), rules.of_batch(gate), gate.confidence), {}


def _in_turn(
    sides: Sides, names: Sequence[str], once: Callable[[Side], Sequence[float]], seconds: float
) -> Iterator[Round]:
    """Rounds in which each model has one turn, in an order drawn by chance; the first round is for the caches."""
    chance = random.Random(sides.seed)  # noqa: S311 - an order, no secret
    for side in sides.all:
        once(side)
    for _ in _until(seconds):
        order = [*enumerate(sides.all)]
        chance.shuffle(order)
        seen = dict(sorted((which, once(side)) for which, side in order))
        yield {name: _both([one[at] for one in seen.values()]) for at, name in enumerate(names)}


def _until(seconds: float) -> Iterator[None]:
    """Once at least, and again while there is time."""
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        yield


def _both(values: Sequence[float]) -> tuple[float, float | None]:
    return values[0], values[1] if len(values) > 1 else None


def _packages(root: Path) -> int:
    return len(list(root.glob("deps/*.dist-info")))


def _gate(ctx: Context) -> Config:
    config = ctx.project.config.gate
    assert config is not None
    return config
