"""Images: a changed model, beside one pass of a hash over it and beside `docker build`; and nothing changed at all.

The model is one file of random bytes, another one each time. Everything is on one disk, as it is on a runner.
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import MLCI, Command, Options, run, say, table
from mlci.image import ImageSpec, build, put_tree
from mlci.store import FolderStore
from tests.enginekit import Engine, running_engine
from tests.registrykit import proxy_before, running_registry

CODE = "print('serving')\n"
DOCKERFILE = 'FROM scratch\nCOPY app.py /app/app.py\nCOPY weights.bin /models/weights.bin\nCMD ["python", "app.py"]\n'
PROJECT = """version: 1
project: bench
train: {{run: python train.py, outputs: {{model: weights.bin}}, params: {{bytes: {size}}}}}
image:
  repository: {repository}
  serve: {{command: [python, app.py]}}
"""
TRAIN = """import json, os, random
size = json.load(open(os.environ["MLCI_PARAMS"]))["bytes"]
chance = random.Random(size)
with open(os.environ["MLCI_OUTPUT_MODEL"], "wb") as out:
    for _ in range(size >> 20):
        out.write(chance.randbytes(1 << 20))
"""


@dataclass(frozen=True)
class Plan:
    """How large and how often."""

    model: int
    runs: int


@dataclass(frozen=True)
class Changed:
    """Seconds for one changed model: a pass of the hash, layer and image in the store, `docker build`."""

    hashed: float
    ours: float
    docker: float


def measure(options: Options) -> str:
    """The section of docs/benchmarks.md."""
    return section(Plan(16 << 20, 2) if options.quick else Plan(1 << 30, 5), options.data)


def section(plan: Plan, folder: Path) -> str:
    """All of it for a model of so many bytes."""
    with TemporaryDirectory(dir=folder) as work:
        found = list(_changed(plan, Path(work)))
        middle = Changed(*(statistics.median(getattr(one, name) for one in found) for name in Changed.__annotations__))
        seconds, asked = _nothing(plan, Path(work))
    rows = [
        ["a changed model: layer and image are ready", _s(middle.ours), "", ""],
        ["", "", f"{_s(middle.hashed)} (`hashlib.sha256` of it)", f"{middle.ours / middle.hashed:.2f}"],
        ["", "", f"{_s(middle.docker)} (`docker build`)", f"{middle.ours / middle.docker:.3f}"],
        ["nothing changed: `mlci build` with a repository", _s(seconds), f"{asked} requests", ""],
    ]
    return f"{table(['', 'mlci', 'instead', 'ratio'], rows)}\n\n{_TEXT.format(size=plan.model >> 20, runs=plan.runs)}\n"


_TEXT = """Medians of {runs}, in turn. The model is one file of {size} MiB, another one each time, in the page cache;
only its layer changes. The Dockerfile is `FROM scratch` with the same two files, so that nothing else takes time."""


def _changed(plan: Plan, work: Path) -> Iterator[Changed]:
    """After a warm-up, the three ways for one model after the other."""
    context = work / "context"
    context.mkdir()
    (context / "app.py").write_text(CODE)
    (context / "Dockerfile").write_text(DOCKERFILE)
    model = context / "weights.bin"
    store = FolderStore(work / "store")
    (work / "engine").mkdir()
    with running_engine(work / "engine") as engine:
        for number in range(plan.runs + 1):
            say(f"changed model {number} of {plan.runs}")
            _write(model, plan.model, seed=number)
            found = Changed(_hashed(model), _built(store, context), _docker(engine, context))
            if number:
                yield found


def _write(model: Path, size: int, *, seed: int) -> None:
    chance = random.Random(seed)
    with model.open("wb") as out:
        for _ in range(size >> 20):
            out.write(chance.randbytes(1 << 20))
        out.flush()
        os.fsync(out.fileno())


def _hashed(model: Path) -> float:
    """One pass of the hash over it; the file is read before, so that it is in the page cache for everybody."""
    for _ in range(2):
        began, found = time.perf_counter(), hashlib.sha256()
        with model.open("rb", buffering=0) as stream:
            while chunk := stream.read(1 << 20):
                found.update(chunk)
    return time.perf_counter() - began


def _built(store: FolderStore, context: Path) -> float:
    began = time.perf_counter()
    tree = put_tree(store, context / "weights.bin")
    spec = ImageSpec(copy={"app.py": context / "app.py"}, model=tree.digest, command=("python", "app.py"))
    build(store, spec, tag="latest", log=lambda _: None)
    return time.perf_counter() - began


def _docker(engine: Engine, context: Path) -> float:
    began = time.perf_counter()
    engine.docker("build", "--quiet", "--tag", "bench", str(context))
    return time.perf_counter() - began


def _nothing(plan: Plan, work: Path) -> tuple[float, int]:
    """Seconds and requests of `mlci build` where nothing has changed; the image is in a registry."""
    say("nothing changed")
    project = work / "project"
    project.mkdir()
    (project / "app.py").write_text(CODE)
    (project / "train.py").write_text(TRAIN)
    command = Command([*MLCI, "build"], cwd=project, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    with running_registry(work / "registry") as registry, proxy_before(registry.host) as wire:
        where = PROJECT.format(size=plan.model, repository=f"{registry.host}/bench/model")
        (project / "mlci.yaml").write_text(where)
        run(command)
        seconds = statistics.median(run(command).wall for _ in range(plan.runs + 1))
        there = PROJECT.format(size=plan.model, repository=f"{wire.host}/bench/model")
        (project / "mlci.yaml").write_text(there)
        run(command)
        wire.seen.clear()
        run(command)
        return seconds, len(wire.seen)


def _s(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
